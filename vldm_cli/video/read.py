"""Reading: a picture as first frame, and what is in a video file and what made it."""

import re
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np

from vldm_cli.errors import RequestError
from vldm_cli.video import ffmpeg
from vldm_cli.video.carry import OWN_TAGS
from vldm_cli.video.picture import UnreadableError, fitted, look
from vldm_cli.video.pictures import find, pictures_in, rate_beside
from vldm_cli.video.probe import inspect, source
from vldm_cli.video.scan import scan, shown_size
from vldm_cli.video.stored import beside_frames, own, parsed, rate_in
from vldm_cli.video.structure import structure
from vldm_cli.video.tags import picture_text
from vldm_cli.video.times import exact

# AV_PKT_FLAG_DISCARD of ffmpeg.
DISCARDED = 4


def read_image(path: str | Path, size: tuple[int, int], option: str = "--image") -> np.ndarray:
    """The picture as uint8 (H, W, 3) RGB of `size` (H, W): turned upright, cut to that shape about its centre,
    resized; what is transparent becomes white. Raises RequestError when there is no readable picture."""
    try:
        return fitted(path, size)
    except FileNotFoundError as error:
        raise RequestError(f"there is no image {path}; check the name given to {option}") from error
    except (UnreadableError, ValueError) as error:
        raise RequestError(
            f"{path} is no readable image ({error}); give {option} a PNG, JPEG or WebP file"
        ) from error


def video_info(path: str | Path) -> dict:
    """What is in a video file, a picture, animated or not, or a folder of frames, and what made it.

    `file`, `streams` (one line each), `width`, `height`, `frames`, `fps` (Fraction), `duration` (seconds, a
    Fraction) and `metadata` (what vldm stored, in which anything may stand: see `stored.whole`; or None). Raises
    RequestError when it is none of these.
    """
    path = Path(path)
    if path.is_dir():
        return _folder_info(path)
    if find(path):
        return _still_info(path)
    if not _is_animation(path):
        return _file_info(path)
    try:
        return _picture_info(path)
    except RequestError:
        with suppress(RequestError):  # of a damaged one ffmpeg may find some frames
            return _file_info(path)
        raise


def metadata_of(path: Path) -> dict | None:
    """The `metadata` of `video_info`, found without counting frames; None where no video of vldm's is."""
    try:
        if path.is_dir() or _is_animation(path):
            return video_info(path)["metadata"]
        return stored_in(inspect(path).metadata)
    except RequestError:
        return None


def _is_animation(path: Path) -> bool:
    """Whether it is a GIF or a WebP, going by its first bytes. RequestError where it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except (OSError, ValueError) as error:
        raise RequestError(
            f"cannot read {path} ({getattr(error, 'strerror', error)}); check the name"
        ) from error
    return head[:4] == b"GIF8" or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def _file_info(path: Path) -> dict:
    report = inspect(path)
    said = ffmpeg.probe(source(path))[1]
    arguments = [
        "-copyts",
        *source(path),
        "-map",
        f"0:{report.video.index}",
        "-c",
        "copy",
        "-f",
        "framecrc",
        "-",
    ]
    packets = ffmpeg.probe(arguments)[0].decode()
    rows = [line.split(",") for line in packets.splitlines() if not line.startswith("#")]
    rows = [row for row in rows if not _is_hidden(row)]
    if rows:
        clock = re.search(r"^#tb 0: (\S+)", packets, re.MULTILINE)
        assert clock is not None  # ffmpeg heads a listing with it
        base = Fraction(clock.group(1))
        ticks, last = zip(*sorted((int(row[2]), int(row[3])) for row in rows), strict=True)
        times = exact(ticks, last[-1], base, report.start, report.rate, report.coarse)
    else:
        # of a damaged file no packet may be listed, and frames decoded all the same
        times = scan(report).times
    height, width = report.height, report.width
    if any(name.lower() == "frame cropping" for name in report.video.beside):
        height, width = shown_size(report)
    return {
        "file": str(path),
        "streams": [line.strip() for line in said.splitlines() if re.match(r"\s*Stream #0", line)],
        "width": width,
        "height": height,
        "frames": len(times),
        "fps": times.fps,
        "duration": times.seconds,
        "metadata": stored_in(report.metadata),
    }


def _is_hidden(row: Sequence[str]) -> bool:
    """Whether an edit list hides the packet of this line of framecrc: it is only decoded for what follows it. Flags
    stand there where they are others than that of a key frame."""
    flags = next((word.split("=")[1] for word in row if word.strip().startswith("F=")), "0")
    return bool(int(flags, 16) & DISCARDED)


def _picture_info(path: Path) -> dict:
    try:
        picture = look(path)
        told = structure(path)
        stored = parsed(picture_text(path))
    except (OSError, UnreadableError) as error:
        raise RequestError(f"{path} is a damaged picture ({error}); give another copy of it") from error
    frames, duration = max(1, told.frames), Fraction(sum(told.milliseconds), 1000)
    fps = rate_in(stored) or (frames / duration if duration else Fraction(0))
    if not duration and fps:  # a WebP of one frame says nothing of time
        duration = frames / fps
    return {
        "file": str(path),
        "streams": [f"{picture.kind} animation, {picture.width}x{picture.height}"],
        "width": picture.width,
        "height": picture.height,
        "frames": frames,
        "fps": fps,
        "duration": duration,
        "metadata": own(stored),
    }


def _still_info(path: Path) -> dict:
    """One picture, as the commands on clips take it: ffmpeg would give it a rate of its own."""
    try:
        picture = look(path)
        stored = parsed(picture_text(path))
    except (OSError, UnreadableError) as error:
        raise RequestError(f"{path} is a damaged picture ({error}); give another copy of it") from error
    fps = rate_beside(path.parent)
    return {
        "file": str(path),
        "streams": [f"{picture.kind} picture, {picture.width}x{picture.height}"],
        "width": picture.width,
        "height": picture.height,
        "frames": 1,
        "fps": fps,
        "duration": 1 / fps,
        "metadata": stored,
    }


def _folder_info(folder: Path) -> dict:
    pictures = pictures_in(folder)
    if not pictures:
        raise RequestError(f"there are no pictures in the folder {folder}")
    try:
        picture = look(pictures[0])
    except (OSError, UnreadableError) as error:
        raise RequestError(f"{pictures[0]} is a damaged picture ({error}); take it out") from error
    stored = beside_frames(folder)
    fps = rate_beside(folder)
    kinds = " and ".join(sorted({path.suffix[1:].upper() for path in pictures}))
    return {
        "file": str(folder),
        "streams": [f"{kinds} frames, {picture.width}x{picture.height}"],
        "width": picture.width,
        "height": picture.height,
        "frames": len(pictures),
        "fps": fps,
        "duration": len(pictures) / fps,
        "metadata": own(stored),
    }


def stored_in(tags: dict[str, str]) -> dict | None:
    """What vldm stored among a file's tags, in the first of those that it uses (see `carry.comment_tag`) or, where
    another program has moved it, in any. Anybody may have written it: see `stored.whole`."""
    texts = [*(tags.get(tag) for tag in OWN_TAGS), *tags.values()]
    return next((table for text in texts if (table := parsed(text)) is not None), None)
