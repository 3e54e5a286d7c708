"""A clip's frames without what its codec changes from one to the next: each is averaged with its neighbours, brought
along the motion, where these agree with it (motion-compensated temporal filtering: Dubois and Sabri 1984, "Noise
reduction in image sequences using motion-compensated temporal filtering")."""

from collections.abc import Iterator

import torch
from torch import Tensor

from vldm_cli.motion.matching import warp
from vldm_cli.pipelines.upscale.motion import motion_to

# The weight of a neighbour that agrees wholly, beside the frame's own of 1.
SHARE = 0.5


def filtered(frames: Iterator[Tensor], first: int = 0) -> Iterator[Tensor]:
    """Frames (3, h, w) in [0, 1], from number `first` on: those before it are only looked at, so that it is the same
    frame wherever one starts."""
    before: Tensor | None = None
    now = next(frames, None)
    number = 0
    while now is not None:
        following = next(frames, None)
        if number >= first:
            yield _mean(now, [x for x in (before, following) if x is not None])
        before, now, number = now, following, number + 1


def _mean(now_CHW: Tensor, beside: list[Tensor]) -> Tensor:
    total, weight = now_CHW, torch.ones_like(now_CHW[:1])
    for other_CHW in beside:
        flow_BTCHW, agree_BTCHW = motion_to(now_CHW[None, None], other_CHW[None])
        share_1HW = SHARE * agree_BTCHW[0, 0]
        total = total + share_1HW * warp(other_CHW[None], flow_BTCHW[0], "bicubic")[0]
        weight = weight + share_1HW
    return total / weight
