"""What a model that animates a picture is shown of it (Stable Video Diffusion, arXiv:2311.15127, appendix D): its
latent, with a little noise in its pixels, and what CLIP makes of it."""

from collections.abc import Callable

import torch
from torch import Tensor
from transformers import CLIPVisionModelWithProjection

from vldm_cli.align.decoder import TemporalDecoder
from vldm_cli.denoise.noise import frame_noise

SIDE = 224  # of the pictures that CLIP sees
# CLIP's own means and standard deviations of red, green and blue in [0, 1] (Radford et al. 2021)
MEAN, SPREAD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
STAGE = "first-frame"


class FirstFrames:
    """`readers.FirstFrame.seen` of one video. decoder and eyes are asked for when a frame is seen; noise: the standard
    deviation of what is added to pixels in [−1, 1], the seed's own, and the same for every window's first frame.

    picture: (3, H, W) in [−1, 1], which `latent` (C, h, w) is of: what is known better than by decoding it.
    """

    def __init__(
        self,
        decoder: Callable[[], TemporalDecoder],
        eyes: Callable[[], CLIPVisionModelWithProjection],
        seed: int,
        noise: float,
    ) -> None:
        self.decoder, self.eyes, self.seed, self.noise = decoder, eyes, seed, noise
        self.picture: Tensor | None = None
        self.latent: Tensor | None = None

    def __call__(self, z_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Latents (B, C, h, w), scaled → unscaled ones of the noisy frames (B, C, h, w), embeddings (B, 1, D)."""
        seen = [self._one(z_CHW) for z_CHW in z_BCHW]
        return torch.stack([latent for latent, _ in seen]), torch.stack([embedding for _, embedding in seen])

    def _one(self, z_CHW: Tensor) -> tuple[Tensor, Tensor]:
        decoder = self.decoder()
        weight = next(decoder.parameters())
        if self.latent is not None and self.picture is not None and torch.equal(z_CHW.cpu(), self.latent):
            x_CHW = self.picture.to(weight.device)
        else:
            x_CHW = decoder.decode(z_CHW[None, None].to(weight))[0, 0].float().clamp(-1, 1)
        noise_CHW = frame_noise(self.seed, STAGE, [0], tuple(x_CHW.shape))[0].to(x_CHW.device)
        noisy_CHW = x_CHW + self.noise * noise_CHW
        latent_CHW = decoder.encode(noisy_CHW[None, None].to(weight.dtype))[0, 0]
        return latent_CHW / decoder.vae.config.scaling_factor, self._embedded(x_CHW)

    def _embedded(self, x_CHW: Tensor) -> Tensor:
        # here, because it takes a second and is for these models alone
        from diffusers.pipelines.stable_video_diffusion.pipeline_stable_video_diffusion import (
            _resize_with_antialiasing as resize_with_antialiasing,
        )

        eyes = self.eyes()
        small_NCHW = (resize_with_antialiasing(x_CHW[None], (SIDE, SIDE)) + 1) / 2
        mean, spread = (torch.tensor(c, device=x_CHW.device)[:, None, None] for c in (MEAN, SPREAD))
        weight = next(eyes.parameters())
        return eyes(((small_NCHW - mean) / spread).to(weight)).image_embeds
