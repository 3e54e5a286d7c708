"""Where `--preview` may lie: on nothing that it would spoil. No torch."""

import os
from collections.abc import Iterable, Set
from pathlib import Path

from vldm_cli.api.checks import check_folder
from vldm_cli.errors import RequestError
from vldm_cli.video.picture import UnreadableError, is_sheet


def real_places(inputs: Iterable[object]) -> Set[str]:
    """Where the files and folders of pictures among `inputs` really lie; others, such as pictures in memory, are left
    out, and so are names that no file can have."""
    names = (str(one) for one in inputs if isinstance(one, str | Path))
    return {os.path.realpath(name) for name in names if "\0" not in name}


def check_preview(preview: Path | None, force: bool, inputs: Iterable[object]) -> None:
    """That a contact sheet of a video of these inputs can be written there. Raises RequestError."""
    if preview is not None:
        check_sheet(preview, force, real_places(inputs))
        check_folder(preview, "--preview")


def check_sheet(preview: Path, force: bool, made_of: Set[str] = frozenset()) -> None:
    """That it is a name for a contact sheet, and would neither replace one of the `real_places` that videos are made of
    nor be a frame more of one. An older sheet is refreshed; another file is replaced with `force` only. Raises
    RequestError."""
    if preview.suffix.lower() != ".png" or preview.is_dir():
        raise RequestError(f"--preview {preview} is no .png file; name one, such as preview.png")
    if os.path.realpath(preview) in made_of:
        raise RequestError(f"--preview {preview} is what the video is made of; name another file")
    if os.path.realpath(preview.parent) in made_of:
        raise RequestError(
            f"--preview {preview} would lie among the frames of {preview.parent}; name another place"
        )
    if not force and os.path.lexists(preview) and not _is_old_sheet(preview):
        raise RequestError(
            f"{preview} exists and is no contact sheet of vldm's; name another --preview or add --force to replace it"
        )


def _is_old_sheet(path: Path) -> bool:
    try:
        return is_sheet(path)
    except (OSError, UnreadableError):
        return False
