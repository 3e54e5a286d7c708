"""The progress of many videos on stderr: a line for each that is being made, and one for all."""

import sys
import time

from vldm_cli.commands.console import Console, clock
from vldm_cli.commands.streams import say
from vldm_cli.errors import visible


class Share:
    """A `Progress` of one video, as the share of its units that are done, for a board."""

    def __init__(self) -> None:
        self.frames = self.done = self.total = 0

    def start(self, stage: str, total: int) -> None:
        self.total += total

    def advance(self, stage: str, n: int = 1) -> None:
        self.done += n

    def finished(self, segment_frames: int) -> None:
        self.frames += segment_frames


class Board:
    """Counts videos and says nothing. A context manager."""

    def __init__(self, total: int, before: int = 0) -> None:
        """before: of the total, how many were made before."""
        self.total, self.done, self._before = total, before, before
        self._began = time.monotonic()

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def begin(self, name: str) -> Share:
        """A video is begun."""
        return Share()

    def end(self, name: str, what: str) -> None:
        """A video is finished, or has failed: `what` became of it."""
        self.done += 1

    @property
    def spent(self) -> float:
        return time.monotonic() - self._began

    @property
    def left(self) -> float | None:
        """Seconds that the others take if they take as long; None before the first."""
        made = self.done - self._before
        return self.spent / made * (self.total - self.done) if made else None


class PrintedBoard(Board):
    """Where stderr is a file or a pipe: a line for each video when it is finished."""

    def end(self, name: str, what: str) -> None:
        super().end(name, what)
        left = self.left
        rest = f", about {clock(left)} left" if left else ""
        say(visible(f"{self.done} of {self.total}: {name} {what}{rest}"))


class DrawnBoard(Board):
    """On a terminal: bars."""

    def __init__(self, total: int, before: int = 0) -> None:
        from rich import progress
        from rich.console import Console as RichConsole

        super().__init__(total, before)
        self._bars = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.TaskProgressColumn(),
            progress.TimeRemainingColumn(elapsed_when_finished=True),
            console=RichConsole(stderr=True),
            # what is printed to a terminal goes above the bars; into a file or a pipe it goes as it is
            redirect_stdout=sys.stdout.isatty(),
        )
        self._all = self._bars.add_task("", total=total, completed=before)
        self._videos: dict[str, progress.TaskID] = {}

    def __enter__(self) -> "DrawnBoard":
        self._show()
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def begin(self, name: str) -> Share:
        from rich.markup import escape

        line = self._bars.add_task(escape(visible(name)), total=None)
        self._videos[name] = line
        return _DrawnShare(self._bars, line)

    def end(self, name: str, what: str) -> None:
        super().end(name, what)
        if name in self._videos:
            self._bars.remove_task(self._videos.pop(name))
        self._bars.update(self._all, completed=self.done)
        self._show()

    def _show(self) -> None:
        self._bars.update(self._all, description=f"{self.done} of {self.total}")


class _DrawnShare(Share):
    def __init__(self, bars, line) -> None:
        super().__init__()
        self._bars, self._line = bars, line

    def start(self, stage: str, total: int) -> None:
        super().start(stage, total)
        self._bars.update(self._line, total=self.total)

    def advance(self, stage: str, n: int = 1) -> None:
        super().advance(stage, n)
        self._bars.update(self._line, completed=self.done)


def board(console: Console, total: int, before: int) -> Board:
    """The board that the options and the terminal want."""
    if console.quiet:
        return Board(total, before)
    return DrawnBoard(total, before) if sys.stderr.isatty() else PrintedBoard(total, before)
