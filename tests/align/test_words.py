"""The temporal layers' own reading of the text."""

import pytest
import torch

from tests.align.saved import read
from tests.align.shapes import UNETS, randomise, unet_inputs
from vldm_cli.align import VideoUNet, align

READER = 16


def aligned():
    """A model whose temporal layers read twice as many channels of the text as its image model, and its inputs."""
    unet = UNETS["sd15"]()
    width = unet.config.cross_attention_dim
    torch.manual_seed(3)
    model = align(unet, reach="space-time", text_dim=2 * width, reader_dim=READER)
    inputs = unet_inputs(unet)
    inputs["text_BLD"] = torch.cat([inputs["text_BLD"], torch.randn(2, 3, width)], -1)
    return model, inputs


@torch.no_grad()
def test_the_image_model_reads_its_own_channels_only():
    model, inputs = aligned()
    own = inputs["text_BLD"][..., : model.unet.config.cross_attention_dim]
    plain = align(UNETS["sd15"]())
    with model.temporal_off(), plain.temporal_off():
        assert torch.equal(model(**inputs), plain(**{**inputs, "text_BLD": own}))


@torch.no_grad()
def test_what_only_they_read_is_heard_in_its_own_video():
    model, inputs = aligned()
    randomise(model)
    before = model(**inputs)
    inputs["text_BLD"] = inputs["text_BLD"].clone()
    inputs["text_BLD"][1, 0, -1] += 3
    after = model(**inputs)
    torch.testing.assert_close(after[0], before[0])
    assert (after[1] - before[1]).abs().max() > 1e-3


@torch.no_grad()
def test_it_moves_in_the_file(tmp_path):
    model, inputs = aligned()
    randomise(model)
    model.save_temporal(tmp_path / "t.safetensors")
    there = read(VideoUNet, UNETS["sd15"](), tmp_path / "t.safetensors")
    assert there.sizes["reader_dim"] == READER
    assert torch.equal(there(**inputs), model(**inputs))


def test_it_learns_with_the_temporal_layers():
    model, inputs = aligned()
    randomise(model)
    model(**inputs).square().mean().backward()
    gradients = [p.grad for p in model.reader.parameters()]
    assert gradients and all(g is not None and g.abs().sum() > 0 for g in gradients)
    assert model.unet.conv_in.weight.grad is None


def test_a_reader_without_words_is_refused():
    with pytest.raises(ValueError, match="words to read"):
        align(UNETS["sd15"](), reach="space-time", reader_dim=READER)
