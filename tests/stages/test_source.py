import weakref

import numpy as np
import pytest
import torch

from tests.running import Watched, source_of
from vldm_cli.stages.source import Reader, faded
from vldm_cli.stages.windows import fixed_windows


def test_reader_gives_windows_and_keeps_no_more():
    source = Watched(100)
    reader = Reader(source)
    everything = list(Watched(100)(0))
    for start in (0, 0, 3, 5, 40, 41, 90):
        window = reader.window(start, start + 6)
        assert all(torch.equal(a, b) for a, b in zip(window, everything[start : start + 6], strict=True))
        assert source.made == start + 6
        del window
    assert source.most <= 7


def test_reader_says_when_the_sequence_is_too_short():
    with pytest.raises(ValueError, match="ends before item 5"):
        Reader(source_of(list(torch.arange(5.0)))).window(2, 6)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 14, 15, 31])
@pytest.mark.parametrize("overlap", [0, 1, 2, 4])
def test_fading_windows_that_agree_gives_the_frames_themselves(count, overlap):
    windows = fixed_windows(count, 8, overlap)
    frames = torch.randn(count, 2, dtype=torch.float64)
    got = torch.stack(list(faded(windows, 0, lambda i: frames[windows[i].start : windows[i].stop])))
    torch.testing.assert_close(got, frames)


@pytest.mark.parametrize(("count", "overlap"), [(31, 2), (9, 2), (15, 4), (17, 0), (5, 2)])
def test_fading_does_not_depend_on_where_one_starts(count, overlap):
    windows = fixed_windows(count, 8, overlap)
    outputs = [torch.randn(w.length, 3) for w in windows]
    whole = list(faded(windows, 0, outputs.__getitem__))
    assert len(whole) == count
    for start in range(count + 1):
        part = list(faded(windows, start, outputs.__getitem__))
        assert len(part) == count - start
        assert all(torch.equal(a, b) for a, b in zip(part, whole[start:], strict=True))


def test_the_ramp_is_linear_and_each_window_is_run_once():
    windows = fixed_windows(13, 8, 3)
    runs = []

    def run(i):
        runs.append(i)
        return torch.full((8, 1), float(i))

    got = torch.cat(list(faded(windows, 0, run)))
    torch.testing.assert_close(got, torch.tensor([0.0] * 5 + [0.25, 0.5, 0.75] + [1.0] * 5))
    assert runs == [0, 1]


@pytest.mark.parametrize("first", [3, 5, 8])
def test_fading_from_a_shorter_first_window(first):
    windows = fixed_windows(21, 8, 2, first)
    frames = torch.randn(21, 2, dtype=torch.float64)
    whole = list(faded(windows, 0, lambda i: frames[windows[i].start : windows[i].stop]))
    torch.testing.assert_close(torch.stack(whole), frames)
    outputs = [torch.randn(w.length, 3) for w in windows]
    whole = list(faded(windows, 0, outputs.__getitem__))
    for start in range(22):
        part = list(faded(windows, start, outputs.__getitem__))
        assert all(torch.equal(a, b) for a, b in zip(part, whole[start:], strict=True))


def test_a_window_is_let_go_before_the_next_one_is_run():
    windows = fixed_windows(31, 8, 2)
    arrays = []

    def run(i):
        assert all(array() is None for array in arrays), "a window before lives on"
        array = np.full((windows[i].length, 3), float(i))
        arrays.append(weakref.ref(array))
        return torch.from_numpy(array)

    kept = []
    for x in faded(windows, 0, run):
        kept.append(x)
    assert len(kept) == 31 and len(arrays) == len(windows) > 3
