"""How stages are joined: a source gives the items of a sequence in order, from any index on, and makes none before
it is asked for it. Memory depends on the windows that are open and never on the length of the video."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from vldm_cli.stages.windows import Window

Source = Callable[[int], Iterator[Tensor]]
"""source(start): items start, start + 1, … of the sequence. Items do not depend on where one starts."""


class Reader:
    """Windows of a source, moving forwards; holds no more than the last window asked for."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._items: deque[Tensor] = deque()
        self._first = 0
        self._stream: Iterator[Tensor] | None = None

    def window(self, start: int, stop: int) -> list[Tensor]:
        """Items [start, stop). Raises ValueError when the source ends before."""
        next_index = self._first + len(self._items)
        if self._stream is None or not self._first <= start <= next_index:
            self._stream, self._first = self._source(start), start
            self._items.clear()
        while self._items and self._first < start:
            self._items.popleft()
            self._first += 1
        while self._first + len(self._items) < stop:
            try:
                self._items.append(next(self._stream))
            except StopIteration:
                raise ValueError(f"the sequence ends before item {stop - 1}") from None
        return [self._items[i] for i in range(stop - start)]


def faded(windows: Sequence[Window], start: int, run: Callable[[int], Tensor]) -> Iterator[Tensor]:
    """Frames from `start` on, of fixed windows that overlap: linear ramps fade each window into the next one.

    run(i): frames of window i, (T, ...). What comes out does not depend on `start`: a window is run whole, and a
    frame is mixed from the same windows in every case.
    """
    first = next((i for i, w in enumerate(windows) if w.stop > start), len(windows))
    tail: list[Tensor] = []  # the end of the window before, where it fades out
    for i in range(first, len(windows)):
        window = windows[i]
        x_TCHW = run(i)
        fade_out = windows[i + 1].new if i + 1 < len(windows) else window.stop
        # Without a tail this is where we begin, and nothing before `start` is looked at.
        for frame in range(window.new if tail else max(window.new, start), fade_out):
            # Copies, here and below: a view would keep all of the window while the next one is run, when memory is at
            # its peak.
            x = x_TCHW[frame - window.start].clone()
            k = frame - window.new
            if k < len(tail):
                x = tail[k].lerp(x, (k + 1) / (len(tail) + 1))
            if frame >= start:
                yield x
        tail = [x_TCHW[frame - window.start].clone() for frame in range(fade_out, window.stop)]
        del x_TCHW
