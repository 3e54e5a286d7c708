"""Reading: a picture as first frame, and what is in a video file and what made it."""

import json
import re
from fractions import Fraction
from pathlib import Path

import numpy as np

from vldm_cli.errors import RequestError
from vldm_cli.video import ffmpeg
from vldm_cli.video.carry import OWN_TAGS
from vldm_cli.video.probe import inspect, source
from vldm_cli.video.tags import picture_text
from vldm_cli.video.times import exact
from vldm_cli.video.write import SETTINGS


def read_image(path: str | Path, size: tuple[int, int]) -> np.ndarray:
    """The picture as uint8 (H, W, 3) RGB of `size` (H, W): turned upright, cut to that shape about its centre,
    resized; what is transparent becomes white. Raises RequestError when there is no readable picture."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGBA")
    except FileNotFoundError as error:
        raise RequestError(f"there is no image {path}; check the name given to --image") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RequestError(f"{path} is no readable image; give --image a PNG, JPEG or WebP file") from error
    on_white = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright).convert("RGB")
    height, width = size
    return np.asarray(ImageOps.fit(on_white, (width, height), Image.Resampling.LANCZOS))


def video_info(path: str | Path) -> dict:
    """What is in a video file, animated picture or folder of PNG frames, and what made it.

    `file`, `streams` (one line each), `width`, `height`, `frames`, `fps` (Fraction), `duration` (seconds, a
    Fraction) and `metadata` (what vldm stored, or None). Raises RequestError when it is none of these.
    """
    path = Path(path)
    if path.is_dir():
        return _folder_info(path)
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise RequestError(f"cannot read {path} ({error.strerror}); check the name") from error
    if head[:4] == b"GIF8" or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return _picture_info(path)
    return _file_info(path)


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
    if not rows:
        raise RequestError(f"{path} holds no frame that ffmpeg can read; give another copy of it")
    clock = re.search(r"^#tb 0: (\S+)", packets, re.MULTILINE)
    assert clock is not None  # ffmpeg heads a listing with it
    base = Fraction(clock.group(1))
    ticks, last = zip(*sorted((int(row[2]), int(row[3])) for row in rows), strict=True)
    times = exact(ticks, last[-1], base, report.start, report.rate, "matroska" in report.container)
    return {
        "file": str(path),
        "streams": [line.strip() for line in said.splitlines() if re.match(r"\s*Stream #0", line)],
        "width": report.width,
        "height": report.height,
        "frames": len(times),
        "fps": times.fps,
        "duration": times.seconds,
        "metadata": stored_in(report.metadata),
    }


def _picture_info(path: Path) -> dict:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            frames, milliseconds = getattr(picture, "n_frames", 1), 0
            for index in range(frames):
                picture.seek(index)
                picture.load()
                milliseconds += picture.info.get("duration", 0)
            width, height, kind = *picture.size, picture.format
    except (OSError, SyntaxError) as error:
        raise RequestError(f"{path} is a damaged picture ({error})") from error
    metadata = _settings(picture_text(path))
    duration = Fraction(milliseconds, 1000)
    fps = _stored_fps(metadata) or (frames / duration if duration else Fraction(0))
    if not duration and fps:  # a WebP of one frame says nothing of time
        duration = frames / fps
    return {
        "file": str(path),
        "streams": [f"{kind} animation, {width}x{height}"],
        "width": width,
        "height": height,
        "frames": frames,
        "fps": fps,
        "duration": duration,
        "metadata": metadata,
    }


def _folder_info(folder: Path) -> dict:
    from PIL import Image

    pictures = sorted(folder.glob("*.png"))
    if not pictures:
        raise RequestError(f"there are no PNG frames in the folder {folder}")
    with Image.open(pictures[0]) as picture:
        width, height = picture.size
    settings = folder / SETTINGS
    metadata = _settings(settings.read_text()) if settings.is_file() else None
    fps = _stored_fps(metadata) or Fraction(0)
    return {
        "file": str(folder),
        "streams": [f"PNG frames, {width}x{height}"],
        "width": width,
        "height": height,
        "frames": len(pictures),
        "fps": fps,
        "duration": len(pictures) / fps if fps else Fraction(0),
        "metadata": metadata,
    }


def stored_in(tags: dict[str, str]) -> dict | None:
    """What vldm stored among a file's tags, in the first of those that it uses (see `carry.comment_tag`) or, where
    another program has moved it, in any."""
    texts = [*(tags.get(tag) for tag in OWN_TAGS), *tags.values()]
    return next((table for text in texts if (table := _settings(text)) is not None), None)


def _settings(text: str | None) -> dict | None:
    """What vldm stored in a comment; None for anybody else's."""
    try:
        table = json.loads(text or "")
    except ValueError:
        return None
    return table if isinstance(table, dict) and "vldm" in table else None


def _stored_fps(metadata: dict | None) -> Fraction | None:
    fps = ((metadata or {}).get("settings") or {}).get("fps")
    return Fraction(fps) if fps else None
