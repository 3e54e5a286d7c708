"""Where many videos are to lie: folders that are there, or can be made. No torch."""

from collections.abc import Iterable
from pathlib import Path

from vldm_cli.api import checks
from vldm_cli.errors import RequestError


def check_folders(paths: Iterable[Path], option: str) -> None:
    """That the folder of each is there and can be written into, or can be made. Raises RequestError."""
    for folder in dict.fromkeys(path.parent for path in paths):
        try:
            there = nearest(folder)
            if not there.is_dir():
                raise RequestError(f"{there} is no folder; name another place with {option}")
        except OSError as error:  # a name that is too long, or a folder that may not be looked into
            raise RequestError(
                f"there can be no folder {folder} ({error.strerror}); name another place with {option}"
            ) from error
        checks.check_folder(there / "name", option)


def check_own(folder: Path | None, option: str) -> None:
    """The same of a folder that a command fills itself, if one was named."""
    if folder is not None:
        check_folders([folder / "name"], option)


def nearest(folder: Path) -> Path:
    """The folder, or the one above it that is there."""
    return next(one for one in (folder, *folder.parents) if one.exists())


def make_folders(paths: Iterable[Path], option: str) -> None:
    """The folder of each is there. Raises RequestError where it cannot be made."""
    for folder in dict.fromkeys(path.parent for path in paths):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RequestError(
                f"cannot make the folder {folder} ({error.strerror}); name another place with {option}"
            ) from error
