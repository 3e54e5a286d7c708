from fractions import Fraction

import pytest
import torch

from vldm_cli.pipelines.clip.fit import Fit


def fit(height, width, turns=0, sar=Fraction(1), size=(160, 256)):
    return Fit(height, width, turns, sar, *size)


@pytest.mark.parametrize(
    ("made", "box"),
    [
        (fit(640, 1024), (0, 0, 160, 256)),
        (fit(160, 256), (0, 0, 160, 256)),
        (fit(1080, 1920), (8, 0, 144, 256)),
        (fit(1080, 1920, turns=1), (0, 83, 160, 90)),
        (fit(480, 720, sar=Fraction(32, 27)), (8, 0, 144, 256)),
        (fit(480, 720, turns=3, sar=Fraction(32, 27)), (0, 83, 160, 90)),
        (fit(2, 100_000), (79, 0, 1, 256)),
        (fit(100_000, 2), (0, 127, 160, 1)),
    ],
)
def test_a_frame_lies_in_the_middle_and_keeps_its_shape(made, box):
    assert made.box == box


def test_what_is_larger_than_the_models_frame_needs_enlarging():
    assert fit(640, 1024).enlarges and fit(161, 200).enlarges and fit(100, 257).enlarges
    assert not fit(160, 256).enlarges and not fit(80, 100).enlarges


def smooth(height, width):
    y, x = torch.linspace(-1, 1, height)[:, None], torch.linspace(-1, 1, width)[None]
    return torch.stack([y + 0 * x, x + 0 * y, x * y])[None] * 0.9


@pytest.mark.parametrize("size", [(160, 256), (90, 160), (320, 180), (37, 53), (640, 1024)])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("scale", [1, 4])
def test_there_and_back_is_the_same_picture(size, turns, scale):
    made = fit(*size, turns=turns)
    x_NCHW = smooth(*size)
    seen = made.to_model(x_NCHW)
    assert seen.shape == (1, 3, 160, 256)
    if scale > 1:
        seen = torch.nn.functional.interpolate(seen, scale_factor=4.0, mode="bilinear")
    assert made.from_model(seen).shape == x_NCHW.shape
    assert (made.from_model(seen) - x_NCHW).abs().max() < 0.05


def test_the_models_own_size_is_not_touched():
    x_NCHW = torch.rand(2, 3, 160, 256) * 2 - 1
    made = fit(160, 256)
    assert torch.equal(made.to_model(x_NCHW), x_NCHW) and torch.equal(made.from_model(x_NCHW), x_NCHW)


def test_the_model_sees_a_turned_clip_upright():
    x_NCHW = torch.zeros(1, 3, 256, 160)
    x_NCHW[..., :, -1] = 1  # the right border as it is stored is the top after a turn counter-clockwise
    seen = fit(256, 160, turns=1).to_model(x_NCHW)
    assert seen[..., 0, :].min() == 1 and seen[..., 1:, :].max() == 0


def test_beyond_its_borders_a_frame_is_mirrored():
    x_NCHW = smooth(80, 256)
    seen = fit(80, 256).to_model(x_NCHW)
    assert torch.equal(seen[..., 40:120, :], x_NCHW)
    assert torch.equal(seen[..., 39, :], x_NCHW[..., 1, :])
    assert torch.equal(seen[..., 120, :], x_NCHW[..., -2, :])
