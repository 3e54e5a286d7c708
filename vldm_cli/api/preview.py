"""Where `--preview` may lie: on nothing that it would spoil. No torch."""

import os
from collections.abc import Iterable
from pathlib import Path

from vldm_cli.api.checks import check_folder
from vldm_cli.errors import RequestError
from vldm_cli.video.picture import UnreadableError, is_sheet


def check_preview(preview: Path | None, force: bool, inputs: Iterable[object] = ()) -> None:
    """That a contact sheet can be written there. inputs: as `check_sheet` has them. Raises RequestError."""
    if preview is not None:
        check_sheet(preview, force, inputs)
        check_folder(preview, "--preview")


def check_sheet(preview: Path, force: bool, inputs: Iterable[object] = ()) -> None:
    """That it is a name for a contact sheet, and not of one of `inputs`, files and folders of pictures that videos are
    made of (whatever else is among them counts for nothing). An older sheet is refreshed; another file is replaced with
    `force` only. Raises RequestError."""
    if preview.suffix.lower() != ".png" or preview.is_dir():
        raise RequestError(f"--preview {preview} is no .png file; name one, such as preview.png")
    check_apart(preview, (Path(one) for one in inputs if isinstance(one, str | Path)))
    if not force and os.path.lexists(preview) and not _is_old_sheet(preview):
        raise RequestError(
            f"{preview} exists and is no contact sheet of vldm's; name another --preview or add --force to replace it"
        )


def check_apart(preview: Path, inputs: Iterable[Path]) -> None:
    """That it would neither replace an input nor be a frame more of one. Raises RequestError."""
    folder = os.path.realpath(preview.parent)
    place = os.path.join(folder, preview.name)
    for source in inputs:
        real = os.path.realpath(source)
        if real in (place, os.path.realpath(place)):
            raise RequestError(f"--preview {preview} is what the video is made of; name another file")
        if real == folder and source.is_dir():
            raise RequestError(
                f"--preview {preview} would lie among the frames of {source}; name another place"
            )


def _is_old_sheet(path: Path) -> bool:
    try:
        return is_sheet(path)
    except (OSError, UnreadableError):
        return False
