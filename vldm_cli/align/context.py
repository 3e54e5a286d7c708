"""Context c_S = (m_S ∘ z, m_S): which frames are known (Video LDM, §3.2), and how temporal layers see it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vldm_cli.align.layers import sinusoids


@dataclass(frozen=True)
class Context:
    """Known frames of a window and the mask over time that marks them; any pattern is allowed.

    z_BTCHW: latents, read only where the mask is 1. mask_BT: 0 or 1. noise_level_B: in [0, 1), how much
    noise augmentation the known latents carry (0 = none).
    """

    z_BTCHW: Tensor
    mask_BT: Tensor
    noise_level_B: Tensor

    @classmethod
    def none(cls, B: int, T: int, C: int, H: int, W: int, device=None, dtype=torch.float32) -> Context:
        """S = 0: nothing is known."""
        z = torch.zeros(B, T, C, H, W, device=device, dtype=dtype)
        return cls.at(z, torch.zeros(B, T, device=device))

    @classmethod
    def leading(cls, z_BTCHW: Tensor, S_B: Tensor | int) -> Context:
        """The first S frames of each video are known; S is one number or one per video."""
        B, T = z_BTCHW.shape[:2]
        S_B = torch.as_tensor(S_B, device=z_BTCHW.device).expand(B)
        return cls.at(z_BTCHW, (torch.arange(T, device=z_BTCHW.device) < S_B[:, None]).float())

    @classmethod
    def at(cls, z_BTCHW: Tensor, mask_BT: Tensor, noise_level_B: Tensor | None = None) -> Context:
        """Known where the mask is 1."""
        if noise_level_B is None:
            noise_level_B = torch.zeros(len(z_BTCHW), device=z_BTCHW.device)
        return cls(z_BTCHW, mask_BT.to(z_BTCHW.device).float(), noise_level_B)

    @property
    def empty(self) -> bool:
        """True if no frame is known."""
        return not bool(self.mask_BT.any())

    def dropped(self) -> Context:
        """The same with nothing known: the unconditional half of context guidance."""
        return replace(
            self, mask_BT=torch.zeros_like(self.mask_BT), noise_level_B=torch.zeros_like(self.noise_level_B)
        )

    def noised(self, noise_BTCHW: Tensor, level_B: Tensor) -> Context:
        """Noise augmentation (Ho et al. 2022, cascaded diffusion): z ← sqrt(1 − l²) z + l ε, level l in [0, 1)."""
        level = level_B.to(self.z_BTCHW)[:, None, None, None, None]
        z = (1 - level**2).sqrt() * self.z_BTCHW + level * noise_BTCHW
        return replace(self, z_BTCHW=z, noise_level_B=level_B)

    def put_back(self, z_BTCHW: Tensor) -> Tensor:
        """`z` with the known frames in their places."""
        return torch.where(self.mask_BT[:, :, None, None, None] > 0, self.z_BTCHW.to(z_BTCHW), z_BTCHW)

    @staticmethod
    def cat(contexts: list[Context]) -> Context:
        """Several batches as one."""
        return Context(
            torch.cat([c.z_BTCHW for c in contexts]),
            torch.cat([c.mask_BT for c in contexts]),
            torch.cat([c.noise_level_B for c in contexts]),
        )


class ContextEncoder(nn.Module):
    """Brings c_S to each resolution by learned downsampling; the temporal layers' own 2D convolutions do the rest.

    Input channels: the masked latents, the mask, and the mask times the noise level.
    """

    def __init__(self, channels: int, dim: int, levels: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels + 2, dim, 3, padding=1)
        self.downs = nn.ModuleList(nn.Conv2d(dim, dim, 3, stride=2, padding=1) for _ in range(levels - 1))

    def forward(self, context: Context) -> dict[tuple[int, int], Tensor]:
        """Features (N, dim, h, w) by (h, w), from the latents' resolution downwards."""
        B, T, _, H, W = context.z_BTCHW.shape
        weight = self.stem.weight
        mask = context.mask_BT[:, :, None, None, None].to(weight.dtype)
        level = mask * context.noise_level_B[:, None, None, None, None].to(weight.dtype)
        c = torch.cat(
            [
                mask * context.z_BTCHW.to(weight.dtype),
                mask.expand(B, T, 1, H, W),
                level.expand(B, T, 1, H, W),
            ],
            2,
        )
        f = self.stem(c.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        features = {tuple(f.shape[-2:]): f}
        for down in self.downs:
            f = down(F.silu(f))
            features[tuple(f.shape[-2:])] = f
        return features


class StepEmbedding(nn.Module):
    """One vector for the temporal layers from diffusion time and frame step (Video LDM, §3.3: frame-rate condition)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.mlp = nn.Sequential(nn.Linear(2 * dim, dim), nn.SiLU(), nn.Linear(dim, dim), nn.SiLU())

    def forward(self, timestep_B: Tensor, frame_step_B: Tensor) -> Tensor:
        """timestep_B in [0, 1000), frame_step_B in frames at the pack's rate (> 0) → (B, dim)."""
        # Frame steps 1, 4, 16 are even distances apart in their logarithm; 100 spreads them over the sinusoids.
        rate = torch.log2(frame_step_B.float()) * (100 / math.log2(16))
        e = torch.cat([sinusoids(timestep_B, self.dim), sinusoids(rate, self.dim)], -1)
        return self.mlp(e.to(next(self.mlp.parameters()).dtype))
