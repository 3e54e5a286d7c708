"""Clips that lie there at both sizes: the low resolution as some scaler and codec has really left it, whole frames at a
time, which no imitation on small patches is."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vldm_cli.errors import RequestError
from vldm_cli.train.data.batches import Clips, Patches
from vldm_cli.train.data.files import Folder, Stretch
from vldm_cli.train.data.footage import BACKWARDS

HIGH, LOW = "high", "low"


def holds_pairs(folder: Path) -> bool:
    """Whether a folder is one of pairs: each clip a folder of its own, with the truth named high.*"""
    return any(folder.glob(f"*/{HIGH}.*"))


class Pairs:
    """Patches of clips in `folder`: NAME/high.mp4 (or high.frames) beside any number of NAME/low*.mp4, each the same
    frames at one `scale`-th of the size. Every stretch of the clips (`Folder`) is as likely as any other, so long clips
    are drawn more often than short ones; each of its low resolutions is as likely as the others. Raises RequestError
    where a clip lacks one, or its sizes or frames are no pair."""

    def __init__(self, folder: Path, device: torch.device):
        self.device = device
        self.folder = Folder(folder, lambda size, video: size)
        found: dict[Path, dict[Path, list[Stretch]]] = defaultdict(lambda: defaultdict(list))
        for stretch in self.folder.stretches:
            if stretch.video:
                found[stretch.path.parent][stretch.path].append(stretch)
        self.pairs: list[tuple[Stretch, list[Stretch]]] = []
        for place, files in sorted(found.items()):
            small = [cuts for path, cuts in sorted(files.items()) if path.stem.startswith(LOW)]
            for high in (cut for path, cuts in files.items() if path.stem == HIGH for cut in cuts):
                if not small:
                    raise RequestError(
                        f"{place} has {high.path.name} and no low resolution of it; add low.mp4"
                    )
                lows = [low for low in (_beside(high, cuts) for cuts in small) if low is not None]
                if not lows:
                    raise RequestError(
                        f"{place} has no low resolution of {high.path.name} from frame {high.first} on; make it anew"
                    )
                self.pairs.append((high, lows))

    def check(self, frames: int, frame_steps: dict[int, float]) -> None:
        """Raises RequestError if no clip is so long."""
        if not any(high.frames >= frames for high, _ in self.pairs):
            raise RequestError(f"{self.folder.folder} holds no clip of {frames} frames; add some")

    def clips(self, seed: int, n: int, frames: int, frame_steps: dict[int, float]) -> Clips:
        """Pairs are for upscalers. Raises RequestError."""
        raise RequestError(f"{self.folder.folder} holds pairs for upscalers, not clips")

    def patches(self, seed: int, n: int, frames: int, patch: int, scale: int) -> list[Patches]:
        """Patches cut at the same place of both."""
        rng = np.random.default_rng(seed)
        usable = [
            (high, lows)
            for high, lows in self.pairs
            if min(high.size) >= patch * scale and high.frames >= frames
        ]
        if not usable:
            raise RequestError(
                f"nothing in {self.folder.folder} is {patch * scale} pixels high and wide, which an upscaler needs"
            )
        high_BTCHW = torch.empty(n, frames, 3, patch * scale, patch * scale, dtype=torch.uint8)
        low_BTCHW = torch.empty(n, frames, 3, patch, patch, dtype=torch.uint8)
        drawn = [usable[i] for i in rng.integers(len(usable), size=n)]
        chosen = [(high, lows[rng.integers(len(lows))]) for high, lows in drawn]
        self.folder.fetch(stretch for pair in chosen for stretch in pair)
        for row, (high, low) in enumerate(chosen):
            high_BTCHW[row], low_BTCHW[row] = self._cut(high, low, rng, frames, patch, scale)
        corner = torch.zeros(n, dtype=torch.long, device=self.device)
        return [Patches(high_BTCHW.to(self.device), low_BTCHW.to(self.device), corner, corner, made=False)]

    def _cut(
        self, high: Stretch, low: Stretch, rng: np.random.Generator, frames: int, patch: int, scale: int
    ) -> tuple[Tensor, Tensor]:
        if tuple(scale * side for side in low.size) != high.size:
            raise RequestError(
                f"{low.path} is {low.size[1]}x{low.size[0]}, which is no {scale}th of {high.path.name}; make it anew"
            )
        large, small = self.folder.frames(high), self.folder.frames(low)
        length = min(len(large), len(small))
        if length < frames:
            raise RequestError(
                f"{low.path} has {len(small)} frames, {high.path.name} {len(large)}; make it anew"
            )
        first = int(rng.integers(length - frames + 1))
        y, x = (int(rng.integers(side - patch + 1)) for side in low.size)
        flipped, backwards = rng.random() < 0.5, rng.random() < BACKWARDS

        def cut(array: np.ndarray, fold: int) -> Tensor:
            part = array[first : first + frames, fold * y : fold * (y + patch), fold * x : fold * (x + patch)]
            part = part[:, :, ::-1] if flipped else part
            part = part[::-1] if backwards else part
            return torch.from_numpy(np.ascontiguousarray(part)).permute(0, 3, 1, 2)

        return cut(large, scale), cut(small, 1)


def _beside(high: Stretch, cuts: list[Stretch]) -> Stretch | None:
    """The frames of the low resolution that are those of `high`; None where it ends before. How long stretches are
    depends on the size of their frames, so those of a smaller file begin elsewhere."""
    left = cuts[-1].first + cuts[-1].frames - high.first
    return replace(cuts[0], first=high.first, frames=min(high.frames, left)) if left > 0 else None
