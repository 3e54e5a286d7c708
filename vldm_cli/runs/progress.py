"""What a run tells while it works: progress by stage, and how long each stage took by itself."""

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Who is told. `start` comes once for each stage, before any work, with its total of units (denoiser calls for
    stages of latents, frames for the others); `finished` after each segment that is safely on disk."""

    def start(self, stage: str, total: int) -> None: ...
    def advance(self, stage: str, n: int = 1) -> None: ...
    def finished(self, segment_frames: int) -> None: ...


class NullProgress:
    """Tells nobody."""

    def start(self, stage: str, total: int) -> None:
        pass

    def advance(self, stage: str, n: int = 1) -> None:
        pass

    def finished(self, segment_frames: int) -> None:
        pass


class Meter:
    """One stage's progress, counted from its beginning: a run that goes on jumps over what is finished, and work that
    is done twice (a window smaller after memory ran out) is not counted twice."""

    def __init__(self, progress: Progress, stage: str, total: int) -> None:
        self.progress, self.stage, self.total, self.done = progress, stage, total, 0
        progress.start(stage, total)

    def upto(self, done: int) -> None:
        """Everything before unit `done` is finished."""
        done = min(done, self.total)
        if done > self.done:
            step, self.done = done - self.done, done
            self.progress.advance(self.stage, step)


def silent(totals: Mapping[str, int]) -> dict[str, Meter]:
    """Meters of stages by their totals, of which nobody is told."""
    return {stage: Meter(NullProgress(), stage, total) for stage, total in totals.items()}


class Clock:
    """Wall seconds by stage. Stages are nested generators, each pulled by the next: time spent in an inner stage is
    counted there and not in the stages that wait for it."""

    def __init__(self) -> None:
        self.began = self._mark = time.perf_counter()
        self.seconds: dict[str, float] = {}
        self._stack: list[str] = []
        self.failed_in: str | None = None

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self.began

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Within this, time is the stage's. When an exception leaves it, `failed_in` names the innermost stage."""
        self._charge()
        self._stack.append(name)
        try:
            yield
        except BaseException as error:
            if self.failed_in is None and not isinstance(error, StopIteration | GeneratorExit):
                self.failed_in = name
            raise
        finally:
            self._charge()
            self._stack.pop()

    def timed(self, name: str, items: Iterator) -> Generator:
        """The same items; the work that makes them is the stage's, or the wait for them where another thread makes
        them. They are closed with this."""
        done = object()
        try:
            while True:
                with self.stage(name):
                    item = next(items, done)
                if item is done:
                    return
                yield item
        finally:
            if hasattr(items, "close"):
                items.close()

    def _charge(self) -> None:
        now = time.perf_counter()
        if self._stack:
            self.seconds[self._stack[-1]] = self.seconds.get(self._stack[-1], 0.0) + now - self._mark
        self._mark = now
