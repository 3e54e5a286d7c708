"""What the upscaler learns of the real world: photographs that a camera moves over, and clips, with low-resolution
frames as cameras, codecs and scalers leave them."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.errors import RequestError
from vldm_cli.train.data.batches import Clips, Patches
from vldm_cli.train.data.camera import moved
from vldm_cli.train.data.degrade import Degrade
from vldm_cli.train.data.files import Folder, Stretch

# Low-resolution pixels around a patch, so that what is done to frames meets no border in it.
MARGIN = 8
# Clips carry their codec's noise, so they are scaled down before they are truth: to half their size where that leaves
# them this high and wide.
CLEAN_SCALE, CLEAN_SIDE = 0.5, 264
# Shares of clips that are played backwards, and at twice the speed.
BACKWARDS, FAST = 0.5, 0.2


class Footage:
    """Patches of the images and videos in `folder` and below. Every stretch is as likely as any other, be it an image
    or a part of a video (`Folder`), so long videos are drawn more often than short ones."""

    def __init__(self, folder: Path, device: torch.device, degrade: Degrade):
        self.device, self.degrade = device, degrade
        self.folder = Folder(folder, cleaned)

    def check(self, frames: int, frame_steps: dict[int, float]) -> None:
        """Raises RequestError if there is neither an image nor a clip of so many frames."""
        if not any(not s.video or s.frames >= frames for s in self.folder.stretches):
            raise RequestError(
                f"{self.folder.folder} holds neither an image nor a clip of {frames} frames; add some"
            )

    def clips(self, seed: int, n: int, frames: int, frame_steps: dict[int, float]) -> Clips:
        """Footage is for upscalers. Raises RequestError."""
        raise RequestError(f"{self.folder.folder} was opened for patches, not for whole clips")

    def patches(self, seed: int, n: int, frames: int, patch: int, scale: int) -> list[Patches]:
        """Patches at the files' own scale and below; their low resolution is made by `degrade`."""
        rng = np.random.default_rng(seed)
        need = (patch + 2 * MARGIN) * scale
        usable = [
            s for s in self.folder.stretches if min(s.size) >= need and (s.frames >= frames or not s.video)
        ]
        if not usable:
            raise RequestError(
                f"nothing in {self.folder.folder} is {need} pixels high and wide, which an upscaler needs"
            )
        high_BTCHW = torch.empty(n, frames, 3, need, need, dtype=torch.uint8, device=self.device)
        chosen = [usable[i] for i in rng.integers(len(usable), size=n)]
        self.folder.fetch(chosen)
        for row, stretch in enumerate(chosen):
            make = self._of_a_clip if stretch.video else self._of_a_photo
            high_BTCHW[row] = make(stretch, rng, frames, need).round_()
        low_BTCHW = self.degrade(high_BTCHW, scale, rng)
        inner = slice(MARGIN * scale, (MARGIN + patch) * scale)
        corner = torch.full((n,), MARGIN, device=self.device)
        high_BTCHW = high_BTCHW[..., inner, inner].contiguous()
        return [Patches(high_BTCHW, low_BTCHW, corner, corner, made=False)]

    def _of_a_photo(self, stretch: Stretch, rng: np.random.Generator, frames: int, need: int) -> Tensor:
        photo = torch.tensor(self.folder.frames(stretch)[0]).to(self.device).permute(2, 0, 1)
        return moved(photo, rng, frames, need)

    def _of_a_clip(self, stretch: Stretch, rng: np.random.Generator, frames: int, need: int) -> Tensor:
        """A cut of some neighbouring frames, scaled down by a random factor; float (T, 3, need, need)."""
        array = self.folder.frames(stretch)
        step = 2 if rng.random() < FAST and len(array) > 2 * frames else 1
        first = rng.integers(max(1, len(array) - (frames - 1) * step))
        # A file may hold a frame less than its duration promises: its last frame is repeated then.
        index = np.minimum(first + step * np.arange(frames), len(array) - 1)
        side = int(need * rng.uniform(1.0, min(array.shape[1:3]) / need))
        y, x = (int(rng.integers(length - side + 1)) for length in array.shape[1:3])
        cut = array[index][:, y : y + side, x : x + side]
        cut = cut[::-1] if rng.random() < BACKWARDS else cut
        cut = cut[:, :, ::-1] if rng.random() < 0.5 else cut
        x_TCHW = torch.from_numpy(np.ascontiguousarray(cut)).to(self.device).permute(0, 3, 1, 2).float()
        if side > need:
            x_TCHW = F.interpolate(x_TCHW, size=(need, need), mode="bicubic", antialias=True)
        return x_TCHW.clamp(0, 255)


def cleaned(size: tuple[int, int], video: bool) -> tuple[int, int]:
    """(height, width) at which a file's frames are truth: a photo's own, a clip's scaled down."""
    scale = min(1.0, max(CLEAN_SCALE, CLEAN_SIDE / min(size))) if video else 1.0
    return round(size[0] * scale), round(size[1] * scale)
