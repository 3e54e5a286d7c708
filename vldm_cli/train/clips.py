"""Where training examples come from: Toyland, or a folder of clips. Both answer the same three questions.

Every batch is a function of the seed it is asked with, so nothing of a source needs saving for a resume.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from vldm_cli.errors import RequestError
from vldm_cli.packs.pack import VideoNumbers

# Toyland clips rendered at a time are bounded by this many frames.
RENDER_FRAMES = 1024


@dataclass(frozen=True)
class Clips:
    """Clips at the pack's size. video_BTCHW: uint8; captions: B strings; frame_step_B: int64, the distance between
    neighbouring frames, in frames at the pack's rate; late_B: bool, the caption is true of the clip only together
    with what came before it (a ball that "falls" may lie still by now)."""

    video_BTCHW: Tensor
    captions: list[str]
    frame_step_B: Tensor
    late_B: Tensor


@dataclass(frozen=True)
class Patches:
    """What the upscaler learns from. high_BTCHW: uint8 patches; low_BTCHW: uint8 low-resolution frames, of which
    the patch is the part from (y0, x0) on, in low-resolution pixels, one corner a clip."""

    high_BTCHW: Tensor
    low_BTCHW: Tensor
    y0_B: Tensor
    x0_B: Tensor

    def low_patches(self, frames_BTCHW: Tensor, h: int, w: int) -> Tensor:
        """The patches' part (B, T, 3, h, w) of low-resolution frames of the same size as `low_BTCHW`."""
        ys = self.y0_B[:, None] + torch.arange(h, device=self.y0_B.device)
        xs = self.x0_B[:, None] + torch.arange(w, device=self.x0_B.device)
        B = torch.arange(len(frames_BTCHW), device=self.y0_B.device)[:, None, None]
        # advanced indices around the sliced T and C come out in front: (B, h, w, T, C)
        return frames_BTCHW[B, :, :, ys[:, :, None], xs[:, None, :]].permute(0, 3, 4, 1, 2)


class Source(Protocol):
    """Training data. `native` sources have their own resolution; Toyland renders any."""

    def check(self, frames: int, frame_steps: dict[int, float]) -> None:
        """Raises RequestError if no clip is long enough."""

    def clips(self, seed: int, n: int, frames: int, frame_steps: dict[int, float]) -> Clips:
        """n clips of so many frames, each at a frame step drawn with these probabilities."""

    def patches(self, seed: int, n: int, frames: int, patch: int, scale: int) -> Patches:
        """n clips of square patches of `patch` low-resolution pixels, frames at the pack's rate."""


def open_source(
    data: str, video: VideoNumbers, device: torch.device, patches: bool, compiled: bool
) -> Source:
    """The source that `--data` names: "toyland" or a folder.

    `patches`: it is wanted for an upscaler, so a folder's clips are read at their own size. `compiled`: Toyland's
    renderer is compiled. Raises RequestError if the folder holds nothing to train on.
    """
    if data == "toyland":
        return ToylandSource((video.height, video.width), video.fps, device, compiled)
    folder = data_folder(data)
    from vldm_cli.train.folder import FolderSource

    return FolderSource(folder, None if patches else (video.height, video.width), video.fps, device)


def data_folder(data: str) -> Path:
    """The folder that `--data` names. Raises RequestError if there is none."""
    folder = Path(data).expanduser()
    if not folder.is_dir():
        raise RequestError(
            f"--data {data!s:.80} is neither toyland nor a folder; name a folder of clips or images"
        )
    return folder


class ToylandSource:
    """Clips of the world that vldm renders itself; no two are the same. compiled: render by torch.compile."""

    def __init__(self, size: tuple[int, int], fps: Fraction, device: torch.device, compiled: bool = False):
        from vldm_cli.toyland.render import EAGER, compiled_core

        self.size, self.fps, self.device = size, fps, device
        self.core = compiled_core() if compiled else EAGER

    def check(self, frames: int, frame_steps: dict[int, float]) -> None:
        """Toyland goes on for ever: every clip is long enough."""

    def clips(self, seed: int, n: int, frames: int, frame_steps: dict[int, float]) -> Clips:
        batch = self._toyland(seed, frames, frame_steps).batch(n)
        return Clips(batch.video_BTCHW, batch.captions, batch.frame_step_B, batch.late_B)

    def patches(self, seed: int, n: int, frames: int, patch: int, scale: int) -> Patches:
        return Patches(*self._toyland(seed, frames, {1: 1.0}).patch_pairs(n, (patch, patch), scale))

    def _toyland(self, seed: int, frames: int, frame_steps: dict[int, float]):
        from vldm_cli.toyland.dataset import ToylandClips

        return ToylandClips(
            seed,
            frames,
            frame_steps,
            size=self.size,
            device=self.device,
            fps=float(self.fps),
            chunk=max(1, RENDER_FRAMES // frames),
            core=self.core,
        )
