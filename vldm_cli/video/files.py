"""Whether files are still what they were when they were first looked at."""

import hashlib
from pathlib import Path

from vldm_cli.errors import RunError


class Files:
    """Some files, as the system describes them when this is made, and a hash of what is in them once that is asked for:
    they are only read again where the system says that something was done to them."""

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self.paths = paths
        self.digest: str | None = None
        self._stamps = [_stamp(path) for path in paths]

    def is_still(self, number: int) -> bool:
        """Whether nothing at all was done to the file of that number."""
        return _stamp(self.paths[number]) == self._stamps[number]

    def are_still(self) -> bool:
        """Whether all of them hold what they held. RunError when one vanished."""
        now = [_stamp(path) for path in self.paths]
        if now == self._stamps:
            return True
        if (self.digest is None and None not in now) or self.read() != self.digest:
            return False
        self._stamps = now
        return True

    def read(self) -> str:
        """A hash of all that is in them. RunError when one vanished."""
        digest = hashlib.blake2b(digest_size=16)
        for path in self.paths:
            try:
                with path.open("rb") as file:
                    while block := file.read(1 << 22):
                        digest.update(block)
            except OSError as error:
                raise RunError(f"{path} vanished ({error.strerror}); put it back") from error
            digest.update(b"/")
        return digest.hexdigest()


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What changes when a file is written to or another one takes its name; None where there is none."""
    try:
        found = path.stat()
    except OSError:  # whoever reads it says so
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
