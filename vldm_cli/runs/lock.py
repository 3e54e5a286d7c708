"""One process at a time in the folder of a run."""

import errno
import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from vldm_cli.errors import RequestError
from vldm_cli.runs.folder import LOCK
from vldm_cli.runs.owner import Owner

# What the system says where another process holds the lock; anything else means that it has no such locks there.
_HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}


class Lock:
    """The folder, made if need be, is this process's until `close`. RequestError when another process is at work there
    or it cannot be made.

    The operating system frees its lock when the process ends in whatever way, so that is never stale, unlike a file
    with a process number in it (numbers come back, in containers at once). Such a file is only used on file systems
    that have no locks (some of networks and clusters).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._owner: Owner | None = None
        while True:
            self._file = _opened(folder)
            try:
                if not _locked(self._file):
                    raise RequestError(
                        f"another vldm is making this video (it works in {folder}); "
                        "wait for it or name another --out"
                    )
                # Whoever held it may have finished and removed the folder between our opening and our locking.
                if _is_at(self._file, folder / LOCK):
                    return
            except OSError as error:
                if error.errno == errno.EINTR:
                    continue
                try:
                    self._owner = Owner(folder)
                    return
                except BaseException:
                    self._file.close()
                    raise
            except BaseException:
                self._file.close()
                raise
            self._file.close()

    def close(self) -> None:
        """Another process may have the folder."""
        if self._owner is not None:
            self._owner.leave()
            self._owner = None
        self._file.close()


def something_else(folder: Path) -> RequestError:
    """What stands in the place of a run's folder is none."""
    return RequestError(f"{folder}, where the run would keep its work, is something else; take it away")


def _opened(folder: Path) -> BinaryIO:
    if folder.is_symlink():
        raise RequestError(f"{folder}, where the run would keep its work, is a link; take it away")
    remedy = "name another place with --out"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        number = os.open(folder / LOCK, flags, 0o666)
    except FileNotFoundError:  # who finished there has removed the folder just now
        if folder.parent.is_dir():
            return _opened(folder)
        raise RequestError(f"there is no folder {folder.parent}; {remedy}") from None
    except OSError as error:
        if folder.parent.is_dir() and error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP):
            raise something_else(folder) from error
        raise RequestError(f"cannot write to {folder.parent} ({error.strerror}); {remedy}") from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise RequestError(f"{folder / LOCK} is no plain file; take {folder} away")
    return open(number, "r+b", buffering=0)


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _locked(file: BinaryIO) -> bool:
    """Whether it is ours now, or another's. OSError where there are no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise
    return True
