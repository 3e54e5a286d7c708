"""Low-resolution frames as the world leaves them: blurred, scaled, noisy, subsampled in colour and compressed.

The recipe is that of blind super-resolution (BSRGAN, Zhang et al. 2021; Real-ESRGAN, Wang et al. 2021), for clips
instead of pictures: what a lens or a scaler does is the same in all frames of a clip, noise is new in each, and a
codec's errors hang together in time. Half of the clips are plain: scaled down by a bicubic filter and coded as H.264.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.train import blocks
from vldm_cli.train.data import codec

PLAIN = 0.5
# Shares of the other half.
BLURRED, NOISY, COARSE_COLOUR, COMPRESSED = 0.7, 0.6, 0.8, 0.85
BLUR_SIDE = 15
# H.264's constant rate factor in the plain half, with shares: nearly without loss, plainly compressed, and between.
QUALITIES = {12: 0.3, 18: 0.1, 23: 0.15, 26: 0.1, 28: 0.2, 31: 0.1, 34: 0.05}
WILD_QUALITIES = (14.0, 36.0)
# Clips worked on at a time.
CHUNK = 32


def _cubic(a: float):
    def weight(x: np.ndarray) -> np.ndarray:
        near = (a + 2) * x**3 - (a + 3) * x**2 + 1
        return np.where(x <= 1, near, np.where(x < 2, a * (x**3 - 5 * x**2 + 8 * x - 4), 0))

    return weight


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0)


# name → (weight at a distance, distance beyond which it is nought, whether it widens with the scale, as a filter must
# that is to keep fine patterns from turning into coarse ones; not every scaler does). The first is ffmpeg's bicubic.
FILTERS = {
    "ffmpeg": (_cubic(-0.6), 2, True),
    "bicubic": (_cubic(-0.5), 2, True),
    "bilinear": (lambda x: np.maximum(0, 1 - x), 1, True),
    "area": (lambda x: (x <= 0.5).astype(float), 1, True),
    "lanczos": (_lanczos, 3, True),
    "hasty": (_cubic(-0.75), 2, False),
}


class Degrade:
    """Frames at high resolution → frames at low resolution. real_codec: the plain half goes through ffmpeg's x264,
    many clips at once; False: through the imitation of `blocks`, on the frames' own device."""

    def __init__(self, real_codec: bool = True):
        self.real_codec = real_codec

    def __call__(self, high_BTCHW: Tensor, scale: int, rng: np.random.Generator) -> Tensor:
        """uint8 (B, T, 3, s·h, s·w) → uint8 (B, T, 3, h, w); everything drawn from `rng`. Every other clip is plain."""
        plain = np.arange(len(high_BTCHW)) % 2 < 2 * PLAIN
        low = [
            self._lens(x, scale, rng, wild)
            for x, wild in zip(
                high_BTCHW.split(CHUNK), np.split(~plain, range(CHUNK, len(plain), CHUNK)), strict=True
            )
        ]
        low_BTCHW = torch.cat(low)
        rows = torch.from_numpy(np.flatnonzero(plain)).to(low_BTCHW.device)
        low_BTCHW[rows] = self._plainly_coded(low_BTCHW[rows], rng)
        return low_BTCHW

    def _plainly_coded(self, low_BTCHW: Tensor, rng: np.random.Generator) -> Tensor:
        drawn = rng.choice(list(QUALITIES), len(low_BTCHW), p=list(QUALITIES.values()))
        if self.real_codec:
            return codec.h264(low_BTCHW, drawn)
        parts = zip(low_BTCHW.split(CHUNK), torch.from_numpy(drawn).split(CHUNK), strict=True)
        return torch.cat([blocks.to_bytes(blocks.coded(x.float(), q.to(x.device))) for x, q in parts])

    def _lens(self, high_BTCHW: Tensor, scale: int, rng: np.random.Generator, wild_B: np.ndarray) -> Tensor:
        """Up to the codec for plain clips, all of it for wild ones."""
        B, _, _, H, W = high_BTCHW.shape
        x = high_BTCHW.float()

        def some(share: float) -> Tensor:
            return torch.from_numpy(np.flatnonzero(wild_B & (rng.random(B) < share))).to(x.device)

        rows = some(BLURRED)
        x[rows] = blurred(x[rows], rng)
        wild = list(FILTERS)[1:]
        names = [wild[rng.integers(len(wild))] if w else "ffmpeg" for w in wild_B]
        down, across = (
            torch.from_numpy(np.stack([resizing(name, side // scale, scale) for name in names])).to(x)
            for side in (H, W)
        )
        x = down[:, None, None] @ x @ across.transpose(1, 2)[:, None, None]
        rows = some(NOISY)
        x[rows] = noisy(x[rows], rng)
        rows = some(COARSE_COLOUR)
        x[rows] = blocks.from_yuv(*blocks.to_yuv(x[rows]))
        rows = some(COMPRESSED)
        quality = torch.from_numpy(rng.uniform(*WILD_QUALITIES, len(rows))).to(x)
        x[rows] = blocks.coded(x[rows], quality)
        return blocks.to_bytes(x)


def blurred(x_BTCHW: Tensor, rng: np.random.Generator) -> Tensor:
    """Each clip by a kernel of its own: a round or long Gaussian, or a box."""
    B, T, C, H, W = x_BTCHW.shape
    if not B:
        return x_BTCHW
    at = np.arange(BLUR_SIDE) - BLUR_SIDE // 2
    y, x = np.meshgrid(at, at, indexing="ij")
    kernels = []
    for _ in range(B):
        kind, way = rng.random(), rng.uniform(0, math.pi)
        one = rng.uniform(0.3, 2.6)
        other = one if kind < 0.5 else rng.uniform(0.3, 2.6)
        u, v = x * math.cos(way) + y * math.sin(way), y * math.cos(way) - x * math.sin(way)
        if kind < 0.85:
            kernel = np.exp(-0.5 * ((u / one) ** 2 + (v / other) ** 2))
        else:
            radius = rng.uniform(0.5, 2.5)
            # as much of each pixel as the box covers
            kernel = np.clip(radius + 0.5 - abs(x), 0, 1) * np.clip(radius + 0.5 - abs(y), 0, 1)
        kernels.append(kernel / kernel.sum())
    weight = torch.from_numpy(np.stack(kernels)).to(x_BTCHW).repeat_interleave(C, 0)[:, None]
    x_TNHW = x_BTCHW.transpose(0, 1).reshape(T, B * C, H, W)
    padded = F.pad(x_TNHW, (BLUR_SIDE // 2,) * 4, mode="replicate")
    return F.conv2d(padded, weight, groups=B * C).view(T, B, C, H, W).transpose(0, 1)


def resizing(name: str, length: int, scale: int) -> np.ndarray:
    """The matrix (length, scale · length) that scales a row down by a filter of `FILTERS`; its rows add up to 1."""
    weight, support, widens = FILTERS[name]
    wide = scale if widens else 1
    centre = (np.arange(length)[:, None] + 0.5) * scale - 0.5
    distance = np.abs(np.arange(scale * length) - centre) / wide
    matrix = np.where(distance < support, weight(distance), 0)
    return matrix / matrix.sum(1, keepdims=True)


def noisy(x_BTCHW: Tensor, rng: np.random.Generator) -> Tensor:
    """Noise of the read-out (as strong everywhere) and of light (stronger where it is bright), grey or coloured."""
    B, T, C, H, W = x_BTCHW.shape
    generator = torch.Generator(x_BTCHW.device).manual_seed(int(rng.integers(2**62)))

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=x_BTCHW.device)

    def each(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(x_BTCHW).view(B, 1, 1, 1, 1)

    grain = torch.where(each(rng.random(B)) < 0.5, draw(B, T, 1, H, W), draw(B, T, C, H, W))
    even = each(np.minimum(rng.exponential(3.0, B), 15.0))
    light = each(np.minimum(rng.exponential(3.0, B), 15.0))
    return x_BTCHW + grain * (even**2 + light**2 * x_BTCHW.clamp(0, 255) / 255).sqrt()
