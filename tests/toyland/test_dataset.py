"""Training clips: shapes, reproducibility, times, and the upscaler's patches."""

import numpy as np
import pytest
import torch

from vldm_cli.errors import RequestError
from vldm_cli.toyland.captions import tokens, vocabulary
from vldm_cli.toyland.dataset import ToylandClips

SIZE = (24, 40)


def clips(**kw):
    return ToylandClips(**{"seed": 5, "frames": 3, "frame_steps": {16: 0.7, 4: 0.3}, "size": SIZE} | kw)


def test_batch():
    data = clips(chunk=5)
    batch = data.batch(12)
    assert batch.video_BTCHW.shape == (12, 3, 3, *SIZE) and batch.video_BTCHW.dtype == torch.uint8
    assert set(batch.frame_step_B.tolist()) == {4, 16} and batch.frame_step_B.dtype == torch.int64
    assert len(batch.captions) == len(batch.attributes) == 12
    assert {t for text in batch.captions for t in tokens(text)} <= set(vocabulary())
    assert not torch.equal(batch.video_BTCHW, data.batch(12).video_BTCHW)


def test_same_seed_same_clips_whatever_the_chunk():
    a, b = clips(chunk=3).batch(8), clips().batch(8)
    assert a.captions == b.captions and torch.equal(a.start_B, b.start_B)
    assert (a.video_BTCHW.int() - b.video_BTCHW.int()).abs().max() <= 1
    assert clips(seed=6).batch(8).captions != a.captions


def test_frame_steps_are_the_distance_in_time():
    """Every fourth frame of a dense clip is the clip at step 4."""
    dense, sparse = (
        clips(frames=9, frame_steps={1: 1}, driving=1.0),
        clips(frames=3, frame_steps={4: 1}, driving=1.0),
    )
    a, b = dense.batch(3).video_BTCHW[:, ::4], sparse.batch(3).video_BTCHW
    assert (a.int() - b.int()).abs().max() <= 1


def test_mix_and_starts():
    data = clips(size=(4, 6), frames=1, frame_steps={16: 1}, late=0.3)
    batch = data.batch(400)
    roads = np.mean([d["family"] == "driving" for d in batch.attributes])
    assert 0.14 < roads < 0.27
    assert batch.start_B.min() >= -0.5 and batch.start_B.max() > 10
    late = batch.late_B
    assert 0.05 < late.float().mean() < 0.3 and batch.start_B[late].min() > 0.7
    assert not clips(size=(4, 6), late=0.0).batch(50).late_B.any()
    assert all(d["family"] == "objects" for d in clips(size=(4, 6), driving=0.0).batch(30).attributes)


def test_patches_lie_where_they_say():
    hr, lr, y0, x0 = clips(frames=2).patch_pairs(6, (16, 16), 4)
    assert (
        hr.shape == (6, 2, 3, 64, 64) and lr.shape == (6, 2, 3, *SIZE) and hr.dtype == lr.dtype == torch.uint8
    )
    for i in range(6):
        part = lr[i, :, :, y0[i] : y0[i] + 16, x0[i] : x0[i] + 16].float()
        shrunk = torch.nn.functional.avg_pool2d(hr[i].float(), 4)
        assert (part - shrunk).abs().mean() < 6


def test_bad_requests():
    with pytest.raises(RequestError, match="frame"):
        clips(frames=0)
    with pytest.raises(RequestError, match="does not fit"):
        clips().patch_pairs(1, (32, 32))
