"""What the world does to frames: each step by what defines it."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vldm_cli.train import blocks
from vldm_cli.train.data import codec
from vldm_cli.train.data.degrade import FILTERS, Degrade, blurred, noisy, resizing


def picture(frames=4, size=64, seed=0):
    """Smooth colours with edges, standing still, (1, frames, 3, size, size) float in 0 … 255."""
    coarse = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) * 255
    x = F.interpolate(coarse, size=(size, size), mode="bilinear")
    x[..., size // 4 : size // 2, size // 3 :] = 255 - x[..., size // 4 : size // 2, size // 3 :]
    return x[:, None].expand(1, frames, -1, -1, -1).contiguous()


def rms(a, b):
    return float((a.float() - b.float()).square().mean().sqrt())


@pytest.mark.parametrize("name", list(FILTERS))
def test_filters_keep_flat_and_sloping_areas(name):
    matrix = resizing(name, 16, 4)
    assert matrix.shape == (16, 64)
    np.testing.assert_allclose(matrix.sum(1), 1)
    # a slope stays where it is: nothing is shifted
    np.testing.assert_allclose((matrix @ np.arange(64))[4:-4], 4 * np.arange(16)[4:-4] + 1.5, atol=1e-9)


def test_filters_are_those_that_they_are_called():
    x = torch.rand(1, 1, 64, 64, dtype=torch.float64)
    for name, mode in (("bicubic", "bicubic"), ("bilinear", "bilinear")):
        theirs = F.interpolate(x, scale_factor=0.25, mode=mode, antialias=True)
        m = torch.from_numpy(resizing(name, 16, 4))
        torch.testing.assert_close(m @ x @ m.T, theirs, atol=1e-6, rtol=0)
    m = torch.from_numpy(resizing("area", 16, 4))
    torch.testing.assert_close(m @ x @ m.T, F.avg_pool2d(x, 4))


def test_every_clip_has_a_blur_of_its_own_and_all_its_frames_the_same():
    x = torch.cat([picture(), picture()])
    y = blurred(x, np.random.default_rng(1))
    assert torch.allclose(y[:, 0], y[:, 1]) and rms(y[0], y[1]) > 1
    assert abs(float(y.mean() - x.mean())) < 1
    assert len(blurred(x[:0], np.random.default_rng(1))) == 0


def test_noise_is_new_in_every_frame_and_nowhere_too_strong():
    x = torch.full((200, 2, 3, 8, 8), 128.0)
    grain = noisy(x, np.random.default_rng(0)) - x
    assert rms(grain[:, 0], grain[:, 1]) > 1 and abs(float(grain.mean())) < 0.5
    assert 2 < float(grain.std()) < 12
    grey = (grain[:, :, 0] - grain[:, :, 1]).abs().flatten(1).amax(1) < 1e-4
    assert 60 < int(grey.sum()) < 140


def test_colours_survive_the_way_to_yuv_and_back():
    x = picture()
    y, colour = blocks.to_yuv(x)
    assert y.shape == (1, 4, 1, 64, 64) and colour.shape == (1, 4, 2, 32, 32)
    flat = x.mean((3, 4), keepdim=True).expand_as(x)
    torch.testing.assert_close(blocks.from_yuv(*blocks.to_yuv(flat)), flat, rtol=0, atol=1e-2)
    # luma is as fine as before, colour is not
    assert rms(blocks.to_yuv(blocks.from_yuv(y, colour))[0], y) < 1e-2
    assert rms(blocks.from_yuv(y, colour), x) > 1


@pytest.mark.parametrize("size", [64, 40])
def test_the_imitated_codec_loses_more_the_higher_the_number(size):
    x = picture(size=size) + torch.randn(1, 4, 3, size, size, generator=torch.Generator().manual_seed(1)) * 6
    errors = [rms(blocks.coded(x, torch.tensor([q])), x) for q in (4, 16, 28, 40)]
    assert errors == sorted(errors) and errors[-1] > 1.5 * errors[0]
    assert len(blocks.coded(x[:0], torch.tensor([]))) == 0


def test_what_stands_still_is_coded_as_no_change():
    x = picture(frames=5)
    y = blocks.coded(x, torch.tensor([30.0]))
    still = float((y[:, 2:] - y[:, 1:-1]).abs().mean())
    assert still < 0.1 * rms(y, x)


def test_clips_through_the_real_encoder_come_back_in_their_places():
    clips = torch.cat([picture(seed=i) for i in range(5)]).to(torch.uint8)
    clips = torch.cat([clips, clips.flip(1).roll(8, -1)])
    crf = np.array([12] * 5 + [34] * 5)
    coded = codec.h264(clips, crf)
    assert coded.shape == clips.shape and coded.dtype == torch.uint8
    low, high = rms(coded[:5], clips[:5]), rms(coded[5:], clips[5:])
    assert low < high < 20
    other = rms(coded[:5], clips[[1, 2, 3, 4, 0]])
    assert low < 0.3 * other


def test_moving_clips_keep_their_order():
    clips = torch.stack([picture(1)[0].roll(3 * t, -1)[0] for t in range(8)])[None].to(torch.uint8)
    coded = codec.h264(clips, np.array([18]))
    distances = [[rms(coded[0, i], clips[0, j]) for j in range(8)] for i in range(8)]
    assert [row.index(min(row)) for row in distances] == list(range(8))
    assert codec.h264(clips[:, :1], np.array([18])).shape == (1, 1, 3, 64, 64)


@pytest.mark.parametrize("real", [True, False])
def test_degraded_clips(real):
    high = torch.cat([picture(3, 128, seed) for seed in range(40)]).to(torch.uint8)
    low = Degrade(real)(high, 4, np.random.default_rng(3))
    assert low.shape == (40, 3, 3, 32, 32) and low.dtype == torch.uint8
    assert torch.equal(low, Degrade(real)(high, 4, np.random.default_rng(3)))
    m = torch.from_numpy(resizing("ffmpeg", 32, 4)).float()
    ideal = m @ high.float() @ m.T
    errors = torch.tensor([rms(a, b) for a, b in zip(low, ideal, strict=True)])
    # every other clip has only been through the scaler and the codec
    assert errors.max() < 60 and errors[::2].median() < errors[1::2].median()
