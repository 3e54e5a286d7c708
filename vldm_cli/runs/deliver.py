"""The finished video gets its name: whole, in one step, and nothing of anybody else's is lost by it."""

import errno
import os
from pathlib import Path

from vldm_cli.errors import RunError
from vldm_cli.runs.folder import REPLACED, remove


def put(joined: Path, out: Path, folder: Path, force: bool) -> None:
    """`joined` (a file, or a folder of frames) becomes `out`. What stands there is replaced with `force` alone, else
    RunError, which is also raised when it cannot be done. folder: the run's, where an old folder of frames waits for
    its removal until the new one is in its place."""
    try:
        if force and out.is_dir() and not out.is_symlink():
            os.rename(out, folder / REPLACED)
            os.rename(joined, out)
        elif force:
            if joined.is_dir():  # a link to a folder, or a file
                out.unlink(missing_ok=True)
            os.replace(joined, out)
        else:
            _put_new(joined, out)
    except FileExistsError as error:
        raise RunError(
            f"{out} was made by somebody else meanwhile and is left alone; take it away, or add --force to replace it"
        ) from error
    except OSError as error:
        raise RunError(f"cannot put the finished video at {out} ({error.strerror})") from error


def recover(out: Path, folder: Path) -> None:
    """What waited for its removal goes back to its name if nothing has taken that: the process was killed between two
    steps of `put`."""
    old = folder / REPLACED
    if os.path.lexists(old):
        if os.path.lexists(out):
            remove(old)
        else:
            os.rename(old, out)


def _put_new(joined: Path, out: Path) -> None:
    """FileExistsError where something stands under that name, even if it came a moment ago."""
    if joined.is_dir():
        _refuse(out)
        os.rename(joined, out)  # onto a file, or a folder with anything in it, this fails by itself
        return
    if os.name == "nt":
        os.rename(joined, out)  # which replaces nothing there
        return
    try:
        os.link(joined, out, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENOENT):
            raise
        _refuse(out)  # a file system that has no links (exFAT and some of networks)
        os.rename(joined, out)
        return
    joined.unlink()


def _refuse(out: Path) -> None:
    if os.path.lexists(out):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(out))
