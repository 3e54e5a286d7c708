"""Travelling waves: encodings of place and time together, for attention in space and time."""

import pytest
import torch

from tests.align.saved import read
from tests.align.shapes import UNETS, first_video, randomise, unet_inputs
from vldm_cli.align import VideoUNet, align
from vldm_cli.align.layers import TravellingWaves

SHAPES = pytest.mark.parametrize("shape", UNETS)
OWN = {"reach": "space-time", "waves": 6}


def aligned(shape="x4", random=True):
    unet = UNETS[shape]()
    model = align(unet, **OWN)
    if random:
        randomise(model)
    return model, unet_inputs(unet)


@SHAPES
@torch.no_grad()
def test_new_it_is_the_image_model_and_switched_off_as_well(shape):
    plain, inputs = align(UNETS[shape](), reach="space-time"), unet_inputs(UNETS[shape]())
    model, _ = aligned(shape, random=False)
    torch.testing.assert_close(model(**inputs), plain(**inputs), rtol=1e-5, atol=1e-6)
    randomise(model)
    with model.temporal_off(), plain.temporal_off():
        assert torch.equal(model(**inputs), plain(**inputs))


@torch.no_grad()
def test_a_wave_moves_with_its_velocity():
    waves = TravellingWaves(1, 2)
    waves.out.weight.copy_(torch.eye(2))
    # four waves across the picture, to the right by one column a frame
    k = 2 * torch.pi * 4
    waves.frequencies.copy_(torch.tensor([[-k / 16, 0.0, k]]))
    z = waves(5, 3, 16)
    assert z.shape == (5, 3, 16, 2)
    for t in range(5):
        torch.testing.assert_close(z[t], z[0].roll(t, 1), rtol=0, atol=1e-4)
    torch.testing.assert_close(z[0, 0, :, 0], torch.sin(k * torch.arange(16) / 16), rtol=0, atol=1e-4)
    assert torch.equal(z[:, 0], z[:, 2])


@torch.no_grad()
def test_places_are_shares_of_the_picture_at_every_level():
    waves = TravellingWaves(6, 8)
    torch.nn.init.normal_(waves.out.weight)
    torch.testing.assert_close(waves(4, 6, 8)[:, ::2, ::2], waves(4, 3, 4))


@torch.no_grad()
def test_it_moves_in_a_file(tmp_path):
    model, inputs = aligned()
    model.save_temporal(tmp_path / "t.safetensors")
    there = read(VideoUNet, UNETS["x4"](), tmp_path / "t.safetensors")
    assert torch.equal(there(**inputs), model(**inputs))


def test_waves_are_learned_and_change_what_comes_out():
    model, inputs = aligned()
    full = model(**inputs)
    full.square().sum().backward()
    layers = [m for m in model.unet.modules() if isinstance(m, TravellingWaves)]
    assert layers
    for waves in layers:
        assert waves.frequencies.grad.abs().sum() > 0 and waves.out.weight.grad.abs().sum() > 0
        torch.nn.init.zeros_(waves.out.weight)
    with torch.no_grad():
        assert not torch.allclose(model(**inputs), full, atol=1e-3)


@torch.no_grad()
def test_it_takes_any_length_size_and_precision():
    model, inputs = aligned()
    full = model(**inputs)
    for T, size in ((1, (8, 12)), (9, (8, 12)), (3, (7, 9))):
        other = unet_inputs(model.unet, T=T, size=size)
        first = first_video(other)
        torch.testing.assert_close(model(**other)[:1], model(**first), rtol=1e-4, atol=1e-5)
    model.to(torch.bfloat16).to(memory_format=torch.channels_last)
    halves = {k: v.bfloat16() if v is not None and v.is_floating_point() else v for k, v in inputs.items()}
    torch.testing.assert_close(model(**halves).float(), full, rtol=0.1, atol=0.1)


def test_only_attention_in_space_and_time_has_them():
    with pytest.raises(ValueError, match="travelling waves"):
        align(UNETS["x4"](), waves=4)
