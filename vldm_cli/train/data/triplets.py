"""What is learned of frames between two known ones: clips of which frames are left out, photographs that a camera moves
over, and some of both as a codec leaves them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.errors import RequestError
from vldm_cli.train.data.camera import moved
from vldm_cli.train.data.codec import h264
from vldm_cli.train.data.files import Folder, Stretch
from vldm_cli.train.data.footage import BACKWARDS, cleaned
from vldm_cli.train.data.mixture import shares

# How many frames apart the known ones are, with shares: `--factor 2` and 4 of clips at their own rate.
STEPS = {2: 0.4, 4: 0.6}
# Share of the known frames that have been through H.264, and at which constant rate factors; what lies between them
# is learned as it was before.
CODED, QUALITIES = 0.25, (20, 23, 26, 29)
# Clips are scaled down by up to so much.
SMALLEST = 0.5


@dataclass(frozen=True)
class Triplets:
    """a, b: uint8 known frames (N, 3, H, W); truth: the frame at time t_N between them."""

    a: Tensor
    b: Tensor
    truth: Tensor
    t_N: Tensor


class TripletSource:
    """Triplets of the images and videos in folders and below, `data` as `--data` has it, without toyland. Every stretch
    of a folder is as likely as any other, be it an image or a part of a video (`Folder`), so long videos are drawn more
    often than short ones. Raises RequestError where a folder holds nothing."""

    def __init__(self, data: str, device: torch.device):
        named = shares(data)
        if "toyland" in named:
            raise RequestError("--data toyland is for packs; name folders of clips and images")
        self.device = device
        self.folders = [Folder(Path(name).expanduser(), cleaned) for name in named]
        self.shares = list(named.values())

    def check(self, frames: int, frame_steps: dict[int, float]) -> None:
        """Raises RequestError if a folder holds neither an image nor a clip of so many frames."""
        for folder in self.folders:
            if not any(not s.video or s.frames >= frames for s in folder.stretches):
                raise RequestError(
                    f"{folder.folder} holds neither an image nor a clip of {frames} frames; add some"
                )

    def triplets(self, seed: int, n: int, side: int) -> Triplets:
        """n triplets of square cuts, a function of the seed. Raises RequestError where nothing is so large."""
        rng = np.random.default_rng(seed)
        counts = rng.multinomial(n, self.shares)
        longest = max(STEPS) + 1
        clips = torch.empty(n, longest, 3, side, side, dtype=torch.uint8)
        steps: list[int] = []
        for folder, count in zip(self.folders, counts, strict=True):
            usable = [
                s for s in folder.stretches if min(s.size) >= side and (s.frames >= longest or not s.video)
            ]
            if count and not usable:
                raise RequestError(
                    f"nothing in {folder.folder} is {side} pixels high and wide; add larger files"
                )
            chosen = [usable[i] for i in rng.integers(len(usable), size=count)] if count else []
            folder.fetch(chosen)
            for stretch in chosen:
                step = int(rng.choice(list(STEPS), p=list(STEPS.values())))
                clips[len(steps), : step + 1] = self._cut(folder, stretch, rng, step + 1, side)
                clips[len(steps), step + 1 :] = clips[len(steps), step]
                steps.append(step)
        row, step_N = torch.arange(n), torch.tensor(steps)
        between_N = torch.from_numpy(rng.integers(1, steps))
        truth = clips[row, between_N].clone()
        coded = torch.from_numpy(np.flatnonzero(rng.random(n) < CODED))
        if len(coded):
            clips[coded] = h264(clips[coded], rng.choice(QUALITIES, len(coded)))
        found = (clips[:, 0], clips[row, step_N], truth, between_N / step_N)
        return Triplets(*(x.to(self.device) for x in found))

    def _cut(
        self, folder: Folder, stretch: Stretch, rng: np.random.Generator, frames: int, side: int
    ) -> Tensor:
        """uint8 (frames, 3, side, side)."""
        array = folder.frames(stretch)
        if not stretch.video:
            photo = torch.tensor(array[0]).permute(2, 0, 1)
            return moved(photo, rng, frames, side).round().clamp(0, 255).to(torch.uint8)
        first = int(rng.integers(max(1, len(array) - frames + 1)))
        # a file may hold a frame less than its duration promises: its last frame is repeated then
        index: Sequence[int] = np.minimum(first + np.arange(frames), len(array) - 1).tolist()
        large = int(side * rng.uniform(1.0, max(1.0, min(1 / SMALLEST, min(array.shape[1:3]) / side))))
        y, x = (int(rng.integers(length - large + 1)) for length in array.shape[1:3])
        cut = array[index][:, y : y + large, x : x + large]
        cut = cut[::-1] if rng.random() < BACKWARDS else cut
        x_TCHW = torch.from_numpy(np.ascontiguousarray(cut)).permute(0, 3, 1, 2)
        if large > side:
            size = (side, side)
            x_TCHW = F.interpolate(
                x_TCHW.float(), size=size, mode="bicubic", antialias=True, align_corners=False
            )
        return x_TCHW.round().clamp(0, 255).to(torch.uint8) if large > side else x_TCHW
