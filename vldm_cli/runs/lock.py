"""One process at a time in the folder of a run."""

import os
import sys
from pathlib import Path
from typing import BinaryIO

from vldm_cli.errors import RequestError

LOCK = "lock"


def lock(folder: Path) -> BinaryIO:
    """The folder's lock file, made with the folder if need be, and locked by the operating system. RequestError when
    another process holds it or it cannot be made.

    The system frees the lock when the process ends in whatever way, so a lock is never stale, unlike a file with a
    process number in it (numbers come back, in containers at once).
    """
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / LOCK).open("a+b")
        except OSError as error:
            raise RequestError(
                f"cannot write to {folder.parent} ({error.strerror}); name another place with --out"
            ) from error
        try:
            _lock_file(file)
        except OSError as error:
            file.close()
            raise RequestError(
                f"another vldm is making this video (it works in {folder}); wait for it or name another --out"
            ) from error
        # Whoever held it may have finished and removed the folder between our opening and our locking.
        try:
            if os.path.samestat(os.fstat(file.fileno()), os.stat(folder / LOCK)):
                return file
        except FileNotFoundError:
            pass
        file.close()


def _lock_file(file: BinaryIO) -> None:
    """Raises OSError when another holds the lock."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
