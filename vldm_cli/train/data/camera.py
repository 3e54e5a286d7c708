"""Photographs as video: a camera moves smoothly over the picture, and what is near moves more than what is far."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

# Source pixels a target pixel while the frames are sampled: a little more than one, so that what is sampled between
# pixels is not softer than what is sampled on them.
STEP = 1.25
# Shares of clips: the camera stands still; keeps the picture level at first; sees near and far.
STILL, LEVEL, DEEP = 0.15, 0.5, 0.5
# Typical speeds, in target pixels (or degrees, or shares) a frame; the fastest pan; and a hand's shaking in pixels.
PAN, TURN, ZOOM, FASTEST, SHAKE = 3.0, 0.25, 0.004, 24.0, 0.5
LEANS = 4.0
# How far apart, in parts of the picture, near and far may be.
NEAR_CELLS = 5


def moved(photo_CHW: Tensor, rng: np.random.Generator, frames: int, size: int) -> Tensor:
    """Frames (T, 3, size, size), in the photo's units, float32, of a photo at least `size` pixels high and wide.

    The scale is random too: from the photo's own down to the whole of it. One frame is a plain cut, as sharp as it is.
    """
    short = min(photo_CHW.shape[-2:])
    smallest = min(1.0, 1.25 * size / short)
    scale = math.exp(rng.uniform(math.log(smallest), 0.0))
    flipped = rng.random() < 0.5
    x = photo_CHW[None].float()
    x = x.flip(-1) if flipped else x
    if frames == 1:
        x = _scaled(x, max(scale, size / short))
        y, left = (int(rng.integers(side - size + 1)) for side in x.shape[-2:])
        return x[..., y : y + size, left : left + size].contiguous()
    x = _scaled(x, min(1.0, scale * STEP))
    # what is left to do of the scaling, the photo having no more pixels than it has
    step = x.shape[-1] / (photo_CHW.shape[-1] * scale)
    grid = _grid(rng, frames, size, step, (x.shape[-2], x.shape[-1])).to(x.device)
    return F.grid_sample(
        x.expand(frames, -1, -1, -1), grid, mode="bicubic", padding_mode="reflection", align_corners=False
    ).clamp(0, 255)


def _scaled(x_NCHW: Tensor, scale: float) -> Tensor:
    size = [max(1, round(side * scale)) for side in x_NCHW.shape[-2:]]
    if size == list(x_NCHW.shape[-2:]):
        return x_NCHW
    return F.interpolate(x_NCHW, size=size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 255)


def _grid(rng: np.random.Generator, frames: int, size: int, step: float, shape: tuple[int, int]) -> Tensor:
    """Where each pixel of each frame looks, (T, size, size, 2) as `grid_sample` counts; shape: (height, width)."""
    time = np.arange(frames) - (frames - 1) / 2
    pan, depth = np.zeros((frames, 2)), 0.0
    angle: np.ndarray = np.zeros(frames)
    growth: np.ndarray = np.zeros(frames)
    if rng.random() >= STILL:
        way = rng.uniform(0, 2 * math.pi)
        speed = min(rng.exponential(PAN), FASTEST) * np.array([math.cos(way), math.sin(way)])
        bend = rng.normal(0, 0.05 * PAN, 2)
        shake = np.cumsum(rng.normal(0, SHAKE * rng.random(), (frames, 2)), 0)
        pan = time[:, None] * speed + 0.5 * time[:, None] ** 2 * bend + shake - shake.mean(0)
        angle = time * rng.normal(0, TURN)
        growth = time * rng.normal(0, ZOOM)
        depth = rng.uniform(0, 0.8) if rng.random() < DEEP else 0.0
    if rng.random() >= LEVEL:
        angle = angle + rng.normal(0, LEANS)
    # the middle stays far enough from the border for the window and its way; beyond the border the picture is mirrored
    height, width = shape
    centre = []
    for side, path in ((width, pan[:, 0]), (height, pan[:, 1])):
        reach = min(side / 2, step * (size / 2 + np.abs(path).max()))
        centre.append(rng.uniform(reach, side - reach))
    near = torch.from_numpy(rng.random((1, 1, NEAR_CELLS, NEAR_CELLS)).astype(np.float32))
    near_HW = F.interpolate(near, size=(size, size), mode="bicubic", align_corners=True)[0, 0]
    at = torch.arange(size) - (size - 1) / 2
    y_HW, x_HW = torch.meshgrid(at, at, indexing="ij")
    share_HW = 1 - depth * near_HW
    turn = torch.from_numpy(np.radians(angle)).float()[:, None, None]
    zoom = torch.from_numpy(np.exp(growth)).float()[:, None, None]
    pan_T2 = torch.from_numpy(pan).float()
    x_THW = zoom * (turn.cos() * x_HW - turn.sin() * y_HW) + pan_T2[:, 0, None, None] * share_HW
    y_THW = zoom * (turn.sin() * x_HW + turn.cos() * y_HW) + pan_T2[:, 1, None, None] * share_HW
    x_THW, y_THW = centre[0] + step * x_THW, centre[1] + step * y_THW
    return torch.stack([2 * x_THW / width - 1, 2 * y_THW / height - 1], -1)
