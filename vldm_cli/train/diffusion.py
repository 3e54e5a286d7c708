"""The diffusion objective: noise in, target out, for the schedule in a diffusers scheduler config (METHOD §2)."""

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from vldm_cli.denoise.times import towards_noise
from vldm_cli.errors import RequestError


class Diffusion:
    """Noise schedule of a pack, on the training device. `config` is the scheduler's config; v or noise prediction."""

    def __init__(self, config: dict, device: torch.device):
        scheduler = DDIMScheduler.from_config(config)
        self.kind = scheduler.config.prediction_type
        if self.kind not in ("v_prediction", "epsilon"):
            raise RequestError(
                f"training needs v_prediction or epsilon in the pack's scheduler, not {self.kind}"
            )
        signal = scheduler.alphas_cumprod.double()
        self.signal = signal.sqrt().float().to(device)
        self.noise = (1 - signal).sqrt().float().to(device)
        self.steps = len(signal)

    def times(
        self, n: int, shift: float = 1.0, last: float = 0.0, first: float = 0.0, below: float = 1.0
    ) -> Tensor:
        """n random timesteps, (n,) int64: uniform, or by `shift` moved `towards_noise`. last: the share of them at the
        very last one, which sampling always begins with. first: the share that is drawn evenly from the first `below`
        of them."""
        u = torch.rand(n, device=self.signal.device)
        u = towards_noise(u, shift)
        if last:
            u = torch.where(torch.rand(n, device=u.device) < last, 1.0, u)
        if first:
            u = torch.where(torch.rand(n, device=u.device) < first, u * below, u)
        return (self.steps * u).long().clamp_max(self.steps - 1)

    def add(self, z: Tensor, noise: Tensor, t_B: Tensor) -> Tensor:
        """z_t = α z + σ ε, for z of shape (B, …)."""
        alpha, sigma = self._at(t_B, z.ndim)
        return alpha * z + sigma * noise

    def target(self, z: Tensor, noise: Tensor, t_B: Tensor) -> Tensor:
        """What the model shall predict: v = α ε − σ z (Salimans & Ho 2022, appendix D), or ε."""
        if self.kind == "epsilon":
            return noise
        alpha, sigma = self._at(t_B, z.ndim)
        return alpha * noise - sigma * z

    def clean(self, z_t: Tensor, predicted: Tensor, t_B: Tensor) -> Tensor:
        """The z that a prediction implies (Salimans & Ho 2022, appendix D): α z_t − σ v, or (z_t − σ ε) / α."""
        alpha, sigma = self._at(t_B, z_t.ndim)
        if self.kind == "epsilon":
            return (z_t - sigma * predicted) / alpha
        return alpha * z_t - sigma * predicted

    def _at(self, t_B: Tensor, ndim: int) -> tuple[Tensor, Tensor]:
        shape = (-1, *[1] * (ndim - 1))
        return self.signal[t_B].view(shape), self.noise[t_B].view(shape)
