import torch

from vldm_cli.align.context import Context, ContextEncoder, StepEmbedding


def test_masks():
    z = torch.randn(2, 4, 3, 2, 2)
    assert Context.leading(z, torch.tensor([0, 2])).mask_BT.tolist() == [[0, 0, 0, 0], [1, 1, 0, 0]]
    assert Context.leading(z, 1).mask_BT.tolist() == [[1, 0, 0, 0]] * 2
    assert Context.none(1, 3, 4, 2, 2).empty
    assert Context.leading(z, 2).dropped().empty
    assert not Context.at(z, torch.tensor([[0, 1, 0, 0], [0, 0, 0, 0]])).empty


def test_known_frames_are_put_back_exactly():
    z = torch.randn(1, 3, 2, 2, 2)
    known = Context.at(z, torch.tensor([[1, 0, 1]]))
    other = torch.randn_like(z)
    back = known.put_back(other)
    assert torch.equal(back[:, ::2], z[:, ::2]) and torch.equal(back[:, 1], other[:, 1])


def test_noise_augmentation_keeps_the_variance():
    z, noise = torch.randn(2, 4, 8, 16, 16), torch.randn(2, 4, 8, 16, 16)
    level = torch.tensor([0.0, 0.6])
    noised = Context.leading(z, 2).noised(noise, level)
    assert torch.equal(noised.z_BTCHW[0], z[0])
    torch.testing.assert_close(noised.z_BTCHW[1], 0.8 * z[1] + 0.6 * noise[1])
    assert torch.equal(noised.noise_level_B, level)


@torch.no_grad()
def test_the_encoder_sees_known_frames_mask_and_level_only():
    torch.manual_seed(0)
    encoder = ContextEncoder(3, 8, levels=3)
    z = torch.randn(1, 4, 3, 7, 10)
    features = encoder(Context.leading(z, 2))
    assert set(features) == {(7, 10), (4, 5), (2, 3)}
    assert all(f.shape[:2] == (4, 8) for f in features.values())
    changed = z.clone()
    changed[:, 2:] += 1
    again = encoder(Context.leading(changed, 2))
    assert all(torch.equal(features[k], again[k]) for k in features)
    louder = Context.at(z, torch.tensor([[1, 1, 0, 0]]), torch.tensor([0.5]))
    assert not torch.equal(encoder(louder)[7, 10][:2], features[7, 10][:2])
    assert torch.equal(encoder(louder)[7, 10][2:], features[7, 10][2:])


def test_step_embedding_tells_steps_apart():
    torch.manual_seed(0)
    embed = StepEmbedding(32)
    e = embed(torch.tensor([10, 10, 500]), torch.tensor([1, 16, 16]))
    assert not torch.allclose(e[0], e[1], atol=1e-3)
    assert not torch.allclose(e[1], e[2], atol=1e-3)
