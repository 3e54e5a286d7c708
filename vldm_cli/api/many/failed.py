"""What failed, as a list that can be given again: a comment that says why, and a line, for each video. No torch."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from vldm_cli.api.many.task import Outcome, Task
from vldm_cli.errors import RunError, visible
from vldm_cli.runs import command_line
from vldm_cli.runs.folder import essential, read_plain

HEAD = "# what failed of: "


class Failed:
    """The file failed.txt in the folder where all the videos lie, or above theirs, written as they fail. command: which
    one is being run; its own file of an earlier time is replaced, another's is not, nor is `given`, the list that was
    read."""

    def __init__(self, tasks: Sequence[Task], command: Sequence[str], given: Path | None = None) -> None:
        words = command_line.typed(essential(command))
        self._head = f"{HEAD}{visible(' '.join(words.splitlines()))}\n"
        self._folder = _common([task.out.parent for task in tasks])
        self._given = given
        self.path: Path | None = None

    def add(self, outcome: Outcome) -> None:
        """One more that failed. Raises RunError where that cannot be written."""
        line = json.dumps(outcome.task.told)
        text = f"# {visible(outcome.error or '')}\n{line}\n"
        begins = self.path is None
        path = self._named() if self.path is None else self.path
        try:
            with open(path, "w" if begins else "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(self._head + text if begins else text)
        except OSError as error:
            raise RunError(f"cannot write {path} ({error.strerror}): {outcome.error}") from error
        self.path = path

    def done(self) -> None:
        """All were tried: where none failed, the file of an earlier time goes."""
        old = self._named()
        if self.path is None and old.exists():
            old.unlink(missing_ok=True)

    def _named(self) -> Path:
        """The first of failed.txt, failed-2.txt, … that is ours or free."""
        number = 1
        while True:
            path = self._folder / ("failed.txt" if number == 1 else f"failed-{number}.txt")
            if not os.path.lexists(path):
                return path
            if self._is_ours(path):
                return path
            number += 1

    def _is_ours(self, path: Path) -> bool:
        if path.is_symlink() or (self._given and self._given.exists() and path.samefile(self._given)):
            return False
        head = self._head.encode("utf-8", "backslashreplace")
        return (read_plain(path) or b"").startswith(head)


def _common(folders: Sequence[Path]) -> Path:
    """The folder in which all of them lie, as they name it where they agree."""
    if len(set(folders)) == 1:
        return folders[0]
    try:
        return Path(os.path.commonpath([os.path.abspath(folder) for folder in folders]))
    except ValueError:  # drives of Windows have nothing in common
        return Path()
