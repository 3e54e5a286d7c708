"""The one reader of single pictures: first frames, frames of folders and training data.

imageio gives the pixels. What it does not give is taken elsewhere: it does not say how many bits a sample has in the
file nor how many pages there are (Pillow's own header does), reads colours of 16 bits as 8 (ffmpeg reads those), and
turns a grey picture of a camera about the wrong axes when it is to become a colour one (turned here).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from vldm_cli.video import ffmpeg

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
_ORIENTATION = 0x0112
# The keyword of the PNG specification (§11.3.3.2) for what made a picture, and what a contact sheet says there.
_SOFTWARE, _SHEET = "Software", "vldm --preview"
# Pillow hands these to other programs, or makes of them what no camera made.
# ffmpeg's decoders of 16 bits, by Pillow's name of a kind: by itself ffmpeg goes by the suffix.
_DECODERS = {"PNG": "png", "TIFF": "tiff", "PPM": "ppm", "JPEG2000": "jpeg2000", "SGI": "sgi"}
_NOT_READ = {"EPS", "WMF", "PDF", "FPX", "MIC"}


class UnreadableError(Exception):
    """There is no picture that can be read in the file; the message says why, in a few words."""


@dataclass(frozen=True)
class Picture:
    """A picture of `height` and `width`, upright. `bits` of a sample are 8 or 16; `frames`: how many an animation or a
    file of pages has (what is read is the first); `turned`: the EXIF orientation that is stored."""

    path: Path
    kind: str
    height: int
    width: int
    bits: int
    alpha: bool
    frames: int
    turned: int


def look(path: str | Path, whole: bool = False) -> Picture:
    """What kind of picture the file holds; `whole`: every row of it is read as well. FileNotFoundError where there is
    no file, UnreadableError for everything else that cannot be read."""
    with opened(path) as picture:
        deep = _is_16_bit(picture)
        if picture.mode in ("I", "F") and not deep:
            raise UnreadableError("it has 32 bits a sample, of which nobody knows what is white")
        # The second picture of a camera's JPEG is its thumbnail or its depth.
        frames = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)
        turned = picture.getexif().get(_ORIENTATION, 1)
        turned = turned if turned in range(1, 9) else 1
        width, height = picture.size[::-1] if turned > 4 else picture.size
        alpha = picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info
        kind, bits = picture.format or "", 16 if deep else 8
        if whole:
            picture.load()
    return Picture(Path(path), kind, height, width, bits, alpha, frames, turned)


@contextmanager
def opened(path: str | Path) -> Iterator:
    """Pillow's image of the file, of which only the header is read. Whatever is raised in the block because the file is
    damaged becomes UnreadableError; raises as `look`."""
    from PIL import Image

    try:
        with Image.open(path, formats=_formats()) as picture:
            yield picture
    except (FileNotFoundError, UnreadableError, MemoryError):
        raise
    except Exception as error:  # what parsers of damaged pictures raise is of every kind
        raise UnreadableError(_words(error)) from error


def pixels(picture: Picture, alpha: bool = False) -> np.ndarray:
    """(H, W, 3), or (H, W, 4) with `alpha`: uint8, or uint16 where the picture has 16 bits; upright. Raises as
    `look`."""
    if picture.bits == 16:
        return _upright(_deep(picture, alpha), picture.turned)
    import imageio.v3 as imageio

    try:
        # The file and not its name, which imageio could take for an address or an archive.
        with picture.path.open("rb") as file:
            mode = "RGBA" if alpha else "RGB"
            image = imageio.imread(file, plugin="pillow", index=0, mode=mode)
    except (FileNotFoundError, MemoryError):
        raise
    except Exception as error:
        raise UnreadableError(_words(error)) from error
    return _upright(image, picture.turned)


def fitted(path: str | Path, size: tuple[int, int]) -> np.ndarray:
    """The picture as uint8 (H, W, 3) of `size` (H, W): cut to that shape about its centre and resized; what is
    transparent becomes white. Raises as `look`."""
    from PIL import Image, ImageOps

    image = pixels(look(path), alpha=True)
    if image.dtype == np.uint16:
        image = (image.astype(np.float32) / 257).round().astype(np.uint8)
    with_alpha = Image.fromarray(image)
    on_white = Image.alpha_composite(Image.new("RGBA", with_alpha.size, "white"), with_alpha).convert("RGB")
    height, width = size
    # a copy, for Pillow's own memory may not be written to
    return np.array(ImageOps.fit(on_white, (width, height), Image.Resampling.LANCZOS))


def write_png(path: Path, image: np.ndarray, sheet: bool = False) -> None:
    """Writes uint8 (H, W, 3) as PNG, whatever the name ends with. sheet: as one that `is_sheet` knows again. Raises
    OSError as any file that cannot be written."""
    import imageio.v3 as imageio

    more: dict[str, Any] = {}
    if sheet:
        from PIL.PngImagePlugin import PngInfo

        more["pnginfo"] = PngInfo()
        more["pnginfo"].add_text(_SOFTWARE, _SHEET)
    with path.open("wb") as file:
        imageio.imwrite(file, image, plugin="pillow", extension=".png", **more)


def is_sheet(path: Path) -> bool:
    """Whether it is a contact sheet of vldm's. Raises as `look`."""
    with opened(path) as picture:
        return picture.info.get(_SOFTWARE) == _SHEET


def as_jpeg(image: np.ndarray, quality: int) -> bytes:
    """uint8 (H, W, 3) as a JPEG of that quality, 1 to 95."""
    import imageio.v3 as imageio

    return imageio.imwrite("<bytes>", image, plugin="pillow", extension=".jpg", quality=quality)


@cache
def _formats() -> tuple[str, ...]:
    from PIL import Image

    Image.init()
    return tuple(name for name in Image.ID if name not in _NOT_READ)


def _is_16_bit(picture) -> bool:
    """Of a picture that is opened and not loaded: Pillow reads more than 8 bits in colour as 8."""
    stored = [str(tile[3]) for tile in picture.tile]
    return picture.mode.startswith("I;16") or any("16" in words for words in stored)


def _deep(picture: Picture, alpha: bool) -> np.ndarray:
    """(H, W, 3 or 4) of 16 bits as it is stored, as ffmpeg reads it."""
    name = "rgba64le" if alpha else "rgb48le"
    # One picture, whatever its name looks like: %d in it would be a series of others.
    read = ["-f", "image2", "-pattern_type", "none"]
    read += ["-c:v", _DECODERS[picture.kind]] if picture.kind in _DECODERS else []
    read += ["-i", ffmpeg.local(picture.path)]
    write = ["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", name, "pipe:1"]
    data, said = ffmpeg.probe(["-v", "error", "-noautorotate", *read, *write])
    height, width = (picture.width, picture.height) if picture.turned > 4 else (picture.height, picture.width)
    channels = 4 if alpha else 3
    if len(data) != 2 * channels * width * height:
        picture.path.stat()  # FileNotFoundError where it is gone
        raise UnreadableError((said.strip().splitlines() or ["its samples cannot be read"])[-1])
    return np.frombuffer(data, "<u2").reshape(height, width, channels)


def _upright(image: np.ndarray, turned: int) -> np.ndarray:
    image = image.swapaxes(0, 1) if turned in (5, 6, 7, 8) else image
    image = image[:, ::-1] if turned in (2, 3, 6, 7) else image
    return image[::-1] if turned in (3, 4, 7, 8) else image


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
