"""Temporal layers that fetch their neighbours along the motion."""

import pytest
import torch
from diffusers import UNet2DConditionModel

from tests.align.pictures import moving, picture
from tests.align.shapes import randomise, unet_inputs
from vldm_cli.align import VideoUNet, align
from vldm_cli.align.compensation import fetched, neighbours

assert picture  # a fixture


def image_upscaler():
    """Convolutions alone, as Toyland's upscalers have: attention would tell frames apart by their number."""
    torch.manual_seed(0)
    return UNet2DConditionModel(
        in_channels=7,
        out_channels=4,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
        mid_block_type="UNetMidBlock2D",
        cross_attention_dim=8,
        layers_per_block=1,
        norm_num_groups=4,
    ).eval()


def upscaler(repeated_ends=True, compensated=True):
    unet = image_upscaler()
    model = align(unet, context_channels=0, repeated_ends=repeated_ends, compensated=compensated)
    randomise(model)
    return model, unet_inputs(unet, size=(16, 24))


def alike(inputs, frames):
    """The inputs with the first frame in all of them."""
    return {
        **inputs,
        **{
            name: inputs[name][:, :1].repeat(1, frames, 1, 1, 1).contiguous()
            for name in ("z_BTCHW", "extra_BTCHW")
        },
    }


def test_what_moves_is_found_where_it_was_and_where_it_will_be(picture):
    x_TCHW = moving(picture, 2, -1, 3)
    before, itself, after = fetched(x_TCHW, 3, neighbours(x_TCHW[None])).chunk(3, 1)
    assert torch.equal(itself, x_TCHW)
    inside = (..., slice(8, -8), slice(8, -8))
    still = (x_TCHW[1] - x_TCHW[0])[inside].abs().mean()
    assert (before[1:] - x_TCHW[1:])[inside].abs().mean() < 0.1 * still
    assert (after[:-1] - x_TCHW[:-1])[inside].abs().mean() < 0.1 * still


def test_each_video_of_a_batch_has_its_own_motion(picture):
    x_BTCHW = torch.stack([moving(picture, 0, 0, 3), moving(picture, 3, 1, 3)])
    together = neighbours(x_BTCHW)
    for i, grids in enumerate(zip(*(grid.chunk(2) for grid in together), strict=True)):
        for one, alone in zip(grids, neighbours(x_BTCHW[i : i + 1]), strict=True):
            torch.testing.assert_close(one, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("repeated_ends, compensated", [(True, True), (True, False), (False, False)])
@torch.no_grad()
def test_frames_that_are_alike_stay_so(repeated_ends, compensated):
    """Zeros beyond the ends made every frame of a window another one, by where in the window it was."""
    model, inputs = upscaler(repeated_ends, compensated)
    made = model(**alike(inputs, 5))
    assert torch.allclose(made, made[:, :1].expand_as(made), rtol=1e-4, atol=1e-5) == repeated_ends


@torch.no_grad()
def test_a_single_frame_has_itself_beside_it():
    model, inputs = upscaler()
    one = {name: inputs[name][:, :1] for name in ("z_BTCHW", "extra_BTCHW")}
    several = model(**alike(inputs, 3))
    torch.testing.assert_close(model(**{**inputs, **one})[:, 0], several[:, 1], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_the_motion_matters(picture, monkeypatch):
    model, inputs = upscaler()
    inputs["extra_BTCHW"] = moving(picture, 3, 1, 5)[None].expand(2, -1, -1, -1, -1)
    inputs["z_BTCHW"] = torch.randn(2, 5, 4, 48, 80)
    made = model(**inputs)
    monkeypatch.setattr("vldm_cli.align.compensation.flow", lambda a, b: torch.zeros_like(a[:, :2]))
    assert (model(**inputs) - made).abs().max() > 1e-3


def test_the_frames_are_needed():
    model, inputs = upscaler()
    with pytest.raises(ValueError, match="need the frames"):
        model(**{**inputs, "extra_BTCHW": None})


@torch.no_grad()
def test_a_file_says_whether_they_are_compensated(tmp_path):
    model, inputs = upscaler()
    model.save_temporal(tmp_path / "a.safetensors")
    again = VideoUNet.from_file(image_upscaler(), tmp_path / "a.safetensors")
    assert again.sizes["compensated"] and torch.equal(again(**inputs), model(**inputs))
