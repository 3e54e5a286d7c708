"""A folder of pictures as a clip: every picture a frame, in the order of their names."""

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from vldm_cli.errors import RequestError, RunError
from vldm_cli.video.look import Raw
from vldm_cli.video.picture import SUFFIXES, UnreadableError, look, pixels
from vldm_cli.video.stored import beside_frames, rate_in
from vldm_cli.video.times import Times, constant

FPS = Fraction(24)
_ANIMATED = {"PNG", "WEBP", "GIF"}


def find(path: Path) -> tuple[Path, ...]:
    """The pictures of a folder, or the one that `path` is; empty when it is a video, as an animated picture is.
    RequestError for a folder without any."""
    if path.is_dir():
        found = pictures_in(path)
        if not found:
            raise RequestError(
                f"there are no pictures in the folder {path}; give a video or a folder of frames"
            )
        return found
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return ()
    try:
        picture = look(path)
    except UnreadableError:
        return (path,)  # `measure` says what is wrong with it
    is_video = picture.kind in _ANIMATED and (picture.frames > 1 or picture.kind != "PNG")
    return () if is_video else (path,)


def pictures_in(folder: Path) -> tuple[Path, ...]:
    """The pictures in a folder, in the order in which people count; those that begin with a dot are not for people.
    RequestError where it may not be looked into."""
    try:
        names = list(folder.iterdir())
    except OSError as error:
        raise RequestError(
            f"the folder {folder} cannot be read ({error.strerror}); change its permissions, or move it elsewhere"
        ) from error
    found = [p for p in names if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
    return tuple(sorted(found, key=counted))


def measure(paths: tuple[Path, ...], fps: Fraction | None) -> tuple[Times, int, int, int, list[str]]:
    """Times, height, width, bits of a sample (8 or 16; the most of all) and remarks. RequestError when a picture cannot
    be read or has another size."""
    size: tuple[int, int] | None = None
    bits, remarks = 8, dict[str, str]()
    for path in paths:
        try:
            picture = look(path, whole=True)
            if picture.bits > 8:  # which ffmpeg reads, and not all that Pillow does
                pixels(picture)
        except (OSError, UnreadableError) as error:
            raise RequestError(
                f"{path} is no picture that vldm reads ({error}); save it with 8 or 16 bits a sample, or take it out"
            ) from error
        here, bits = (picture.height, picture.width), max(bits, picture.bits)
        if size is not None and size != here:
            raise RequestError(
                f"{path} is {here[1]}x{here[0]} and those before it are {size[1]}x{size[0]}; "
                "frames of one video are of one size"
            )
        size = here
        if picture.alpha:
            remarks.setdefault("alpha", f"{path} has transparency, which is dropped")
        if picture.frames > 1:
            remarks.setdefault(
                "frames", f"{path} holds {picture.frames} pictures, of which the first is used"
            )
    assert size is not None  # there is a picture at least
    return constant(len(paths), fps or rate_beside(paths[0].parent)), *size, bits, list(remarks.values())


def rate_beside(folder: Path) -> Fraction:
    """The frame rate of the pictures in a folder: what vldm stored beside them, or else the usual one."""
    return rate_in(beside_frames(folder)) or FPS


def read(paths: tuple[Path, ...], raw: Raw) -> Iterator[bytes]:
    """The pictures as RGB frames of 8 or 16 bits. RunError when one is gone or changed."""
    for path in paths:
        try:
            frame = pixels(look(path))
        except (OSError, UnreadableError) as error:
            raise RunError(f"{path} vanished or changed; put it back") from error
        if frame.shape != raw.shapes[0]:
            raise RunError(f"{path} changed its size; put the old one back")
        if raw.dtype.itemsize == 1:
            frame = frame if frame.dtype == np.uint8 else (frame.astype(np.float32) / 257).round()
        elif frame.dtype == np.uint8:
            frame = frame.astype(np.uint16) * 257
        yield raw.pack([frame])


def counted(path: Path) -> list:
    """Names in the order in which people count: 2 before 10. Digits of every script count; ² and ① are signs."""
    parts = re.split(r"(\d+)", path.name)
    return [(0, part) if i % 2 == 0 else (1, int(part), part) for i, part in enumerate(parts)]
