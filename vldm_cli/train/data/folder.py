"""Training clips from a folder of videos and images.

The caption of NAME.mp4 is in NAME.txt beside it, or else NAME itself, with dashes and underscores as spaces.
"""

from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from vldm_cli.errors import RequestError
from vldm_cli.train.data.batches import Clips, Patches
from vldm_cli.train.data.files import Folder

# A batch decodes no more frames than this (and reads from a few stretches at least).
FRAMES_A_BATCH, STRETCHES_A_BATCH = 2400, 8


class FolderSource:
    """Clips of the files in `folder` and below, cut to `size`: (height, width) about their centre. Pictures of a
    NAME.frames folder count as frames at the pack's rate."""

    def __init__(self, folder: Path, size: tuple[int, int], fps: Fraction, device: torch.device):
        self.size, self.device = size, device
        self.folder = Folder(folder, lambda own, video: size, fps)

    def check(self, frames: int, frame_steps: dict[int, float]) -> None:
        """Raises RequestError if no clip holds that many frames at the smallest of the frame steps."""
        span = (frames - 1) * min(frame_steps) + 1
        longest = max(s.frames for s in self.folder.stretches)
        if longest < span:
            raise RequestError(
                f"the longest clip in {self.folder.folder} has {longest} frames at {self.folder.fps} fps, but this "
                f"part needs {span}; add longer clips"
            )

    def clips(self, seed: int, n: int, frames: int, frame_steps: dict[int, float]) -> Clips:
        """n random clips. A frame step for which no clip is long enough is left out."""
        rng = np.random.default_rng(seed)
        longest = max(s.frames for s in self.folder.stretches)
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
        video_BTCHW = torch.from_numpy(video).to(self.device).movedim(-1, -3).contiguous()
        return Clips(video_BTCHW, captions, frame_step_B, torch.zeros_like(frame_step_B, dtype=torch.bool))

    def patches(self, seed: int, n: int, frames: int, patch: int, scale: int) -> list[Patches]:
        """Patches are of `Footage`. Raises RequestError."""
        raise RequestError(f"{self.folder.folder} was opened for whole clips, not for patches")

    def _draw(self, rng, n: int, frames: int, step: int):
        """n random (path, uint8 (frames, H, W, 3)), views into the cache, out of a few random stretches."""
        span = (frames - 1) * step + 1
        usable = [s for s in self.folder.stretches if s.frames >= span]
        weights = np.array([s.frames - span + 1 for s in usable], float)
        some = max(STRETCHES_A_BATCH, FRAMES_A_BATCH * len(usable) // sum(s.frames for s in usable))
        picks = rng.choice(len(usable), min(n, some), p=weights / weights.sum())
        for i in range(n):
            stretch = usable[picks[i % len(picks)]]
            array = self.folder.frames(stretch)
            first = rng.integers(max(1, len(array) - span + 1))
            # A file may hold a frame less than its duration promises: its last frame is repeated then.
            yield stretch.path, array[np.minimum(first + step * np.arange(frames), len(array) - 1)]


def caption_of(path: Path) -> str:
    """The caption that belongs to a clip or image."""
    text = path.with_suffix(".txt")
    if text.is_file():
        return " ".join(text.read_text(encoding="utf-8").split())
    return path.stem.replace("-", " ").replace("_", " ")
