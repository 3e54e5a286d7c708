"""What a video codec does to frames, imitated on any device: coarse colours, and block transforms quantised in time.

Not a codec: there is no motion search and nothing is written. Frames follow each other as in H.264 (ITU-T H.264, §8):
the first stands alone; later ones are the last decoded frame plus a coded difference, block by block, or stand alone
where that costs less; coarser quantisation the higher the quality number; edges between blocks are smoothed.
"""

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 8
# ITU-R BT.601, as JPEG has it: from red, green, blue to luma and two colour differences.
YUV = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
# How much of a step a value must have to be kept: encoders round towards nought, most in differences.
ALONE, DIFFERENCE = 1 / 3, 1 / 6
# Steps of frames that follow another one, and of every other of these, against the first frame's (x264's defaults).
FOLLOWING, BETWEEN = 1.4, 1.3


def to_bytes(x: Tensor) -> Tensor:
    """0 … 255, rounded."""
    return x.round().clamp(0, 255).to(torch.uint8)


def to_yuv(x_BTCHW: Tensor) -> tuple[Tensor, Tensor]:
    """RGB (B, T, 3, H, W), 0 … 255 → luma (B, T, 1, H, W) and colour (B, T, 2, H/2, W/2) about 0; H and W even."""
    yuv = torch.einsum("ij,btjhw->btihw", _matrix(x_BTCHW), x_BTCHW)
    colour = F.avg_pool2d(yuv[:, :, 1:].flatten(0, 1), 2).unflatten(0, yuv.shape[:2])
    return yuv[:, :, :1], colour


def from_yuv(y_BTCHW: Tensor, colour_BTCHW: Tensor) -> Tensor:
    """The inverse, colours filled in between."""
    fine = F.interpolate(colour_BTCHW.flatten(0, 1), scale_factor=2, mode="bilinear", align_corners=False)
    yuv = torch.cat([y_BTCHW, fine.unflatten(0, y_BTCHW.shape[:2])], 2)
    return torch.einsum("ij,btjhw->btihw", torch.linalg.inv(_matrix(yuv)), yuv)


def coded(x_BTCHW: Tensor, quality_B: Tensor) -> Tensor:
    """RGB frames, 0 … 255, after the codec; quality: about x264's constant rate factor, 0 … 51, one a clip."""
    if not len(x_BTCHW):
        return x_BTCHW
    y, colour = to_yuv(x_BTCHW)
    # H.264's quantiser step doubles every six numbers; the first frame's is finer than what the number says
    step_B = 0.625 * 2 ** (quality_B.float() / 6) / FOLLOWING
    return from_yuv(_sequence(y - 128, step_B) + 128, _sequence(colour, step_B))


def _sequence(x_BTCHW: Tensor, step_B: Tensor) -> Tensor:
    H, W = x_BTCHW.shape[-2:]
    down, right = -H % SIDE, -W % SIDE
    x_TBCHW = F.pad(x_BTCHW.flatten(0, 1), (0, right, 0, down), mode="replicate").unflatten(
        0, x_BTCHW.shape[:2]
    ).transpose(0, 1)  # fmt: skip
    step = step_B.view(-1, 1, 1, 1, 1, 1)
    done: list = []
    for i, x in enumerate(x_TBCHW):
        alone = _transformed(x, step, ALONE)
        if done:
            following = step * FOLLOWING * (BETWEEN if i % 2 else 1.0)
            alone = _transformed(x, following, ALONE)
            change = x - done[-1]
            follows = done[-1] + _transformed(change, following, DIFFERENCE)
            # what a block costs is about what it adds up to: its change, or its own departures from its mean
            cheaper = _of_blocks(change).abs().mean((3, 5), keepdim=True) < _own(x).abs().mean(
                (3, 5), keepdim=True
            )
            alone = _whole(torch.where(cheaper, _of_blocks(follows), _of_blocks(alone)))
        done.append(_smoothed(alone, step[..., 0, 0]))
    return torch.stack(done, 1)[..., :H, :W]


def _transformed(x_BCHW: Tensor, step: Tensor, dead: float) -> Tensor:
    """Through the cosine transform of each block and back, its values rounded to whole steps."""
    D = _cosines().to(x_BCHW)
    c = torch.einsum("ij,bchjwk,lk->bchiwl", D, _of_blocks(x_BCHW), D)
    c = c.sign() * (c.abs() / step + dead).floor() * step
    return _whole(torch.einsum("ij,bchiwl,lk->bchjwk", D, c, D))


def _smoothed(x: Tensor, step: Tensor) -> Tensor:
    """Small jumps from block to block, which the quantiser may have made, are halved; large ones are edges."""
    for axis in (-1, -2):
        x = x.transpose(axis, -1)
        before, after = x[..., SIDE - 1 : -1 : SIDE], x[..., SIDE::SIDE]
        jump = after - before
        jump = torch.where(jump.abs() < step, jump, 0) / 4
        x = x.clone()
        x[..., SIDE - 1 : -1 : SIDE] = before + jump
        x[..., SIDE::SIDE] = after - jump
        x = x.transpose(axis, -1)
    return x


def _of_blocks(x_BCHW: Tensor) -> Tensor:
    """(B, C, H/8, 8, W/8, 8)"""
    return x_BCHW.unflatten(-1, (-1, SIDE)).unflatten(-3, (-1, SIDE))


def _whole(x: Tensor) -> Tensor:
    return x.flatten(-2).flatten(-3, -2)


def _own(x_BCHW: Tensor) -> Tensor:
    parts = _of_blocks(x_BCHW)
    return parts - parts.mean((3, 5), keepdim=True)


@cache
def _cosines() -> Tensor:
    """The orthonormal cosine transform of eight values."""
    at = torch.arange(SIDE)
    D = torch.cos(math.pi * (2 * at + 1) * at[:, None] / (2 * SIDE)) * math.sqrt(2 / SIDE)
    D[0] /= math.sqrt(2)
    return D


def _matrix(like: Tensor) -> Tensor:
    return torch.tensor(YUV, dtype=like.dtype, device=like.device)
