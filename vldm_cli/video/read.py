"""Reading: a picture as first frame, and what is in a video file and what made it."""

import json
import re
from fractions import Fraction
from pathlib import Path

import numpy as np

from vldm_cli.errors import RequestError
from vldm_cli.video import ffmpeg
from vldm_cli.video.tags import picture_text
from vldm_cli.video.write import SETTINGS

# ffmpeg prints rates with two decimals: these are what it means by them
_RATES = {"23.98": Fraction(24000, 1001), "29.97": Fraction(30000, 1001), "59.94": Fraction(60000, 1001)}


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
    said = ffmpeg.probe(["-i", str(path)])[1]
    streams = [line.strip() for line in said.splitlines() if re.match(r"\s*Stream #0", line)]
    size = next(
        (re.search(r"Video:.*?\b(\d{2,5})x(\d{2,5})\b", line) for line in streams if "Video:" in line), None
    )
    if size is None:
        raise RequestError(
            f"{path} holds no video that ffmpeg can read; give a video file or a folder of frames"
        )
    packets = ffmpeg.probe(["-i", str(path), "-map", "0:v:0", "-c", "copy", "-f", "framecrc", "-"])[
        0
    ].decode()
    clock = Fraction(re.search(r"^#tb 0: (\S+)", packets, re.MULTILINE).group(1))
    rows = [line.split(",") for line in packets.splitlines() if not line.startswith("#")]
    lengths = {int(row[3]) for row in rows}
    shown = next((line for line in streams if "Video:" in line), "")
    rate = re.search(r"([\d.]+) fps", shown)
    if clock.denominator > 1000 and len(lengths) == 1 and 0 not in lengths:
        fps = 1 / (lengths.pop() * clock)
    else:  # milliseconds: too coarse a clock to tell 24 from 23.98
        fps = _RATES.get(rate.group(1), Fraction(rate.group(1))) if rate else Fraction(0)
    return {
        "file": str(path),
        "streams": streams,
        "width": int(size.group(1)),
        "height": int(size.group(2)),
        "frames": len(rows),
        "fps": fps,
        "duration": len(rows) / fps if fps else Fraction(0),
        "metadata": _settings(_comment(ffmpeg.probe(["-i", str(path), "-f", "ffmetadata", "-"])[0].decode())),
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


def _comment(ffmetadata: str) -> str | None:
    """The comment in ffmpeg's metadata format, where = ; # \\ and line ends are escaped by a backslash."""
    found = re.search(r"^comment=((?:\\.|[^\\\n])*)", ffmetadata, re.MULTILINE | re.DOTALL | re.IGNORECASE)
    return re.sub(r"\\(.)", r"\1", found.group(1), flags=re.DOTALL) if found else None


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
