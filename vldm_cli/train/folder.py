"""Training data from a folder of videos and images, decoded in stretches and kept as bytes within a memory bound.

The caption of NAME.mp4 is in NAME.txt beside it, or else NAME itself, with dashes and underscores as spaces.
"""

import subprocess
from collections import OrderedDict
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.errors import RequestError
from vldm_cli.train.clips import Clips, Patches

VIDEOS = {".mp4", ".mov", ".webm", ".gif", ".mkv", ".m4v", ".avi"}
IMAGES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
STRETCH_FRAMES = 300
STRETCH_BYTES = 256 << 20
CACHE_BYTES = 4 << 30
# A batch decodes no more frames than this (and reads from a few stretches at least).
FRAMES_A_BATCH, STRETCHES_A_BATCH = 2400, 8
# Low-resolution pixels around a patch, so that an autoencoder's round trip sees its surroundings.
MARGIN = 8


@dataclass(frozen=True)
class Stretch:
    """Frames `first` … `first + frames` (at the pack's rate) of a file; `frames` is what its duration promises."""

    path: Path
    first: int
    frames: int
    size: tuple[int, int]


class FolderSource:
    """Clips of the files in `folder` and below. size: (height, width) that every clip is fitted to by a centre crop,
    None for the files' own size (patches)."""

    def __init__(self, folder: Path, size: tuple[int, int] | None, fps: Fraction, device: torch.device):
        self.folder, self.size, self.fps, self.device = folder, size, fps, device
        self.cache: OrderedDict[Stretch, np.ndarray] = OrderedDict()
        self.stretches: list[Stretch] = []
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in VIDEOS | IMAGES:
                self.stretches += self._stretches(path)
        if not self.stretches:
            raise RequestError(
                f"{folder} holds no clip or image; put videos (mp4, mov, webm, gif, mkv) or images in it"
            )

    def check(self, frames: int, frame_steps: dict[int, float]) -> None:
        """Raises RequestError if no clip holds that many frames at the smallest of the frame steps."""
        span = (frames - 1) * min(frame_steps) + 1
        longest = max(s.frames for s in self.stretches)
        if longest < span:
            raise RequestError(
                f"the longest clip in {self.folder} has {longest} frames at {self.fps} fps, but this part needs "
                f"{span}; add longer clips"
            )

    def clips(self, seed: int, n: int, frames: int, frame_steps: dict[int, float]) -> Clips:
        """n random clips. A frame step for which no clip is long enough is left out."""
        rng = np.random.default_rng(seed)
        longest = max(s.frames for s in self.stretches)
        possible = {s: p for s, p in frame_steps.items() if (frames - 1) * s + 1 <= longest}
        weights = np.array(list(possible.values()))
        drawn = rng.choice(list(possible), n, p=weights / weights.sum())
        # Short clips can serve small frame steps only, so the clips are drawn for one frame step at a time.
        video = np.empty((n, frames, *self.size, 3), np.uint8)
        captions = [""] * n
        for step in possible:
            rows = np.flatnonzero(drawn == step)
            for row, (path, array) in zip(rows, self._draw(rng, len(rows), frames, step), strict=True):
                video[row], captions[row] = array, caption_of(path)
        frame_step_B = torch.as_tensor(drawn, dtype=torch.int64, device=self.device)
        return Clips(
            self._tensor(video), captions, frame_step_B, torch.zeros_like(frame_step_B, dtype=torch.bool)
        )

    def patches(self, seed: int, n: int, frames: int, patch: int, scale: int) -> Patches:
        """Patches at the files' own resolution; the low resolution is theirs, filtered and scaled down, with a little
        of its surroundings, blurred now and then as cameras and codecs do it."""
        rng = np.random.default_rng(seed)
        low = patch + 2 * MARGIN
        need = low * scale
        if not any(min(s.size) >= need for s in self.stretches):
            raise RequestError(
                f"no clip in {self.folder} is {need} pixels high and wide, which an upscaler needs"
            )
        high = np.empty((n, frames, need, need, 3), np.uint8)
        for row, (_, array) in enumerate(self._draw(rng, n, frames, 1, smallest=need)):
            y, x = rng.integers(array.shape[1] - need + 1), rng.integers(array.shape[2] - need + 1)
            high[row] = array[:, y : y + need, x : x + need]
        high_BTCHW = self._tensor(high)
        x_NCHW = high_BTCHW.flatten(0, 1).float()
        low_NCHW = F.interpolate(x_NCHW, size=(low, low), mode="bicubic", antialias=True)
        blurred = F.avg_pool2d(F.pad(low_NCHW, (1, 1, 1, 1), mode="replicate"), 3, 1)
        amount = torch.from_numpy(np.clip(rng.normal(0, 0.3, n), 0, 1).astype(np.float32)).to(self.device)
        low_NCHW = torch.lerp(low_NCHW, blurred, amount.repeat_interleave(frames)[:, None, None, None])
        low_BTCHW = low_NCHW.round().clamp(0, 255).to(torch.uint8).unflatten(0, (n, frames))
        inner = slice(MARGIN * scale, (MARGIN + patch) * scale)
        corner = torch.full((n,), MARGIN, device=self.device)
        return Patches(high_BTCHW[..., inner, inner], low_BTCHW, corner, corner)

    def _draw(self, rng, n: int, frames: int, step: int, smallest: int = 0):
        """n random (path, uint8 (frames, H, W, 3)), views into the cache, out of a few random stretches."""
        span = (frames - 1) * step + 1
        usable = [s for s in self.stretches if s.frames >= span and min(s.size) >= smallest]
        if not usable:
            raise RequestError(
                f"no clip in {self.folder} is large and long enough ({span} frames); add such clips"
            )
        weights = np.array([s.frames - span + 1 for s in usable], float)
        some = max(STRETCHES_A_BATCH, FRAMES_A_BATCH * len(usable) // sum(s.frames for s in usable))
        picks = rng.choice(len(usable), min(n, some), p=weights / weights.sum())
        for i in range(n):
            stretch = usable[picks[i % len(picks)]]
            array = self._decoded(stretch)
            first = rng.integers(max(1, len(array) - span + 1))
            # A file may hold a frame less than its duration promises: its last frame is repeated then.
            yield stretch.path, array[np.minimum(first + step * np.arange(frames), len(array) - 1)]

    def _decoded(self, stretch: Stretch) -> np.ndarray:
        if stretch in self.cache:
            self.cache.move_to_end(stretch)
            return self.cache[stretch]
        array = self.cache[stretch] = decode(stretch, self.fps)
        while sum(a.nbytes for a in self.cache.values()) > CACHE_BYTES and len(self.cache) > 1:
            self.cache.popitem(last=False)
        return array

    def _stretches(self, path: Path) -> list[Stretch]:
        if path.suffix.lower() in IMAGES:
            try:
                with Image.open(path) as image:
                    return [Stretch(path, 0, 1, self.size or (image.height, image.width))]
            except (OSError, UnidentifiedImageError) as error:
                raise RequestError(f"{path} is no readable image; remove it or replace it") from error
        own, seconds = probe(path)
        size = self.size or own
        total = max(1, int(seconds * self.fps))
        length = max(1, min(STRETCH_FRAMES, STRETCH_BYTES // (3 * size[0] * size[1])))
        return [Stretch(path, first, min(length, total - first), size) for first in range(0, total, length)]

    def _tensor(self, frames: np.ndarray) -> Tensor:
        return torch.from_numpy(frames).to(self.device).movedim(-1, -3).contiguous()


def caption_of(path: Path) -> str:
    """The caption that belongs to a clip or image."""
    text = path.with_suffix(".txt")
    if text.is_file():
        return " ".join(text.read_text(encoding="utf-8").split())
    return path.stem.replace("-", " ").replace("_", " ")


def probe(path: Path) -> tuple[tuple[int, int], float]:
    """((height, width) as shown, seconds) of a video. Raises RequestError if it cannot be read."""
    import imageio_ffmpeg

    try:
        reader = imageio_ffmpeg.read_frames(str(path))
        meta = next(reader)
        reader.close()
        seconds = meta["duration"] or imageio_ffmpeg.count_frames_and_secs(str(path))[1]
    except (OSError, RuntimeError, StopIteration) as error:
        raise RequestError(f"{path} is no readable video; remove it or replace it") from error
    width, height = meta["source_size"]
    return ((width, height) if meta.get("rotate", 0) % 180 else (height, width)), seconds


def decode(stretch: Stretch, fps: Fraction) -> np.ndarray:
    """The stretch's frames, uint8 (T, H, W, 3), covered and centre-cropped to its size. Raises RequestError."""
    height, width = stretch.size
    if stretch.path.suffix.lower() in IMAGES:
        with Image.open(stretch.path) as image:
            return np.asarray(ImageOps.fit(image.convert("RGB"), (width, height), Image.Resampling.LANCZOS))[
                None
            ]
    import imageio_ffmpeg

    fit = f"scale={width}:{height}:force_original_aspect_ratio=increase:flags=lanczos,crop={width}:{height}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-ss", f"{float(stretch.first / fps):.6f}"]
    command += ["-i", str(stretch.path), "-vf", f"fps={fps},{fit}", "-frames:v", str(stretch.frames)]
    done = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True)
    frames = np.frombuffer(done.stdout, np.uint8)
    if done.returncode or not len(frames) or len(frames) % (height * width * 3):
        reason = (done.stderr.decode(errors="replace").strip().splitlines() or ["it gave no frames"])[0]
        raise RequestError(f"{stretch.path} cannot be decoded ({reason:.200}); remove it or replace it")
    return frames.reshape(-1, height, width, 3)
