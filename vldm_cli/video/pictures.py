"""A folder of pictures as a clip: every picture a frame, in the order of their names."""

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from vldm_cli.errors import RequestError, RunError
from vldm_cli.video.look import Raw
from vldm_cli.video.times import Times, constant
from vldm_cli.video.write import SETTINGS

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
FPS = Fraction(24)


def find(path: Path) -> tuple[Path, ...]:
    """The pictures of a folder, or the one that `path` is; empty when it is a video. RequestError for a folder
    without any."""
    if path.is_dir():
        found = [p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
        if not found:
            raise RequestError(
                f"there are no pictures in the folder {path}; give a video or a folder of frames"
            )
        return tuple(sorted(found, key=_counted))
    return (path,) if path.suffix.lower() in SUFFIXES and path.is_file() else ()


def measure(paths: tuple[Path, ...], fps: Fraction | None) -> tuple[Times, int, int, list[str]]:
    """Times, height, width and remarks. RequestError when a picture cannot be read or has another size."""
    from PIL import Image, ImageOps

    size, remarks = None, []
    for path in paths:
        try:
            with Image.open(path) as picture:
                picture.load()
                has_alpha = picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info
                here = ImageOps.exif_transpose(picture).size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise RequestError(f"{path} is no readable picture; take it out of the folder") from error
        if size not in (None, here):
            raise RequestError(
                f"{path} is {here[0]}x{here[1]} and those before it are {size[0]}x{size[1]}; "
                "frames of one video are of one size"
            )
        size = here
        if has_alpha and not remarks:
            remarks.append(f"{path} has transparency, which is dropped")
    rate = fps or _stored(paths[0].parent / SETTINGS) or FPS
    return constant(len(paths), rate), size[1], size[0], remarks


def read(paths: tuple[Path, ...], raw: Raw) -> Iterator[bytes]:
    """The pictures as RGB frames. RunError when one is gone or changed."""
    from PIL import Image, ImageOps

    for path in paths:
        try:
            with Image.open(path) as picture:
                frame = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
        except (OSError, ValueError, SyntaxError) as error:
            raise RunError(f"{path} vanished or changed; put it back") from error
        if frame.shape != raw.shapes[0]:
            raise RunError(f"{path} changed its size; put the old one back")
        yield frame.tobytes()


def _counted(path: Path) -> list:
    """Names in the order in which people count: 2 before 10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", path.name)]


def _stored(settings: Path) -> Fraction | None:
    """The rate that vldm stored beside frames of its own."""
    try:
        return Fraction(json.loads(settings.read_text())["settings"]["fps"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
