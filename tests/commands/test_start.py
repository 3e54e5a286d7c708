"""How commands import what is large."""

import gc

import pytest

from tests.video import clips


@pytest.fixture
def kept():
    """kept() → whether objects were put beyond the reach of garbage collection since this was made."""
    gc.unfreeze()
    yield lambda: gc.get_freeze_count() > 0
    gc.unfreeze()


def test_what_is_imported_is_not_looked_through_again(vldm, base, kept):
    assert vldm("generate", "a red ball", "-o", "a.mp4", "--frames", 2, *base, "--size", "64x40")[0] == 0
    assert kept() and gc.isenabled()


def test_what_is_imported_for_a_clip_neither(vldm, kept, tmp_path):
    clips.make(tmp_path, "clip.mkv", frames=3, size="20x12")
    words = ("--device", "cpu", "--engine", "motion", "-o", "b.mkv")
    assert vldm("interpolate", "clip.mkv", *words)[0] == 0
    assert kept() and gc.isenabled()


def test_a_refused_command_collects_as_before(vldm):
    assert vldm("generate", "a red ball", "-o", "a.xyz", "--device", "cpu")[0] == 2
    assert gc.isenabled()
