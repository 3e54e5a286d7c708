"""A folder of videos and images: found, decoded in stretches, and kept as bytes within a memory bound."""

import subprocess
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from vldm_cli.errors import RequestError
from vldm_cli.video.ffmpeg import ffmpeg_exe
from vldm_cli.video.kinds import VIDEOS
from vldm_cli.video.numbers import rate_of
from vldm_cli.video.picture import SUFFIXES as IMAGES
from vldm_cli.video.picture import UnreadableError, fitted, look
from vldm_cli.video.pictures import find, pictures_in
from vldm_cli.video.probe import inspect, source
from vldm_cli.video.read import video_info

STRETCH_FRAMES = 300
STRETCH_BYTES = 256 << 20
CACHE_BYTES = 4 << 30
# Files decoded at a time; the decoders leave Python's lock to others.
READERS = 8
# A folder whose name ends so is one video, a picture a frame.
FRAMES = ".frames"
# Frames a second of videos that do not say.
USUAL_FPS = Fraction(24)


@dataclass(frozen=True)
class Stretch:
    """Frames `first` … `first + frames` (at `fps`) of a file; `frames` is what its duration promises. video: False for
    a single image."""

    path: Path
    first: int
    frames: int
    size: tuple[int, int]
    fps: Fraction
    video: bool = True


class Folder:
    """The videos and images in `folder` and below, decoded when they are asked for and kept while there is room.

    fit: (height, width) of a file, whether it is a video → the size it is scaled and cropped to. fps: the rate at which
    videos are read; None for their own. A folder NAME.frames is one video, its pictures in the order of their names.
    Raises RequestError if there is none, or one cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        fit: Callable[[tuple[int, int], bool], tuple[int, int]],
        fps: Fraction | None = None,
    ):
        self.folder, self.fit, self.fps = folder, fit, fps
        self.cache: OrderedDict[Stretch, np.ndarray] = OrderedDict()
        self.stretches: list[Stretch] = []
        for path in sorted(folder.rglob("*")):
            if path.suffix == FRAMES and path.is_dir():
                self.stretches += self._of_pictures(path)
            elif path.suffix.lower() in VIDEOS | IMAGES and path.parent.suffix != FRAMES:
                self.stretches += self._of_a_file(path)
        if not self.stretches:
            raise RequestError(
                f"{folder} holds no clip or image; put videos (mp4, mov, webm, gif, mkv) or images in it"
            )

    def frames(self, stretch: Stretch) -> np.ndarray:
        """The stretch's frames, uint8 (T, H, W, 3), to be read only."""
        if stretch in self.cache:
            self.cache.move_to_end(stretch)
            return self.cache[stretch]
        return self._keep(stretch, decode(stretch))

    def fetch(self, stretches: Iterable[Stretch]) -> None:
        """Decode those that are not here yet, several at a time and as many as half of the bound holds."""
        missing, size = [], 0
        for stretch in dict.fromkeys(stretches):
            if stretch not in self.cache:
                height, width = stretch.size
                size += 3 * height * width * stretch.frames
                if size > CACHE_BYTES // 2:
                    break
                missing.append(stretch)
        if len(missing) > 1:
            with ThreadPoolExecutor(READERS) as readers:
                for stretch, array in zip(missing, readers.map(decode, missing), strict=True):
                    self._keep(stretch, array)

    def _keep(self, stretch: Stretch, array: np.ndarray) -> np.ndarray:
        self.cache[stretch] = array
        while sum(a.nbytes for a in self.cache.values()) > CACHE_BYTES and len(self.cache) > 1:
            self.cache.popitem(last=False)
        return array

    def _of_a_file(self, path: Path) -> list[Stretch]:
        if _is_still(path):  # an animated picture is a video, whatever its name
            return [Stretch(path, 0, 1, self.fit(_size(path), False), Fraction(1), video=False)]
        own, seconds, rate = probe(path)
        fps = self.fps or rate
        return self._cut(path, self.fit(own, True), max(1, int(seconds * fps)), fps)

    def _of_pictures(self, path: Path) -> list[Stretch]:
        names = pictures_in(path)
        if not names:
            raise RequestError(f"{path} holds no pictures; put a clip's frames in it or remove it")
        return self._cut(path, self.fit(_size(names[0]), True), len(names), Fraction(1))

    def _cut(self, path: Path, size: tuple[int, int], total: int, fps: Fraction) -> list[Stretch]:
        length = max(1, min(STRETCH_FRAMES, STRETCH_BYTES // (3 * size[0] * size[1])))
        return [
            Stretch(path, first, min(length, total - first), size, fps) for first in range(0, total, length)
        ]


def _is_still(path: Path) -> bool:
    """Whether it is one picture. (To `find`, a WebP of one frame is a clip, for vldm writes such.)"""
    return bool(find(path)) or (path.suffix.lower() in IMAGES and look(path).frames == 1)


def probe(path: Path) -> tuple[tuple[int, int], Fraction, Fraction]:
    """((height, width) as shown, seconds, frames a second) of a video. Raises RequestError if it cannot be read."""
    try:
        report = inspect(path)
    except (RequestError, ValueError) as error:
        raise RequestError(f"{path} is no readable video; remove it or replace it") from error
    try:
        rate = rate_of(report.rate).limit_denominator(1001) if report.rate else USUAL_FPS
    except ValueError:  # "90k", which is a clock
        rate = USUAL_FPS
    seconds = report.seconds or video_info(path)["duration"]
    shown = (report.height, report.width)
    return shown[::-1] if report.rotation % 180 == 90 else shown, seconds, rate


def decode(stretch: Stretch) -> np.ndarray:
    """The stretch's frames, uint8 (T, H, W, 3), covered and centre-cropped to its size. Raises RequestError."""
    height, width = stretch.size
    if not stretch.video:
        return _picture(stretch.path, stretch.size)[None]
    if stretch.path.is_dir():
        names = pictures_in(stretch.path)[stretch.first : stretch.first + stretch.frames]
        return np.stack([_picture(name, stretch.size) for name in names])
    fit = f"scale={width}:{height}:force_original_aspect_ratio=increase:flags=lanczos,crop={width}:{height}"
    command = [
        ffmpeg_exe(),
        *("-v", "error", "-ss", f"{float(stretch.first / stretch.fps):.6f}"),
    ]
    command += [*source(stretch.path), "-vf", f"fps={stretch.fps},{fit}", "-frames:v", str(stretch.frames)]
    done = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True)
    frames = np.frombuffer(done.stdout, np.uint8)
    if done.returncode or not len(frames) or len(frames) % (height * width * 3):
        reason = (done.stderr.decode(errors="replace").strip().splitlines() or ["it gave no frames"])[0]
        raise RequestError(f"{stretch.path} cannot be decoded ({reason:.200}); remove it or replace it")
    return frames.reshape(-1, height, width, 3)


def _size(path: Path) -> tuple[int, int]:
    """(height, width) of an image as it is shown."""
    try:
        picture = look(path)
    except (OSError, UnreadableError) as error:
        raise RequestError(f"{path} is no readable image ({error}); remove it or replace it") from error
    return picture.height, picture.width


def _picture(path: Path, size: tuple[int, int]) -> np.ndarray:
    try:
        return fitted(path, size)
    except (OSError, UnreadableError) as error:
        raise RequestError(f"{path} is no readable image ({error}); remove it or replace it") from error
