"""Steadiness without training: a part of the detail that a network made of the frame before, brought along the motion,
is kept where the input agrees with it.

So a frame shows the detail that frames before it have settled on, instead of what the network makes up anew each time;
light and colour at large are its own, or a scene that grows dark would stay brighter than it is.
Averages over the frames beside blur detail that is not alike in them, and take much less off the flicker."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.align.pixels import upsample_bilinear
from vldm_cli.motion.matching import warp

# The share of the detail before that is kept, at most.
KEPT = 0.9
# Motion of so many low-resolution pixels a frame is taken for none, and of twice as many for what it is: by grain
# alone, what stands still seems to move by a tenth of a pixel, and detail that is fetched from there is not the same.
STILL = 0.1
# What is coarser than so many low-resolution pixels is no detail.
COARSE = 8


@dataclass
class Kept:
    """What came out for the frame before, (1, 3, s·h, s·w); None before a first frame."""

    frame: Tensor | None = None


def keep(y_NCHW: Tensor, flow_N2HW: Tensor, agree_N1HW: Tensor, before: Kept, strength: float) -> Tensor:
    """What a network made of a frame, (1, 3, s·h, s·w), with detail of what came out for the frame before. flow, agree:
    as `motion_before` has them, (1, …, h, w). strength: 0 to 1."""
    if before.frame is not None:
        scale = y_NCHW.shape[-1] // flow_N2HW.shape[-1]
        length = flow_N2HW.norm(dim=1, keepdim=True)
        flow_N2HW = flow_N2HW * ((length - STILL) / STILL).clamp(0, 1)
        fetched = warp(before.frame, scale * upsample_bilinear(flow_N2HW, scale), "bicubic")
        agree_N1HW = upsample_bilinear(agree_N1HW, scale)
        # light and colour at large, of what agrees alone: what has moved away would shine into its surroundings
        size = COARSE * scale
        light = _at_large(agree_N1HW * (y_NCHW - fetched), size) / _at_large(agree_N1HW, size).clamp_min(1e-3)
        y_NCHW = torch.lerp(y_NCHW, fetched + light, KEPT * strength * agree_N1HW)
    before.frame = y_NCHW
    return y_NCHW


def _at_large(x_NCHW: Tensor, size: int) -> Tensor:
    """Means over places of that size, smoothly in between."""
    height, width = x_NCHW.shape[-2:]
    means = F.adaptive_avg_pool2d(x_NCHW, (-(-height // size), -(-width // size)))
    return F.interpolate(means, size=(height, width), mode="bilinear", align_corners=False)
