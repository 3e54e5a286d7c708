import torch

from tests.align.families.test_svd_decoder import pair
from tests.align.shapes import autoencoder, randomise
from vldm_cli.align import VideoDecoder, align
from vldm_cli.align.fine import finish_in_float32
from vldm_cli.stages.upsampling import fold_upsampling


def decoders() -> tuple[VideoDecoder, VideoDecoder]:
    """The same one in float32 and in bfloat16."""
    made = []
    for dtype in (torch.float32, torch.bfloat16):
        torch.manual_seed(0)
        model = align(autoencoder())
        randomise(model)
        made.append(model.to(dtype))
    return made[0], made[1]


@torch.no_grad()
def test_frames_are_finer_than_bfloat16s_and_their_beginning_is_its_own():
    exact, model = decoders()
    z = torch.randn(1, 3, 4, 4, 6)
    expected, coarse = exact.decode(z), model.decode(z.bfloat16())
    finish_in_float32(model)
    found = model.decode(z.bfloat16())
    assert coarse.dtype == torch.bfloat16 and found.dtype == torch.float32
    assert (found - expected).norm() < 0.9 * (coarse.float() - expected).norm()
    assert not torch.equal(found, found.bfloat16().float())
    held = [{p.dtype for p in level.parameters()} for level in model.vae.decoder.up_blocks]
    assert held == [{torch.bfloat16}] * (len(held) - 2) + [{torch.float32}] * 2
    assert {p.dtype for p in model.vae.encoder.parameters()} == {torch.bfloat16}


@torch.no_grad()
def test_it_is_the_same_with_folded_enlarging_and_without_temporal_layers():
    _, model = decoders()
    finish_in_float32(model)
    z = torch.randn(1, 3, 4, 4, 6).bfloat16()
    expected = model.decode(z)
    with model.temporal_off():
        alone = model.decode(z)
    assert not torch.allclose(alone, expected, atol=1e-3)
    fold_upsampling(model)
    torch.testing.assert_close(model.decode(z), expected, atol=0.05, rtol=0.05)
    with model.temporal_off():
        torch.testing.assert_close(model.decode(z), alone, atol=0.05, rtol=0.05)


@torch.no_grad()
def test_a_temporal_layer_over_finished_pixels_computes_in_it_too():
    """SVD's decoder has one; it stayed in bfloat16, and could not take the pixels."""
    _, model = pair(torch.bfloat16)
    coarse = model.decode(z := torch.randn(1, 3, 4, 4, 6).bfloat16())
    finish_in_float32(model)
    found = model.decode(z)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, coarse.float(), atol=0.1, rtol=0.1)
