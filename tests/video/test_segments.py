"""Segments of frames with times of their own."""

import numpy as np
import pytest

from tests.video import clips
from vldm_cli.video.look import Look, Raw
from vldm_cli.video.segments import MOST, encode_frames
from vldm_cli.video.times import constant

RAW = Raw("rgb24", 16, 16)


def frames(count):
    return [bytes(np.full((16, 16, 3), 3 * n, np.uint8)) for n in range(count)]


def test_as_many_frames_as_a_segment_may_have_are_at_their_times(tmp_path):
    path, times = tmp_path / "a.mp4", constant(100, 24)
    assert encode_frames(path, frames(MOST), RAW, Look(), times, 2, "mp4", 16) == MOST
    assert [24 * time for time, _, _ in clips.packets(path)] == list(range(MOST))


@pytest.mark.parametrize(("count", "of", "first"), [(MOST + 1, 100, 0), (3, 10, 8)])
def test_more_frames_than_have_times_are_refused(tmp_path, count, of, first):
    with pytest.raises(ValueError, match="more than the"):
        encode_frames(tmp_path / "a.mp4", frames(count), RAW, Look(), constant(of, 24), first, "mp4", 16)
    assert not any(tmp_path.iterdir())
