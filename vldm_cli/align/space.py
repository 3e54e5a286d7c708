"""The spaces in which an upscaler works (Video LDM, §3.4): what its UNet denoises, and how that becomes pixels.

In all of them there is one cell for each low-resolution pixel, and what comes out is the residual to the bicubic
enlargement of the low-resolution frame, so that UNet, noise, tiles and windows are alike. Pixel space folds the
residual; latent space codes it by an autoencoder: what is known already need not be coded, so that few channels hold
the detail, and nothing of the input is lost on the way. Stable Diffusion's ×4 upscaler codes whole frames.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.align.pixels import RESIDUAL_GAIN, faithful, to_residual, unlimited, upsample
from vldm_cli.align.temporal import TemporalModel

LABELS = 1000
# Latent cells decoded in one call: each becomes 16 pixels of many channels.
CELLS = {"cpu": 2**15, "mps": 2**16, "cuda": 2**18}


class Space(ABC):
    """channels: of what is denoised, for each low-resolution pixel. scale: high-resolution pixels along one."""

    channels: int
    scale: int

    @abstractmethod
    def coded(self, hr_NCHW: Tensor, lr_NCHW: Tensor) -> Tensor:
        """Frames (N, 3, s·h, s·w) and (N, 3, h, w) in [−1, 1] → what the UNet denoises, (N, channels, h, w)."""

    @abstractmethod
    def residual(self, x_NCHW: Tensor, lr_NCHW: Tensor) -> Tensor:
        """What the UNet has made, (N, channels, h, w), of low-resolution frames (N, 3, h, w) in [−1, 1] → the folded
        residual of `pixels`, (N, 3·s², h, w) float32."""

    def frames(self, x_NCHW: Tensor, lr_NCHW: Tensor) -> Tensor:
        """What the UNet has made → frames (N, 3, s·h, s·w), not limited to [−1, 1]."""
        return unlimited(self.residual(x_NCHW, lr_NCHW), lr_NCHW, self.scale)

    def label(self, level: float) -> int:
        """The noise level of the low-resolution frame, 0 ≤ level < 1, as the upscaler's class label, 0..999."""
        return min(round(level * LABELS), LABELS - 1)

    def noised(self, lr_NCHW: Tensor, noise_NCHW: Tensor, level: float) -> Tensor:
        """The low-resolution frame as the UNet sees it: √(1 − l²) x + l ε (Ho et al. 2022, cascaded diffusion)."""
        return (1 - level**2) ** 0.5 * lr_NCHW + level * noise_NCHW if level else lr_NCHW


def video(model: TemporalModel, space: Space, x_BTCHW: Tensor, low_BTCHW: Tensor) -> Tensor:
    """What an upscaler has made in its space (B, T, channels, h, w) of the video (B, T, 3, h, w), one window → frames
    (B, T, 3, s·h, s·w) float32, not limited to [−1, 1]; after `TemporalModel.steadied`."""
    T = x_BTCHW.shape[1]
    residual_BTCHW = space.residual(x_BTCHW.flatten(0, 1), low_BTCHW.flatten(0, 1)).unflatten(0, (-1, T))
    residual_BTCHW = model.steadied(residual_BTCHW, low_BTCHW, space.scale)
    return unlimited(residual_BTCHW.flatten(0, 1), low_BTCHW.flatten(0, 1), space.scale).unflatten(0, (-1, T))


class PixelSpace(Space):
    """The folded residual itself."""

    def __init__(self, scale: int = 4) -> None:
        self.scale, self.channels = scale, 3 * scale**2

    def coded(self, hr_NCHW: Tensor, lr_NCHW: Tensor) -> Tensor:
        return to_residual(hr_NCHW, lr_NCHW, self.scale)

    def residual(self, x_NCHW: Tensor, lr_NCHW: Tensor) -> Tensor:
        return x_NCHW.float()


class LatentSpace(Space):
    """Latents of the residual. The autoencoder gives one cell for each low-resolution pixel; it has no say in the
    colours of whole areas, where networks drift."""

    def __init__(self, vae: AutoencoderKL) -> None:
        self.vae, self.channels = vae, vae.config.latent_channels
        self.scale = 2 ** (len(vae.config.block_out_channels) - 1)

    def posterior(self, hr_NCHW: Tensor, lr_NCHW: Tensor) -> DiagonalGaussianDistribution:
        """The encoder's distribution of the latents of frames and their low resolution."""
        residual_NCHW = (hr_NCHW - upsample(lr_NCHW, self.scale)) * RESIDUAL_GAIN
        return self.vae.encode(self._as_the_model(residual_NCHW)).latent_dist

    def coded(self, hr_NCHW: Tensor, lr_NCHW: Tensor) -> Tensor:
        return self.posterior(hr_NCHW, lr_NCHW).mode().float() * self.vae.config.scaling_factor

    def residual(self, x_NCHW: Tensor, lr_NCHW: Tensor) -> Tensor:
        return faithful(F.pixel_unshuffle(decoded(self.vae, x_NCHW), self.scale), self.scale)

    def _as_the_model(self, x_NCHW: Tensor) -> Tensor:
        return x_NCHW.to(self.vae.dtype).contiguous(memory_format=torch.channels_last)


class FrameSpace(Space):
    """Latents of whole frames, as of Stable Diffusion's ×4 upscaler: an autoencoder whose cells are low-resolution
    pixels.

    vae: in float32, for it overflows in float16. low_schedule: diffusers' config of the noise that the low-resolution
    frame is seen with, of which the UNet is told the time, up to `most`.
    """

    def __init__(self, vae: AutoencoderKL, low_schedule: Mapping[str, Any], most: int = 350) -> None:
        self.vae, self.channels, self.most = vae, vae.config.latent_channels, most
        self.scale = 2 ** (len(vae.config.block_out_channels) - 1)
        self.alphas = DDPMScheduler.from_config(dict(low_schedule)).alphas_cumprod

    def coded(self, hr_NCHW: Tensor, lr_NCHW: Tensor) -> Tensor:
        x_NCHW = hr_NCHW.to(self.vae.dtype).contiguous(memory_format=torch.channels_last)
        return self.vae.encode(x_NCHW).latent_dist.mode().float() * self.vae.config.scaling_factor

    def residual(self, x_NCHW: Tensor, lr_NCHW: Tensor) -> Tensor:
        return to_residual(decoded(self.vae, x_NCHW), lr_NCHW.float(), self.scale)

    def label(self, level: float) -> int:
        """The time at which the share of noise is nearest to the level: .052 is 20, of 999, its own usual one."""
        noise = (1 - self.alphas[: self.most + 1]).sqrt()
        return int((noise - level).abs().argmin())

    def noised(self, lr_NCHW: Tensor, noise_NCHW: Tensor, level: float) -> Tensor:
        signal2 = float(self.alphas[self.label(level)])
        return signal2**0.5 * lr_NCHW + (1 - signal2) ** 0.5 * noise_NCHW


def decoded(vae: AutoencoderKL, x_NCHW: Tensor) -> Tensor:
    """What latents (N, C, h, w) decode to, float32, some of them at a time."""
    latents_NCHW = (x_NCHW / vae.config.scaling_factor).to(vae.dtype)
    latents_NCHW = latents_NCHW.contiguous(memory_format=torch.channels_last)
    some = max(1, CELLS[x_NCHW.device.type] // (x_NCHW.shape[-2] * x_NCHW.shape[-1]))
    return torch.cat([vae.decode(z).sample.float() for z in latents_NCHW.split(some)])
