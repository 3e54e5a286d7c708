"""What the folder of a run says of it: what is made there, by which command, and whether it is finished. No torch.

Whatever lies there may have been damaged, or put there by somebody else: it is looked at without trust, and a thing
that is not a plain file is as good as none.
"""

import json
import os
import re
import shutil
import stat
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from vldm_cli.video.stored import TRIAL

PLAN = "plan.json"
COMMAND = "command.json"
DELIVERED = "delivered.json"
LOCK, OWNER = "lock", "lock.owner"
REPLACED = "replaced"  # what stood under the name before, while the new one is put there

# What else a run writes there, some of it under names that are temporary.
_OURS = re.compile(rf"part-|segment-|joined|\.|{LOCK}|{REPLACED}|{re.escape(TRIAL)}")
_LONGEST = 1 << 24  # bytes of a file of JSON that are believed
# Words of a command that change nothing about what it makes.
_WORKERS = {"--gpus", "--workers", "--ray"}  # each with a value
_ASIDE = {"-q", "--quiet", "-v", "--verbose", "--json", "--resume", "--fresh", "--force", "--dry-run"}


def run_folder(out: Path) -> Path:
    """Where the run that makes `out` keeps what is finished."""
    return out.parent / f".{out.name}.vldm"


def stored_plan(folder: Path) -> dict | None:
    """What the run in that folder makes or has made; None when there is no such run or its plan is unreadable."""
    plan = read_json(folder / PLAN)
    if plan is None:
        plan = (read_json(folder / DELIVERED) or {}).get("plan")
    # every plan has a seed, if only to say that there is none; what has no such word is something else's table
    return plan if isinstance(plan, dict) and "seed" in plan else None


def stored_command(folder: Path) -> tuple[tuple[str, ...], str] | None:
    """The words of the command whose run that is, and the folder that it was given in; None where nobody knows."""
    table = read_json(folder / COMMAND) or {}
    words, place = table.get("words"), table.get("folder")
    if not isinstance(words, list) or not words or not isinstance(place, str):
        return None
    return (tuple(words), place) if all(isinstance(word, str) for word in words) else None


def stored_codes(folder: Path) -> list[str]:
    """The hashes of the code (`code.code`) by which what is finished there was computed, or may have been; none where
    nobody knows."""
    found = (read_json(folder / COMMAND) or {}).get("code")
    return found if isinstance(found, list) and all(isinstance(one, str) for one in found) else []


def is_of(folder: Path, words: Sequence[str]) -> bool:
    """Whether the run in that folder is of the command of these words, or nobody knows of which."""
    stored = stored_command(folder)
    if stored is None or not words:
        return True
    return essential(stored[0]) == essential(words)


def essential(words: Sequence[str]) -> list[str]:
    """Those of a command's words that decide what it makes."""
    found, value = [], False
    for word in words:
        if not value and word not in _ASIDE and word.partition("=")[0] not in _WORKERS:
            found.append(word)
        value = not value and word in _WORKERS
    return found


def is_delivered(folder: Path, out: Path) -> bool:
    """Whether `out` is what the run in that folder made, so that only its tidying up was interrupted."""
    table = read_json(folder / DELIVERED)
    return table is not None and table.get("files", table) == checksums(out)


def is_bare(folder: Path) -> bool:
    """Whether it is a folder in which there is nothing, or at most a lock and what was being tried out: a run ended
    there in its last moment, or in its first one."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir() if not path.name.startswith(TRIAL)}
    return names <= {LOCK, OWNER}


def has_work(folder: Path) -> bool:
    """Whether something of a video is finished there: a window of latents, a segment or the whole."""
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir()}
    return any(name.endswith((".safetensors", ".video.json")) or name == REPLACED for name in names)


def is_strange(folder: Path) -> bool:
    """Whether it is somebody's folder: there is something in it that no run puts there, and nothing that a run begins
    with or finishes."""
    if not folder.is_dir() or has_work(folder):
        return False
    names = {path.name for path in folder.iterdir()}
    return not names & {PLAN, COMMAND, DELIVERED} and not all(map(_OURS.match, names))


def read_json(path: Path) -> dict | None:
    """The table in a plain file of JSON; None where there is none. It never waits (for a pipe that stands there)."""
    try:
        data = read_plain(path, _LONGEST)
        table = None if data is None else json.loads(data)
    except (OSError, ValueError, RecursionError):
        return None
    return table if isinstance(table, dict) else None


def read_plain(path: Path, most: int | None = None) -> bytes | None:
    """The bytes of a plain file; None where there is no such file, or one of more than `most` bytes."""
    try:
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
        return None
    with open(number, "rb") as file:
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode) or (most is not None and found.st_size > most):
            return None
        return file.read()


def remove(path: Path) -> None:
    """Whatever stands there is gone: a file, a folder and all in it, or a link (not what it leads to)."""
    if path.is_dir() and not path.is_symlink():
        with suppress(FileNotFoundError):  # somebody was quicker
            shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def checksums(path: Path) -> dict[str, int] | None:
    """crc32 of a file, or of each file of a folder, by name; None where something else stands there, or nothing."""
    try:
        files = {file.name: file for file in sorted(path.iterdir())} if path.is_dir() else {"": path}
        found = {name: _crc32(file) for name, file in files.items()}
    except OSError:
        return None
    whole = {name: crc for name, crc in found.items() if crc is not None}
    return whole if len(whole) == len(found) else None


def _crc32(path: Path) -> int | None:
    """Of a plain file of any length, a block at a time."""
    if not stat.S_ISREG(path.stat().st_mode):
        return None
    crc = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            crc = zlib.crc32(block, crc)
    return crc
