"""A clip that changes while it is read: nothing of two clips is mixed."""

import os
import shutil

import pytest

from tests.video import clips
from vldm_cli.errors import RunError
from vldm_cli.video.clip import open_clip
from vldm_cli.video.files import Files


@pytest.fixture
def two(tmp_path):
    """Two clips alike but for what they show."""
    one = clips.make(tmp_path, "a.mp4", frames=12)
    other = clips.make(tmp_path, "b.mp4", frames=12, rate="12")
    return one, other


def replaced(one, other):
    shutil.copy(other, one.with_name("new.mp4"))
    os.replace(one.with_name("new.mp4"), one)


def overwritten(one, other):
    times = one.stat().st_atime_ns, one.stat().st_mtime_ns
    one.write_bytes(other.read_bytes())
    os.utime(one, ns=times)  # as a copy that keeps them does


@pytest.mark.parametrize("change", [replaced, overwritten])
def test_a_changed_clip_gives_no_more_frames(two, change):
    clip = open_clip(two[0])
    clip.fingerprint()
    stream = clip.read(0, clip.raw(True))
    next(stream)
    change(*two)
    with pytest.raises(RunError, match=r"a\.mp4 changed while it was read; put it back"):
        list(stream)
    with pytest.raises(RunError, match="changed"):
        clip.check()


def test_one_that_was_only_touched_goes_on(two, monkeypatch):
    clip = open_clip(two[0])
    clip.fingerprint()
    stream = clip.read(0, clip.raw(True))
    next(stream)
    os.utime(two[0], (1, 1))
    assert len(list(stream)) == 11
    monkeypatch.setattr(
        Files, "read", lambda files: pytest.fail("read again although nothing happened since")
    )
    clip.check()


def test_one_that_changed_while_it_was_looked_at(two):
    clip = open_clip(two[0])
    overwritten(*two)
    with pytest.raises(RunError, match="changed"):
        clip.fingerprint()


def test_pictures_too(tmp_path):
    from PIL import Image

    for number in range(3):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"{number}.png")
    clip = open_clip(tmp_path)
    clip.fingerprint()
    stream = clip.read(0, clip.raw(True))
    next(stream)
    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "2.png")
    next(stream)
    with pytest.raises(RunError, match="changed"):
        next(stream)
