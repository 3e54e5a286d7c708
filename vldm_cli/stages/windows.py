"""Which items of a sequence a model sees together: three kinds of window, METHOD.md §4 to §6.

- keyframes: the first window makes as many as fit; each next one sees the last ones made and goes on;
- interpolation: windows over intervals between known frames; neighbours share one known frame;
- decoder and upscaler: one fixed length, overlapping and cross-faded; the last one is moved back so that it keeps the
  length. The first one may be shorter: temporal layers see the frames around each one, and their group norms one frame
  at a time, so that lengths may differ without a seam beyond that of any two windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Window:
    """Items [start, stop) of a stage's own sequence that the model sees together; those from `new` on are given by
    this window, the ones before it are context, shared, or (decoder, upscaler) faded out of the window before."""

    start: int
    stop: int
    new: int

    @property
    def length(self) -> int:
        return self.stop - self.start


def continued_windows(count: int, window: int, context: int, lead: int = 0) -> tuple[Window, ...]:
    """Windows that make `count` items one after the other: each next one starts `context` items back.

    The first `lead` items are given. The last window may be shorter. METHOD.md §4.
    """
    if not 0 < context < window or not 0 <= lead < window:
        raise ValueError(f"no windows of {window} with {context} of context and {lead} given")
    first = min(window, count)
    windows = [Window(0, first, min(lead, first))]
    while windows[-1].stop < count:
        last = windows[-1].stop
        windows.append(Window(last - context, min(last - context + window, count), last))
    return tuple(windows)


def interval_windows(intervals: int, window: int, cuts: Sequence[int] = ()) -> tuple[Window, ...]:
    """Windows over intervals between known frames, four made frames an interval. METHOD.md §5.

    The intervals of `cuts` are in windows of their own, so that no other window sees what is on both sides of a cut.
    """
    edges = sorted({0, intervals, *cuts, *(cut + 1 for cut in cuts)})
    spans = [
        (s, min(s + window, stop)) for start, stop in pairwise(edges) for s in range(start, stop, window)
    ]
    return tuple(Window(start, stop + 1, 4 * start + (start > 0)) for start, stop in spans)


def fixed_windows(count: int, window: int, overlap: int, first: int | None = None) -> tuple[Window, ...]:
    """Windows of one length, each `overlap` further back than the end of the one before; `new` is where the
    cross-fade from the one before begins. Fewer items than a window: one window of that many.

    first: the length of the first of several windows, where it is to be done sooner than the others; it is no longer
    than they are.
    """
    if not 0 <= 2 * overlap <= window:  # else three windows would meet in one frame
        raise ValueError(f"no windows of {window} with an overlap of {overlap}")
    first = window if first is None else min(first, window)
    if not max(overlap, 1) <= first:
        raise ValueError(f"no first window of {first} with an overlap of {overlap}")
    if count <= window:
        return (Window(0, count, 0),)
    windows = [Window(0, first, 0)]
    while windows[-1].stop < count:
        last = windows[-1].stop
        start = min(last - overlap, count - window)
        windows.append(Window(start, start + window, last - overlap))
    return tuple(windows)


def longest(windows: tuple[Window, ...]) -> int:
    """Items in the longest of some windows; 0 of none."""
    return max((w.length for w in windows), default=0)
