import pytest
import torch
from torch.nn import functional as F

from tests.align.pictures import moving, picture
from vldm_cli.measure.consistency import (
    background_flicker,
    colour_drift,
    flicker,
    mean_colour,
    psnr,
    sharpness,
    ssim,
    warping_error,
)

assert picture  # a fixture


def test_warping_error_sees_noise_and_not_motion(picture):
    still = moving(picture, 2, 1, 3)
    noisy = still + 0.05 * torch.randn(still.shape, generator=torch.Generator().manual_seed(1))
    plain = 127.5 * still.diff(dim=0).abs().mean()
    assert warping_error(still) < 0.25 * plain
    # the flow fits some of the noise, hence less than the 7.2 that two independent noises differ by
    assert 2.5 < warping_error(noisy) < 7.5


def test_background_flicker_leaves_what_moves_alone():
    x = torch.zeros(4, 3, 32, 64)
    for t in range(4):
        x[t, :, 8:16, 16 * t : 16 * t + 16] = 1.0
    assert background_flicker(x) == 0
    x[1::2] += 2 / 127.5
    assert background_flicker(x) == pytest.approx(2.0, abs=1e-4)


def test_flicker_is_against_the_truth(picture):
    truth = moving(picture, 2, 0, 4)
    assert flicker(truth + 0.3, truth) == pytest.approx(0, abs=1e-4)
    wrong = truth.clone()
    wrong[1::2] += 2 / 127.5
    assert flicker(wrong, truth) == pytest.approx(2.0, abs=1e-3)


def test_psnr_and_ssim(picture):
    assert psnr(picture + 0.02, picture) == pytest.approx(40.0, abs=1e-3)
    assert ssim(picture, picture) == pytest.approx(1.0, abs=1e-6)
    # of two flat pictures only the means' term is left (float32 rounds variances of nothing)
    a, b = torch.zeros(1, 3, 16, 16), torch.full((1, 3, 16, 16), 0.5)
    assert ssim(a, b) == pytest.approx((2 * 1.0 * 1.5 + 4e-4) / (1.0 + 2.25 + 4e-4), abs=1e-3)


def test_sharpness_and_colour(picture):
    assert sharpness(F.avg_pool2d(picture, 9, 1, 4)) < 0.8 * sharpness(picture)
    flat = torch.zeros(2, 3, 4, 4)
    flat[:, 0] = 1
    assert mean_colour(flat).tolist() == [255.0, 127.5, 127.5]


def test_colour_drift_sees_colours_and_not_what_moves(picture):
    first, last = (picture.repeat(8, 1, 1, 1) * 0.5 for _ in range(2))
    for t in range(8):  # a white square crosses the picture, and has grown
        first[t, :, 20:40, 10 * t : 10 * t + 20] = 1.0
        last[t, :, 10:50, 10 * t : 10 * t + 40] = 1.0
    assert 127.5 * (last.mean() - first.mean()) > 10
    assert colour_drift(first, last) == 0.0
    last[:, 0] += 6 / 127.5
    assert colour_drift(first, last) == pytest.approx(2.0, abs=1e-4)
