"""Segments one after the other, whose frames come out of one stream."""

from collections.abc import Callable, Generator, Iterator
from itertools import islice
from typing import Generic, TypeVar

Frame = TypeVar("Frame")


class Row(Generic[Frame]):
    """begin: the frames from one on, to the end. They go on where the last segment ended, and are begun anew for one
    that does not follow it."""

    def __init__(self, begin: Callable[[int], Generator[Frame, None, None]]) -> None:
        self._begin = begin
        self._stream: Generator[Frame, None, None] | None = None
        self._next = 0

    def frames(self, start: int, stop: int, anew: bool = False) -> Iterator[Frame]:
        """Those of [start, stop), which are to be taken before others are asked for. anew: in any case."""
        if self._stream is None or self._next != start or anew:
            self.close()
            self._stream = self._begin(start)
        self._next = stop
        return islice(self._stream, stop - start)

    def close(self) -> None:
        """Threads that make frames have ended afterwards."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None
