"""Frames between bytes, models and latents, and the measures of how close two of them are."""

import torch
from torch import Tensor
from torch.nn import functional as F

# Frames encoded at a time: enough to keep a large GPU busy, little enough for a small one.
ENCODE_FRAMES = 256


def to_model(frames_u8: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 frames → [−1, 1]."""
    return frames_u8.to(dtype) / 127.5 - 1


def to_bytes(frames: Tensor) -> Tensor:
    """[−1, 1] → uint8, rounded."""
    return ((frames.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


@torch.no_grad()
def encode(vae, frames_u8: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 frames (…, 3, H, W) → latents' means (…, C, h, w) in float16, some frames at a time."""
    flat = frames_u8.flatten(0, -4)
    parts = [vae.encode(to_model(x, dtype)).latent_dist.mean for x in flat.split(ENCODE_FRAMES)]
    latents = (torch.cat(parts) * vae.config.scaling_factor).half()
    return latents.unflatten(0, frames_u8.shape[:-3])


@torch.no_grad()
def decode(vae, latents: Tensor, dtype: torch.dtype) -> Tensor:
    """Latents (…, C, h, w) → frames (…, 3, H, W) in about [−1, 1], one by one, without temporal layers."""
    flat = latents.flatten(0, -4).to(dtype) / vae.config.scaling_factor
    frames = torch.cat([vae.decode(z).sample for z in flat.split(ENCODE_FRAMES)])
    return frames.unflatten(0, latents.shape[:-3])


def charbonnier(a: Tensor, b: Tensor) -> Tensor:
    """A smooth L1: square near zero, absolute beyond 0.01; elementwise, float32."""
    return ((a.float() - b.float()) ** 2 + 1e-4).sqrt() - 1e-2


def gradient_l1(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute error of the pictures' horizontal and vertical differences: keeps edges sharp."""
    d = a.float() - b.float()
    return d.diff(dim=-1).abs().mean() + d.diff(dim=-2).abs().mean()


def edge_weights(x_NCHW: Tensor, more: float) -> Tensor:
    """How much each pixel counts, (N, 1, H, W), 1 on average: flat areas least, pixels beside a full step from black to
    white 1 + `more` times as much. Frames in [−1, 1]."""
    x = x_NCHW.float()
    span = F.max_pool2d(x, 3, 1, 1) + F.max_pool2d(-x, 3, 1, 1)  # largest less smallest of 3×3 pixels
    weights = 1 + more * 0.5 * span.mean(1, keepdim=True)
    return weights / weights.mean()


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of frames in [−1, 1]."""
    return float(10 * torch.log10(4 / ((a.float() - b.float()) ** 2).mean().clamp_min(1e-10)))
