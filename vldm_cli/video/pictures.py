"""A folder of pictures as a clip: every picture a frame, in the order of their names."""

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from vldm_cli.errors import RequestError, RunError
from vldm_cli.video import ffmpeg
from vldm_cli.video.look import Raw
from vldm_cli.video.probe import source
from vldm_cli.video.times import Times, constant
from vldm_cli.video.write import SETTINGS

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
FPS = Fraction(24)
_ORIENTATION = 0x0112


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


def measure(paths: tuple[Path, ...], fps: Fraction | None) -> tuple[Times, int, int, int, list[str]]:
    """Times, height, width, bits of a sample (8 or 16; the most of all) and remarks. RequestError when a picture cannot
    be read or has another size."""
    from PIL import Image, ImageOps

    size: tuple[int, int] | None = None
    bits, remarks = 8, list[str]()
    for path in paths:
        try:
            with Image.open(path) as picture:
                if _bits(picture) > bits:
                    bits = _bits(picture)
                    _deep(path, picture)  # ffmpeg reads fewer kinds than Pillow
                picture.load()
                has_alpha = picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info
                here = ImageOps.exif_transpose(picture).size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise RequestError(
                f"{path} is no picture that vldm reads; save it with 8 or 16 bits a sample, or take it out"
            ) from error
        if size is not None and size != here:
            raise RequestError(
                f"{path} is {here[0]}x{here[1]} and those before it are {size[0]}x{size[1]}; "
                "frames of one video are of one size"
            )
        size = here
        if has_alpha and not remarks:
            remarks.append(f"{path} has transparency, which is dropped")
    assert size is not None  # there is a picture at least
    rate = fps or _stored(paths[0].parent / SETTINGS) or FPS
    return constant(len(paths), rate), size[1], size[0], bits, remarks


def read(paths: tuple[Path, ...], raw: Raw) -> Iterator[bytes]:
    """The pictures as RGB frames of 8 or 16 bits. RunError when one is gone or changed."""
    from PIL import Image, ImageOps

    for path in paths:
        try:
            with Image.open(path) as picture:
                if _bits(picture) == 16:
                    frame = _deep(path, picture)
                else:
                    frame = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
        except (OSError, ValueError, SyntaxError) as error:
            raise RunError(f"{path} vanished or changed; put it back") from error
        if frame.shape != raw.shapes[0]:
            raise RunError(f"{path} changed its size; put the old one back")
        if raw.dtype.itemsize == 1:
            frame = frame if frame.dtype == np.uint8 else (frame.astype(np.float32) / 257).round()
        elif frame.dtype == np.uint8:
            frame = frame.astype(np.uint16) * 257
        yield raw.pack([frame])


def _bits(picture) -> int:
    """Bits of a sample of a picture that is opened and not loaded: Pillow reads more than 8 in colour as 8. ValueError
    for more than 16."""
    if picture.mode in ("I", "F"):
        raise ValueError(f"{picture.filename} has 32 bits a sample")
    stored = [str(tile[3]) for tile in picture.tile]
    return 16 if picture.mode.startswith("I;16") or any("16" in words for words in stored) else 8


def _deep(path: Path, picture) -> np.ndarray:
    """(H, W, 3) of 16 bits, upright, as ffmpeg reads it. ValueError when it cannot."""
    pixels = ["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb48le", "pipe:1"]
    data, said = ffmpeg.probe(["-v", "error", "-noautorotate", *source(path), *pixels])
    width, height = picture.size
    if len(data) != 6 * width * height:
        raise ValueError(said)
    image = np.frombuffer(data, "<u2").reshape(height, width, 3)
    turned = picture.getexif().get(_ORIENTATION, 1)
    image = image.swapaxes(0, 1) if turned in (5, 6, 7, 8) else image
    image = image[:, ::-1] if turned in (2, 3, 6, 7) else image
    return image[::-1] if turned in (3, 4, 7, 8) else image


def _counted(path: Path) -> list:
    """Names in the order in which people count: 2 before 10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", path.name)]


def _stored(settings: Path) -> Fraction | None:
    """The rate that vldm stored beside frames of its own."""
    try:
        return Fraction(json.loads(settings.read_text())["settings"]["fps"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
