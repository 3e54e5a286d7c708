"""Detail averaged along the motion."""

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch.nn import functional as F

from tests.align.pictures import moving, picture
from tests.align.saved import read
from tests.align.shapes import randomise, unet_inputs
from vldm_cli.align import VideoUNet, align
from vldm_cli.align import compensation as compensation_module
from vldm_cli.align.compensation import averaged

assert picture  # a fixture

SCALE = 4


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


def residual(frames, height, width, seed=0):
    """(1, frames, 48, height, width)."""
    return torch.randn(1, frames, 48, height, width, generator=torch.Generator().manual_seed(seed))


def moved_detail(detail_CHW, dx, dy, frames):
    """Folded residuals (1, T, 48, h, w) of detail (3, 4·h, 4·w) that moves by whole low-resolution pixels a frame."""
    large = [torch.roll(detail_CHW, (SCALE * dy * t, SCALE * dx * t), (1, 2)) for t in range(frames)]
    return F.pixel_unshuffle(torch.stack(large), SCALE)[None]


@torch.no_grad()
def test_detail_that_goes_along_with_the_motion_stays_and_other_detail_is_averaged_away(picture):
    low_BTCHW = moving(picture, 2, -1, 5)[None]
    h, w = low_BTCHW.shape[-2:]
    true = moved_detail(0.2 * torch.randn(3, SCALE * h, SCALE * w), 2, -1, 5)
    true = F.avg_pool2d(true.flatten(0, 1), 3, 1, 1)[None]  # between cells it is the same nearly
    invented = 0.2 * residual(5, h, w)
    inside = (slice(None), slice(1, -1), slice(None), slice(12, -12), slice(12, -12))

    def error(x):
        return (averaged(x, low_BTCHW, SCALE) - x)[inside].square().mean() / x[inside].square().mean()

    # of three frames' own inventions a third of the power is left
    assert (
        averaged(invented, low_BTCHW, SCALE)[inside].square().mean() < 0.45 * invented[inside].square().mean()
    )
    assert error(true) < 0.1 < 0.4 < error(invented)


@torch.no_grad()
def test_where_frames_have_nothing_in_common_each_keeps_its_own():
    low_BTCHW = torch.tensor([0.8, -0.8, 0.8]).view(1, 3, 1, 1, 1).expand(-1, -1, 3, 48, 80)
    own = residual(3, 48, 80)
    torch.testing.assert_close(averaged(own, low_BTCHW, SCALE), own, rtol=0, atol=1e-5)


@torch.no_grad()
def test_each_video_of_a_batch_has_its_own_motion(picture, monkeypatch):
    low_BTCHW = torch.stack([moving(picture, 0, 0, 3), moving(picture, 3, 1, 3)])
    h, w = low_BTCHW.shape[-2:]
    own = torch.cat([residual(3, h, w, seed) for seed in range(2)])
    together = averaged(own, low_BTCHW, SCALE)
    monkeypatch.setattr(compensation_module, "PIXELS", 1)  # a pair at a time
    for i in range(2):
        alone = averaged(own[i : i + 1], low_BTCHW[i : i + 1], SCALE)
        torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-4)


@torch.no_grad()
def test_what_is_alike_stays_as_it_is(picture):
    low_BTCHW = picture.expand(1, 4, -1, -1, -1)
    own = residual(1, *picture.shape[-2:]).expand(-1, 4, -1, -1, -1)
    torch.testing.assert_close(averaged(own, low_BTCHW, SCALE), own, rtol=0, atol=1e-3)
    one = own[:, :1]
    assert torch.equal(averaged(one, low_BTCHW[:, :1], SCALE), one)


def test_it_can_be_trained_through(picture):
    low_BTCHW = moving(picture, 1, 0, 3)[None]
    own = residual(3, *low_BTCHW.shape[-2:]).requires_grad_()
    averaged(own, low_BTCHW, SCALE).square().sum().backward()
    assert own.grad.isfinite().all() and (own.grad != 0).float().mean() > 0.9


@torch.no_grad()
def test_with_temporal_layers_off_or_without_compensation_nothing_is_averaged(picture):
    low_BTCHW = moving(picture, 1, 0, 3)[None]
    own = residual(3, *low_BTCHW.shape[-2:])
    model, _ = upscaler()
    assert not torch.equal(model.steadied(own, low_BTCHW, SCALE), own)
    with model.temporal_off():
        assert torch.equal(model.steadied(own, low_BTCHW, SCALE), own)
    model, _ = upscaler(compensated=False)
    assert torch.equal(model.steadied(own, low_BTCHW, SCALE), own)


@pytest.mark.parametrize("repeated_ends", [True, False])
@torch.no_grad()
def test_frames_that_are_alike_stay_so(repeated_ends):
    """Zeros beyond the ends made every frame of a window another one, by where in the window it was."""
    model, inputs = upscaler(repeated_ends)
    made = model(**alike(inputs, 5))
    assert torch.allclose(made, made[:, :1].expand_as(made), rtol=1e-4, atol=1e-5) == repeated_ends


@torch.no_grad()
def test_a_single_frame_has_itself_beside_it():
    model, inputs = upscaler()
    one = {name: inputs[name][:, :1] for name in ("z_BTCHW", "extra_BTCHW")}
    several = model(**alike(inputs, 3))
    torch.testing.assert_close(model(**{**inputs, **one})[:, 0], several[:, 1], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_file_says_whether_they_are_compensated(tmp_path):
    model, inputs = upscaler()
    model.save_temporal(tmp_path / "a.safetensors")
    again = read(VideoUNet, image_upscaler(), tmp_path / "a.safetensors")
    assert again.sizes["compensated"] and torch.equal(again(**inputs), model(**inputs))
