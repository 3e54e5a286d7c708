from types import SimpleNamespace

import pytest

from vldm_cli.pipelines.upscale.clip import UpscaleClip
from vldm_cli.pipelines.upscale.job import _plan
from vldm_cli.video.look import Raw


def test_a_gpu_upscales_about_as_fast_as_was_measured():
    """96 frames of 640×360 on an H100: 14 windows of 8 frames at 16.1 ms, and 7.1 s of encoding."""
    clip = SimpleNamespace(frames=96, height=360, width=640, raw=lambda rgb: Raw("rgb24", 360, 640))
    settings = {"scale": 4, "seed": 0, "steps": 1, "noise": 0.0, "window": 8, "overlap": 1}
    plan = _plan(UpscaleClip(clip, None, None, **settings), "cuda:0", "pixel")
    assert (plan["windows"], plan["tiles"], plan["calls"]) == (14, 6, 84)
    assert plan["estimated_total_seconds"] == pytest.approx(14 * 8 * 0.0161 + 7.1, rel=0.1)
