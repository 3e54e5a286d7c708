"""What a command tells the person: progress and remarks on stderr, results on stdout."""

import json
import sys
import time
import warnings

from vldm_cli.commands.streams import say
from vldm_cli.errors import RequestError, RunError, visible
from vldm_cli.stages.running import HIGH

NAMES = {
    "keyframes": "keyframes",
    "interpolate4": "interpolate ×4",
    "interpolate1": "interpolate ×16",
    "decode": "decode",
    "upscale": "upscale ×4",
    "write": "write",
    "join": "join",
}


class Console:
    """stdout and stderr as the options want them: `quiet` (errors only), `verbose`, `as_json` (one object). Raises
    RequestError for both of the first two."""

    def __init__(self, quiet: bool = False, verbose: bool = False, as_json: bool = False):
        if quiet and verbose:
            raise RequestError("-q says less and -v says more; leave one of them out")
        self.quiet, self.verbose, self.as_json = quiet, verbose, as_json
        if quiet:
            warnings.simplefilter("ignore")

    def note(self, text: str) -> None:
        """A remark on stderr."""
        if not self.quiet:
            say(visible(text))

    def detail(self, text: str) -> None:
        """A remark for those who asked for many."""
        if self.verbose:
            say(visible(text))

    def warn(self, text: str) -> None:
        self.note(f"warning: {text}")

    def result(self, table: dict, text: str) -> None:
        """What came out, on stdout: the JSON object if that was asked for, otherwise the text (unless quiet)."""
        if self.as_json:
            _print(_json(table))
        elif not self.quiet:
            _print(visible(text))

    def progress(self):
        """A context manager that is the progress of one video: drawn on a terminal, a few lines elsewhere."""
        if self.quiet:
            return SilentProgress()
        return DrawnProgress() if sys.stderr.isatty() else PrintedProgress()


class SilentProgress:
    """Counts finished frames and says nothing."""

    def __init__(self) -> None:
        self.frames = 0

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start(self, stage: str, total: int) -> None:
        pass

    def advance(self, stage: str, n: int = 1) -> None:
        pass

    def finished(self, segment_frames: int) -> None:
        self.frames += segment_frames


class DrawnProgress(SilentProgress):
    """One line a stage, with a bar and the time it still needs, on the terminal's stderr."""

    def __init__(self) -> None:
        from rich import progress
        from rich.console import Console as RichConsole
        from rich.text import Text

        super().__init__()
        self._tasks: dict[str, progress.TaskID] = {}

        class _Speed(progress.ProgressColumn):
            """Units of the stage (frames, or denoiser calls) a second."""

            def render(self, task: progress.Task) -> Text:
                speed = task.finished_speed or task.speed
                return Text("" if speed is None else f"{speed:.3g}/s", style="progress.data.speed")

        self._bars = progress.Progress(
            progress.TextColumn("{task.description:<16}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            _Speed(),
            progress.TimeRemainingColumn(elapsed_when_finished=True),
            console=RichConsole(stderr=True),
        )

    def __enter__(self):
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def start(self, stage: str, total: int) -> None:
        # The clock of a line runs from its first step: stages wait for each other.
        self._tasks[stage] = self._bars.add_task(NAMES.get(stage, stage), total=total, start=False)

    def advance(self, stage: str, n: int = 1) -> None:
        task = self._tasks[stage]
        self._bars.start_task(task)
        self._bars.advance(task, n)


class PrintedProgress(SilentProgress):
    """Where stderr is a file or a pipe: a line for each tenth of the video that is on disk, with the time left."""

    def __init__(self) -> None:
        super().__init__()
        self._total, self._tenth, self._began = 0, 0, time.monotonic()

    def start(self, stage: str, total: int) -> None:
        if stage == "write":
            self._total = total

    def finished(self, segment_frames: int) -> None:
        super().finished(segment_frames)
        tenth = 10 * self.frames // max(1, self._total)
        if tenth > self._tenth:
            self._tenth = tenth
            spent = time.monotonic() - self._began
            left = spent * (self._total - self.frames) / self.frames
            say(
                f"{self.frames} of {counted(self._total, 'frame')} on disk, {clock(spent)} so far "
                f"({self.frames / max(spent, 1e-3):.3g} frames/s), about {clock(left)} left"
            )


def _json(table: dict) -> str:
    """JSON in letters that stdout has; its own escapes stand for all others."""
    text = json.dumps(table, ensure_ascii=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(table)
    return text


def _print(text: str) -> None:
    """Onto stdout, at once: the process may be ended. RunError where that is full."""
    try:
        print(text, flush=True)
    except BrokenPipeError:  # whoever read it has gone
        raise
    except OSError as error:
        raise RunError(f"cannot write to stdout ({error.strerror}); the work itself is done") from error


def counted(number: int, thing: str) -> str:
    """1, "frame" → "1 frame"; 2 → "2 frames"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def clock(seconds: float) -> str:
    """75 → "1:15"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def size(count: float | None) -> str:
    """Bytes in words: "1.5 GiB"."""
    if count is None:
        return "unknown"
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def room(free: int | None, device: object, memory: str, waiting: int | None = None) -> str:
    """How a run would lie in a GPU's memory. memory: what it does, of `MEMORY`; waiting: bytes where weights wait."""
    how = "with all weights in it" if memory == HIGH else "with weights that wait beside it"
    how += "" if memory == HIGH or waiting is None else f", {size(waiting)}"
    return f"{size(free)} of {device} are free: {how} (--memory {memory})"
