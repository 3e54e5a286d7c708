"""How far predicted latents are from the true ones as frames show it: by the decoder, not by the latents themselves.

The squared error of latents counts every direction of them alike, and most of it lies where nobody sees it; an outline
hangs on small differences of a few. So some predictions are decoded, and so are the true latents, and their frames are
compared: a weight on the latents' errors by the decoder's own slope there.
"""

import torch
from torch import Tensor

from vldm_cli.train.diffusion import Diffusion

# Frames of a step that are decoded, a decoder costs several times what a denoiser's call does, and of how many examples
# one is at the most.
FEW, OF = 32, 4
# Their times, of a thousand: at more noise they are a blur.
BELOW = 0.6
# At less noise than this the error is not made any larger by it.
LEAST_NOISE = 0.1


class Shown:
    """Frozen autoencoder, and the schedule that says what clean latents a prediction implies. outlines: how much more
    pixels of cells count that an outline runs through."""

    def __init__(self, vae, diffusion: Diffusion, dtype: torch.dtype, outlines: float = 0.0) -> None:
        self.vae, self.diffusion, self.dtype, self.outlines = vae, diffusion, dtype, outlines

    def error(
        self,
        noisy_NCHW: Tensor,
        prediction_NCHW: Tensor,
        target_NCHW: Tensor,
        t_N: Tensor,
        mark_NHW: Tensor | None = None,
    ) -> Tensor:
        """Mean squared difference of N frames that prediction and target imply, over the variance of the noise, as the
        v-loss is that of clean latents over it (z − ẑ = σ (v̂ − v), Salimans & Ho 2022, appendix D). mark_NHW: cells on
        outlines."""
        with torch.no_grad():
            truth = self._frames(self.diffusion.clean(noisy_NCHW.float(), target_NCHW.float(), t_N))
        guess = self._frames(self.diffusion.clean(noisy_NCHW.float(), prediction_NCHW.float(), t_N))
        sigma_N11 = self.diffusion.noise[t_N].clamp_min(LEAST_NOISE)[:, None, None]
        square = (guess - truth).square().mean(1) / sigma_N11.square()
        if mark_NHW is None or not self.outlines:
            return square.mean()
        cell = square.shape[-1] // mark_NHW.shape[-1]
        weight = 1 + self.outlines * mark_NHW.float().repeat_interleave(cell, 1).repeat_interleave(cell, 2)
        return (square * weight).mean() / weight.mean()

    @staticmethod
    def few(n: int) -> int:
        """How many of a batch of n: its first ones."""
        return min(FEW, max(1, n // OF))

    def times(self, t_B: Tensor) -> Tensor:
        """The times (B,) of a batch, with those of its few drawn where something is to be seen."""
        few = self.few(len(t_B))
        return torch.cat([self.diffusion.times(few, first=1.0, below=BELOW), t_B[few:]])

    def beside(self, loss: Tensor, error: Tensor, share: float) -> Tensor:
        """The loss and the error beside it, as large as `share` of it."""
        scale = (loss / error.clamp_min(1e-8)).detach()
        return loss + share * scale * error

    def _frames(self, z_BCHW: Tensor) -> Tensor:
        return self.vae.decode(z_BCHW.to(self.dtype) / self.vae.config.scaling_factor).sample.float()
