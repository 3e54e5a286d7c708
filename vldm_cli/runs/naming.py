"""Names for videos that were given none: never one that is taken, but the one of the same command when it was stopped.
No torch."""

import os
import re
from collections.abc import Callable
from itertools import count
from pathlib import Path

from vldm_cli.runs import command_line
from vldm_cli.runs.folder import is_of, run_folder

_STEM = 180  # bytes; file systems stop at 255, and a number, an ending and a run's own files come behind
_SLUG = 120  # of a prompt, beside which other things stand


def free_name(
    stem: str, variations: int = 1, ours: Callable[[list[Path]], bool] = lambda outs: False
) -> Path:
    """The name for a video, `stem`.mp4 or one with a number behind it, of which there may be so many variations. Their
    files are all new, or some of them the work of this very command, which was stopped. ours(files): whether files are
    that."""
    stem = _short(stem)
    for number in count(1):
        name = Path(f"{stem}.mp4" if number == 1 else f"{stem}-{number}.mp4")
        outs = numbered(name, variations)
        folders = [folder for folder in map(run_folder, outs) if folder.exists()]
        there = [out for out in outs if out.exists()]
        if folders and all(is_of(folder, command_line.words()) for folder in folders):
            return name
        # where some of several are there, the others were not begun when it was stopped
        if not folders and (not there or (len(there) < variations and ours(there))):
            return name
    raise AssertionError("numbers have no end")


def numbered(out: Path, variations: int) -> list[Path]:
    """The files of so many variations: the name itself, or name-1, name-2, …"""
    if variations == 1:
        return [out]
    return [out.with_name(f"{out.stem}-{number}{out.suffix}") for number in range(1, variations + 1)]


def slug(prompt: str) -> str:
    """The prompt's first words as a part of a file's name."""
    words = re.findall(r"[^\W_]+", prompt.lower())
    return _short("-".join(words[:10])[:60], _SLUG).rstrip("-") or "video"


def _short(stem: str, most: int = _STEM) -> str:
    """The beginning of it that leaves room in a file's name, which is counted in bytes."""
    while len(os.fsencode(stem)) > most:
        stem = stem[:-1]
    return stem
