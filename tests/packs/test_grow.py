"""A grown pack makes what the pack makes that it was grown from, and stays one that diffusers opens."""

import pytest
import torch

from tests.tiny import stock_pipeline
from vldm_cli.align import Context
from vldm_cli.errors import RequestError
from vldm_cli.packs.grow import grow_pack
from vldm_cli.packs.load import load_interpolation, load_keyframes, load_text, load_unet


@pytest.fixture(scope="module")
def grown(tiny_pack, tmp_path_factory):
    return grow_pack(tiny_pack, tmp_path_factory.mktemp("grown") / "grown", 2, ["zebra", "red", "two"])


def test_the_image_model_computes_the_same_and_is_larger(tiny_pack, grown):
    before, after = load_unet(tiny_pack), load_unet(grown)
    assert list(after.config.layers_per_block) == [3, 1]
    assert sum(p.numel() for p in after.parameters()) > sum(p.numel() for p in before.parameters())
    torch.manual_seed(0)
    inputs = torch.randn(2, 4, 8, 12), torch.tensor([10, 700]), torch.randn(2, 5, 16)
    with torch.no_grad():
        torch.testing.assert_close(after(*inputs).sample, before(*inputs).sample, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("load", [load_keyframes, load_interpolation])
def test_the_video_models_compute_the_same(tiny_pack, grown, load):
    before, after = load(tiny_pack), load(grown)
    torch.manual_seed(0)
    z, text = torch.randn(1, 5, 4, 8, 12), torch.randn(1, 5, 32)
    context = Context.leading(torch.randn_like(z), torch.tensor([2]))
    with torch.no_grad():
        made = [m(z, 500, text, context=context, frame_step=4) for m in (before, after)]
    torch.testing.assert_close(made[1], made[0], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(made[0][:, 1:], made[0][:, :-1])


def test_what_is_new_learns(grown):
    unet = load_unet(grown).requires_grad_(True)
    unet(torch.randn(1, 4, 8, 12), 5, torch.randn(1, 5, 16)).sample.square().mean().backward()
    for block in (unet.down_blocks[0].resnets[1], unet.up_blocks[-1].resnets[2]):
        assert block.conv2.weight.grad.abs().sum() > 0


def test_known_words_keep_their_tokens_and_new_ones_have_their_own(tiny_pack, grown):
    before, after = load_text(tiny_pack), load_text(grown)
    said = "a red ball and a blue cube"
    assert after.words.ids(said) == before.words.ids(said)
    torch.testing.assert_close(after.encode([said]), before.encode([said]))
    assert before.words.unknown("two red zebra") == ["two", "zebra"]
    assert after.words.unknown("two red zebra") == []
    assert len(set(after.words.ids("red two zebra"))) == 6  # these three, beginning, end, padding


def test_diffusers_opens_it(grown):
    pipe = stock_pipeline(grown)
    made = pipe("a red ball", num_inference_steps=1, output_type="np", height=32, width=48).images
    assert made.shape == (1, 32, 48, 3)


def test_refusals(tiny_pack, grown, tmp_path):
    with pytest.raises(RequestError, match="already holds a pack"):
        grow_pack(tiny_pack, grown.folder, 2, [])
    with pytest.raises(RequestError, match="--layers"):
        grow_pack(tiny_pack, tmp_path / "less", -1, [])
