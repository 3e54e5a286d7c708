"""Frames made one after the other, each from what came out for the one before, and yet the same ones wherever one
starts: in windows, gone through frame by frame, which fade into each other. No more is held than what goes from frame
to frame."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from torch import Tensor

from vldm_cli.stages.windows import Window, continued_windows

# Frames of a window, and how many of them the next one goes through as well.
WINDOW, OVERLAP = 64, 4

Item = TypeVar("Item")
State = TypeVar("State")


def windows_of(frames: int, window: int = WINDOW, overlap: int = OVERLAP) -> tuple[Window, ...]:
    """Windows over so many frames, the last one as short as it comes; they fade over all of an overlap."""
    return tuple(Window(w.start, w.stop, w.start) for w in continued_windows(frames, window, overlap))


def first_frame(windows: tuple[Window, ...], start: int) -> int:
    """The frame to begin with for frames from `start` on."""
    return next((w.start for w in windows if w.stop > start), start)


def streamed(
    windows: tuple[Window, ...],
    start: int,
    items: Iterator[Item],
    begin: Callable[[], State],
    step: Callable[[Item, State], Tensor],
) -> Iterator[Tensor]:
    """What `step` makes of the items from `start` on. items: those from `first_frame` on; begin: a window's state,
    which `step` brings up to date."""
    coming = [w for w in windows if w.stop > start]
    running: list[tuple[Window, State]] = []
    for frame, item in enumerate(items, first_frame(windows, start)):
        while coming and coming[0].start == frame:
            running.append((coming.pop(0), begin()))
        made = [step(item, state) for _, state in running]
        x = made[0]
        if len(made) > 1:  # the first fades out, the second in
            (older, _), (newer, _) = running
            x = x.lerp(made[1], (frame - newer.new + 1) / (older.stop - newer.new + 1))
        if frame >= start:
            yield x
        running = [(window, state) for window, state in running if window.stop > frame + 1]
