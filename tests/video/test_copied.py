"""Which clips' packets can go on in a new file."""

from fractions import Fraction

import numpy as np
import pytest

from tests.video import clips
from vldm_cli.video.clip import open_clip
from vldm_cli.video.copied import CLIP, GENERATED, copy_packets, style_to_copy
from vldm_cli.video.write import encode_segment, join_segments


def test_a_folder_that_was_there_stays(tmp_path):
    """A run that ended in its last moment leaves a bare one, by which its finished file is known."""
    clip, beside = open_clip(generated(tmp_path)), tmp_path / ".run"
    beside.mkdir()
    assert style_to_copy(clip, "mp4", 16, beside) == GENERATED
    assert list(beside.iterdir()) == []
    beside.rmdir()
    assert style_to_copy(clip, "mp4", 16, beside) == GENERATED
    assert not beside.exists()


def generated(folder, fps=Fraction(24), crf=16, frames=30):
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 255, (32, 48, 3), np.uint8) for _ in range(frames)]
    parts = []
    for first in range(0, frames, 24):
        parts.append(folder / f"part-{first}")
        encode_segment(parts[-1], images[first : first + 24], fps, "mp4", crf)
    join_segments(parts, folder / "a.mp4", "mp4", fps, {"vldm": "0"})
    return folder / "a.mp4"


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(24000, 1001), Fraction(10), Fraction(60)])
def test_what_generate_made(tmp_path, fps):
    path = generated(tmp_path, fps)
    clip = open_clip(path)
    assert style_to_copy(clip, "mp4", 16, tmp_path / ".run") == GENERATED
    assert (
        style_to_copy(clip, "mp4", 23, tmp_path / ".run") is None
        and style_to_copy(clip, "webm", 16, tmp_path / ".run") is None
    )
    copy_packets(clip, tmp_path / "copy.mp4")
    assert clips.packets(tmp_path / "copy.mp4") == clips.packets(path)


def test_what_a_command_on_a_clip_made(tmp_path):
    clips.copy(clips.make(tmp_path, "a.mp4", frames=20), tmp_path / "b.mp4", crf=16)
    assert style_to_copy(open_clip(tmp_path / "b.mp4"), "mp4", 16, tmp_path / ".run") == CLIP


@pytest.mark.parametrize(
    "kind",
    ["plain mp4", "b-frames", "23.976", "variable times", "mirrored", "10 bit hevc", "mp3 in avi", "gif"],
)
def test_everybody_elses_is_not(tmp_path, kind):
    assert style_to_copy(open_clip(clips.KINDS[kind](tmp_path)), "mp4", 16, tmp_path / ".run") is None


def test_a_damaged_one_is_not(tmp_path):
    path = generated(tmp_path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = bytes(3000)
    path.write_bytes(data)
    assert style_to_copy(open_clip(path), "mp4", 16, tmp_path / ".run") is None


def test_of_webm_every_vp9_is_to_the_tick(tmp_path):
    clip = open_clip(clips.KINDS["23.976 in webm"](tmp_path))
    assert style_to_copy(clip, "webm", 40, tmp_path / ".run") == CLIP
    copy_packets(clip, tmp_path / "copy.mp4")
    assert open_clip(tmp_path / "copy.mp4").times == clip.times
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.webm", "copy.mp4"]
