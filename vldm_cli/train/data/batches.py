"""What training examples are: clips with captions, and patches with their low-resolution frames."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Clips:
    """Clips at the pack's size. video_BTCHW: uint8; captions: B strings; frame_step_B: int64, the distance between
    neighbouring frames, in frames at the pack's rate; late_B: bool, the caption is true of the clip only together
    with what came before it (a ball that "falls" may lie still by now). outlines_BTHW: bool, the cells that an outline
    of something runs through, of a world that knows them and was asked for them."""

    video_BTCHW: Tensor
    captions: list[str]
    frame_step_B: Tensor
    late_B: Tensor
    outlines_BTHW: Tensor | None = None


@dataclass(frozen=True)
class Patches:
    """What the upscaler learns from. high_BTCHW: uint8 patches; low_BTCHW: uint8 low-resolution frames, of which
    the patch is the part from (y0, x0) on, in low-resolution pixels, one corner a clip. made: such frames as the pack
    makes, which reach its upscaler through its autoencoder; False for footage, which never sees one."""

    high_BTCHW: Tensor
    low_BTCHW: Tensor
    y0_B: Tensor
    x0_B: Tensor
    made: bool = True

    def low_patches(self, frames_BTCHW: Tensor, h: int, w: int) -> Tensor:
        """The patches' part (B, T, 3, h, w) of low-resolution frames of the same size as `low_BTCHW`."""
        ys = self.y0_B[:, None] + torch.arange(h, device=self.y0_B.device)
        xs = self.x0_B[:, None] + torch.arange(w, device=self.x0_B.device)
        B = torch.arange(len(frames_BTCHW), device=self.y0_B.device)[:, None, None]
        # advanced indices around the sliced T and C come out in front: (B, h, w, T, C)
        return frames_BTCHW[B, :, :, ys[:, :, None], xs[:, None, :]].permute(0, 3, 4, 1, 2)
