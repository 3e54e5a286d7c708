"""Pixel space as the ×4 upscaler's UNet sees it (Video LDM, §3.4): the residual to a bicubic guess, folded.

The UNet works at the low resolution: each s×s block of high-resolution pixels becomes 3·s² channels (pixel
unshuffle), so most arithmetic happens where there are few positions. What is diffused is the residual to the
bicubic enlargement of the low-resolution frame, so colours and large shapes come from the input exactly.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

RESIDUAL_GAIN = 6.0
"""Residuals have a standard deviation of about 1/6 at edges and far less elsewhere; diffusion wants about 1."""
FAITHFUL = 12
"""In low-resolution pixels: over areas of this size the colours are the input's own."""


def upsample(lr_NCHW: Tensor, scale: int) -> Tensor:
    """Bicubic enlargement, (N, C, h, w) → (N, C, s·h, s·w)."""
    return F.interpolate(lr_NCHW, scale_factor=scale, mode="bicubic", align_corners=False)


def upsample_bilinear(lr_NCHW: Tensor, scale: int) -> Tensor:
    """Bilinear enlargement, which never overshoots: for what is no picture, as motion and where frames agree."""
    if scale == 1:
        return lr_NCHW
    return F.interpolate(lr_NCHW, scale_factor=scale, mode="bilinear", align_corners=False)


def to_residual(hr_NCHW: Tensor, lr_NCHW: Tensor, scale: int) -> Tensor:
    """High-resolution frame → what the UNet denoises, (N, 3·s², h, w)."""
    return F.pixel_unshuffle((hr_NCHW - upsample(lr_NCHW, scale)) * RESIDUAL_GAIN, scale)


def unlimited(r_NCHW: Tensor, lr_NCHW: Tensor, scale: int) -> Tensor:
    """The inverse of `to_residual`, (N, 3, s·h, s·w)."""
    return upsample(lr_NCHW, scale) + F.pixel_shuffle(r_NCHW, scale) / RESIDUAL_GAIN


def from_residual(r_NCHW: Tensor, lr_NCHW: Tensor, scale: int) -> Tensor:
    """The same, limited to [−1, 1]."""
    return unlimited(r_NCHW, lr_NCHW, scale).clamp(-1, 1)


def faithful(r_NCHW: Tensor, scale: int) -> Tensor:
    """The residual without what it adds to the colour of whole areas: those are known from the input."""
    fold = scale**2
    shift_NCHW = level(r_NCHW.unflatten(1, (3, fold)).mean(2), FAITHFUL)
    return r_NCHW - shift_NCHW.repeat_interleave(fold, 1)


def level(x_NCHW: Tensor, radius: int) -> Tensor:
    """Means over squares of 2·radius + 1 pixels, mirrored at the borders as far as these reach."""
    height, width = x_NCHW.shape[-2:]
    tall, wide = min(radius, height - 1), min(radius, width - 1)
    padded = F.pad(x_NCHW, (wide, wide, tall, tall), mode="reflect") if tall or wide else x_NCHW
    # One axis after the other: the cost does not grow with the square of the radius.
    across = F.avg_pool2d(padded, (1, 2 * wide + 1), stride=1)
    return F.avg_pool2d(across, (2 * tall + 1, 1), stride=1)
