"""The sha256 of files, remembered for large ones as long as they do not change. No torch."""

import contextlib
import hashlib
import os
from pathlib import Path

from vldm_cli.packs.origins.home import cache_folder

# Below this many bytes a file is read in less time than a note about it.
_SMALL = 2**20


def digest(path: Path) -> str:
    """The sha256 of a file. Of a large one it is kept in the user's cache folder by path, size and time of the last
    change, so that gigabytes are read once. Raises OSError."""
    real = path.resolve()
    state = real.stat()
    if state.st_size < _SMALL:
        return _sha256(real)
    name = hashlib.sha256(os.fsencode(real)).hexdigest()
    note = cache_folder() / "sha256" / name
    known = f"{state.st_size} {state.st_mtime_ns} {state.st_ino} "
    with contextlib.suppress(OSError, ValueError):
        text = note.read_text(encoding="ascii")
        if text.startswith(known) and len(text) == len(known) + 64:
            return text[-64:]
    found = _sha256(real)
    with contextlib.suppress(OSError):  # a cache that cannot be written costs time and nothing else
        note.parent.mkdir(parents=True, exist_ok=True)
        temporary = note.with_name(f".{name}.{os.getpid()}.tmp")
        temporary.write_text(known + found, encoding="ascii")
        os.replace(temporary, note)
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
