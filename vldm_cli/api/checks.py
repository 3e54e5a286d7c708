"""What an option's text means, and whether it can be served, before anything heavy is loaded.

Each function raises RequestError, one sentence that names the option and the remedy.
"""

import os
import re
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from vldm_cli.errors import RequestError, shown
from vldm_cli.runs.naming import free_name, slug
from vldm_cli.video.kinds import SUFFIXES, open_container
from vldm_cli.video.numbers import LAST_SEED, rate_of, real, whole, whole_of

# A run's files are named after the output, with a little before and after it; file systems stop at 255 bytes.
_LONGEST_NAME = 220
_MATROSKA_FPS = 500  # it counts milliseconds
_GIF_FPS = 50  # two hundredths of a second: the shortest time of a frame that viewers keep to


def parse_fps(rate: Fraction | str | float | None) -> Fraction | None:
    """ "24", "23.976" or "24000/1001", exactly, or a number."""
    if rate is None:
        return None
    try:
        return rate_of(rate)
    except ValueError as error:
        remedy = "give one such as 24 or 24000/1001, at most 1000"
        raise RequestError(f"--fps {shown(rate):.40} {error}; {remedy}") from error


def parse_size(size: str | tuple[int, int] | None, option: str = "--size") -> tuple[int, int] | None:
    """ "256x160" (width × height) to (height, width), which may be given as such."""
    if size is None:
        return None
    if isinstance(size, str):
        found = re.fullmatch(r"([0-9]{1,7})[x×X]([0-9]{1,7})", size)
        size = (int(found.group(2)), int(found.group(1))) if found else size
    sides = [whole_of(side, 0, 2**20) for side in size] if isinstance(size, tuple | list) else []
    if len(sides) != 2 or sides[0] is None or sides[1] is None:
        said = "x".join(map(shown, reversed(size))) if len(sides) == 2 else shown(size)
        raise RequestError(f"{option} {said:.60} is no size; give width and height as in 256x160")
    return sides[0], sides[1]


def tile_of(tile: int | None) -> int | None:
    """The side of tiles, if it was given: one that the upscaler can work in."""
    side = None if tile is None else whole_of(tile, 32, 4096)
    if tile is not None and (side is None or side % 8):
        raise RequestError(f"--tile {shown(tile)} is no multiple of 8 from 32 to 4096")
    return side


def steps_of(steps: int | None) -> int | None:
    """Denoising steps, if they were given."""
    return None if steps is None else whole("--steps", steps, 1, 1000)


def seed_of(seed: int | None) -> int | None:
    """The seed, if one was given."""
    return None if seed is None else whole("--seed", seed, 0, LAST_SEED)


def crf_of(crf: int) -> int:
    """The file's quality, 0 (no loss) to 51."""
    return whole("--crf", crf, 0, 51)


def check_variations(variations: int, seed: int | None) -> None:
    """That there can be so many videos of neighbouring seeds."""
    variations, seed = whole("--variations", variations, 1, 1000), seed_of(seed)
    if seed is not None and seed + variations - 1 > LAST_SEED:
        raise RequestError(
            f"--variations {variations} goes beyond the last seed, 2^63 − 1, from --seed {seed} on; give a lower one"
        )


def weight_of(option: str, weight: float | None) -> float | None:
    """A guidance weight, if one was given: a number that can be computed with."""
    return None if weight is None else real(option, weight, -1000, 1000)


def default_out(
    prompt: str, variations: int = 1, ours: Callable[[list[Path]], bool] = lambda outs: False
) -> Path:
    """A name in this folder made from the prompt, with a number where that is taken; `ours` as for `free_name`."""
    return free_name(slug(prompt), variations, ours)


def check_name(out: Path, fps: Fraction) -> None:
    """That the name is one of a kind of file that vldm writes, and one that a file can have."""
    if out.name == "-":
        raise RequestError("--out - would be standard output, and vldm writes files; name one, such as a.mp4")
    if not out.name:
        raise RequestError(f"--out {out} is no name of a file; name one, such as a.mp4")
    if out.name.lower() in SUFFIXES:
        raise RequestError(f"--out {out} is a suffix without a name; name the file, such as a{out.name}")
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
    if os.path.lexists(out) and not force:
        raise RequestError(f"{out} exists; name another --out or add --force to replace it")
    check_kind(out)


def check_kind(out: Path) -> None:
    """That what stands there, if anything does, is of the kind that is to replace it."""
    is_folder = open_container(out) == "png"
    if not is_folder and out.is_dir():
        raise RequestError(f"{out} is a folder; name another --out")
    if is_folder and out.is_file():
        raise RequestError(f"{out} is a file, and a name without suffix is a folder; name another --out")


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
