"""What an option's text means, and whether it can be served, before anything heavy is loaded.

Each function raises RequestError, one sentence that names the option and the remedy.
"""

import math
import os
import re
import tempfile
from fractions import Fraction
from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.video.kinds import open_container

# A run's files are named after the output, with a little before and after it; file systems stop at 255 bytes.
_LONGEST_NAME = 220
_MATROSKA_FPS = 500  # it counts milliseconds
_GIF_FPS = 50  # two hundredths of a second: the shortest time of a frame that viewers keep to


def parse_fps(text: str | None) -> Fraction | None:
    """ "24", "23.976" or "24000/1001", exactly."""
    if text is None:
        return None
    try:
        fps = Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise RequestError(f"--fps {text:.40} is no frame rate; give one such as 24 or 24000/1001") from error
    if not 0 < fps <= 1000 or max(fps.numerator, fps.denominator) > 1_000_000:
        raise RequestError(f"--fps {text:.40} is no frame rate that a file can hold; give one from 1 to 1000")
    return fps


def parse_size(text: str | None, option: str = "--size") -> tuple[int, int] | None:
    """ "256x160" (width × height) to (height, width)."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,5})[x×X](\d{1,5})", text)
    if not found:
        raise RequestError(f"{option} {text:.40} is no size; give width and height as in 256x160")
    return int(found.group(2)), int(found.group(1))


def check_tile(tile: int | None) -> None:
    """That tiles of that side, where it was given, are ones that the upscaler can work in."""
    if tile is not None and not (32 <= tile <= 4096 and tile % 8 == 0):
        raise RequestError(f"--tile {tile} is no multiple of 8 from 32 to 4096")


def check_sampling(steps: int | None, seed: int | None) -> None:
    """That steps and seed, where they were given, are numbers that can be used."""
    if steps is not None and not 1 <= steps <= 1000:
        raise RequestError(f"--steps {steps} is not between 1 and 1000")
    if seed is not None and not 0 <= seed < 2**63:
        raise RequestError(f"--seed {seed} is not between 0 and 2^63 − 1")


def check_weights(**weights: float | None) -> None:
    """That guidance weights, given by their option's name, are numbers that can be computed with."""
    for name, value in weights.items():
        if value is not None and not (math.isfinite(value) and abs(value) <= 1000):
            option = name.replace("_", "-")
            raise RequestError(f"--{option} {value} is no weight; give a number such as 3, at most 1000")


def default_out(prompt: str, variations: int = 1) -> Path:
    """A name in this folder made from the prompt, with a number where that is taken."""
    words = re.findall(r"[^\W_]+", prompt.lower())
    stem = "-".join(words[:10])[:60].rstrip("-") or "video"
    out, number = Path(f"{stem}.mp4"), 2
    while any(path.exists() for path in numbered(out, variations)):
        out, number = Path(f"{stem}-{number}.mp4"), number + 1
    return out


def numbered(out: Path, variations: int) -> list[Path]:
    """The files of so many variations: the name itself, or name-1, name-2, …"""
    if variations == 1:
        return [out]
    return [out.with_name(f"{out.stem}-{number}{out.suffix}") for number in range(1, variations + 1)]


def check_name(out: Path, fps: Fraction) -> None:
    """That the name is one of a kind of file that vldm writes, and one that a file can have."""
    kind = open_container(out)
    if len(os.fsencode(out.name)) > _LONGEST_NAME:
        raise RequestError(f"the name {out.name[:40]}… is too long for a file; give a shorter --out")
    if kind == "gif" and fps > _GIF_FPS:
        raise RequestError(
            f"a GIF shows at most {_GIF_FPS} frames a second, not {fps}; lower --fps or use .mp4"
        )
    if kind in ("mkv", "webm") and fps > _MATROSKA_FPS:
        raise RequestError(
            f"{out.suffix} holds at most {_MATROSKA_FPS} frames a second, not {float(fps):g}; use .mp4 or .mov"
        )


def check_out(out: Path, force: bool) -> None:
    """That the file (or folder of frames) can be written and nothing is lost by it."""
    check_folder(out, "--out")
    if out.exists() and not force:
        raise RequestError(f"{out} exists; name another --out or add --force to replace it")
    is_folder = open_container(out) == "png"
    if not is_folder and out.is_dir():
        raise RequestError(f"{out} is a folder; name another --out")
    if is_folder and out.is_file():
        raise RequestError(f"{out} is a file, and a name without suffix is a folder; name another --out")


def check_preview(preview: Path | None) -> None:
    """That a contact sheet can be written there (an older one is refreshed)."""
    if preview is None:
        return
    if preview.suffix.lower() != ".png" or preview.is_dir():
        raise RequestError(f"--preview {preview} is no .png file; name one, such as preview.png")
    check_folder(preview, "--preview")


def check_folder(path: Path, option: str) -> None:
    """That a file can be made beside `path`: by making one without a name that is gone at once."""
    folder = path.parent
    if not folder.is_dir():
        raise RequestError(f"there is no folder {folder}; make it or name another place with {option}")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise RequestError(
            f"cannot write into {folder} ({reason}); name another place with {option}"
        ) from error
