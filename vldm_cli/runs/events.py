"""Progress as events, for programs: what a run tells (see `progress`), handed to a function."""

from collections.abc import Callable
from dataclasses import dataclass

from vldm_cli.runs.progress import Progress


@dataclass(frozen=True)
class ProgressEvent:
    """How far a run is. `done` of `total` units of `stage` are finished: denoiser calls for "keyframes", "interpolate4"
    and "interpolate1" (and windows of a clip's), frames for "decode", "fill", "upscale", "interpolate" and "write", two
    steps for "join". `frames`: finished frames of the whole video so far, on disk or handed out."""

    stage: str
    done: int
    total: int
    frames: int


class Reporter:
    """A `Progress` that calls on_progress with an event each time that something is finished; what that raises ends the
    run, which can be gone on with."""

    def __init__(self, on_progress: Callable[[ProgressEvent], object]) -> None:
        self.on_progress, self.frames = on_progress, 0
        self._done: dict[str, int] = {}
        self._totals: dict[str, int] = {}
        self._stage = ""

    def start(self, stage: str, total: int) -> None:
        self._done[stage], self._totals[stage] = 0, total

    def advance(self, stage: str, n: int = 1) -> None:
        self._done[stage] += n
        self._stage = stage
        self._tell()

    def finished(self, segment_frames: int) -> None:
        self.frames += segment_frames
        self._tell()

    def _tell(self) -> None:
        stage = self._stage
        self.on_progress(
            ProgressEvent(stage, self._done.get(stage, 0), self._totals.get(stage, 0), self.frames)
        )


def reporter(on_progress: Callable[[ProgressEvent], object] | None) -> Progress | None:
    """The `Progress` that tells on_progress; None where there is nobody to tell."""
    return None if on_progress is None else Reporter(on_progress)
