"""Clips at both sizes, beside each other."""

import numpy as np
import pytest
import torch
from PIL import Image

from vldm_cli.errors import RequestError
from vldm_cli.train.data import files
from vldm_cli.train.data.pairs import Pairs

CPU = torch.device("cpu")
SIZE, SCALE = 8, 4


def numbered(folder, frames):
    """A clip whose frames are as bright as their number says."""
    folder.mkdir(parents=True)
    side = SCALE * SIZE if folder.stem == "high" else SIZE
    for number in range(frames):
        Image.fromarray(np.full((side, side, 3), 10 * number, np.uint8)).save(folder / f"{number:03}.png")


@pytest.fixture
def short(monkeypatch):
    """Stretches of four frames at the high resolution, and of all frames at the low one."""
    monkeypatch.setattr(files, "STRETCH_BYTES", 4 * 3 * (SCALE * SIZE) ** 2)


def test_both_of_a_pair_are_cut_alike_however_large_their_frames_are(short, tmp_path):
    numbered(tmp_path / "a" / "high.frames", 10)
    numbered(tmp_path / "a" / "low.frames", 10)
    source = Pairs(tmp_path, CPU)
    cuts = [(high.first, high.frames) for high, _ in source.pairs]
    assert cuts == [(0, 4), (4, 4), (8, 2)]
    assert [[(low.first, low.frames) for low in lows] for _, lows in source.pairs] == [[cut] for cut in cuts]
    (found,) = source.patches(0, 16, 2, SIZE, SCALE)
    assert torch.equal(found.high_BTCHW[..., ::SCALE, ::SCALE], found.low_BTCHW)
    assert found.low_BTCHW.max() >= 80  # of the last stretch


def test_a_low_resolution_that_ends_early_is_named(short, tmp_path):
    numbered(tmp_path / "a" / "high.frames", 10)
    numbered(tmp_path / "a" / "low-20.frames", 6)
    with pytest.raises(RequestError, match=r"no low resolution of high\.frames from frame 8 on"):
        Pairs(tmp_path, CPU)
    numbered(tmp_path / "a" / "low-30.frames", 10)
    lows = [[low.path.stem for low in lows] for _, lows in Pairs(tmp_path, CPU).pairs]
    assert lows == [["low-20", "low-30"], ["low-20", "low-30"], ["low-30"]]
