"""How a `Context` reaches a model that others have trained: what each kind of them is given of the known frames.

vldm's own temporal layers read c_S by themselves (`context.ContextEncoder`). Others have a network beside the image
model for it (SparseCtrl), take one frame as channels of the input (Stable Video Diffusion), or know nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from diffusers.models.controlnets.controlnet_sparsectrl import SparseControlNetModel
from torch import Tensor, nn

from vldm_cli.align.context import Context


@dataclass(frozen=True)
class Given:
    """What the image model is called with besides noisy latents. extra_BTCHW: further input channels. text_BLD: in
    place of the text. residuals: of its blocks, as its call names them, N = B·T rows. added: (B, …), its
    `added_cond_kwargs`."""

    extra_BTCHW: Tensor | None = None
    text_BLD: Tensor | None = None
    residuals: dict[str, Any] = field(default_factory=dict)
    added: dict[str, Tensor] = field(default_factory=dict)

    def with_residuals(self, residuals: Mapping[str, Any]) -> Given:
        """The same with these residuals, added to those that it has."""
        if not self.residuals:
            return replace(self, residuals=dict(residuals))
        down, mid = (
            [which[name] for which in (self.residuals, residuals)]
            for name in ("down_block_additional_residuals", "mid_block_additional_residual")
        )
        return replace(
            self,
            residuals={
                "down_block_additional_residuals": [a + b for a, b in zip(*down, strict=True)],
                "mid_block_additional_residual": mid[0] + mid[1],
            },
        )


class NoContext(nn.Module):
    """The model was not made for known frames: the sampler puts them in its predictions' place (`sample`)."""

    reads = False

    def forward(
        self, z_BTCHW: Tensor, timestep_B: Tensor, text_BLD: Tensor | None, context: Context | None
    ) -> Given:
        del z_BTCHW, timestep_B, text_BLD, context
        return Given()


class SparseCtrl(nn.Module):
    """SparseCtrl (Guo et al. 2023, arXiv:2311.16933): a network that reads known frames of any pattern for AnimateDiff.

    scale: of its residuals. Of the RGB kind the known frames are the context's latents, c_S = (m_S ∘ z, m_S); another
    kind reads sketches (`Sketches`). Where nothing is known of a video its residuals are 0, which is AnimateDiff alone:
    the unconditional half of context guidance.
    """

    reads = True

    def __init__(self, network: SparseControlNetModel, scale: float = 1.0) -> None:
        super().__init__()
        self.network, self.scale = network.requires_grad_(False), scale

    def forward(
        self, z_BTCHW: Tensor, timestep_B: Tensor, text_BLD: Tensor, context: Context | None
    ) -> Given:
        if context is None:
            return Given()
        return Given(
            residuals=_residuals(self, z_BTCHW, timestep_B, text_BLD, context.z_BTCHW, context.mask_BT)
        )


class Sketches(nn.Module):
    """SparseCtrl of the scribble kind: what frames look like is drawn, in light lines on dark, and not known."""

    def __init__(self, network: SparseControlNetModel, scale: float = 1.0) -> None:
        super().__init__()
        self.network, self.scale = network.requires_grad_(False), scale

    def forward(
        self, z_BTCHW: Tensor, timestep_B: Tensor, text_BLD: Tensor, sketch_BTCHW: Tensor, mask_BT: Tensor
    ) -> dict[str, Any]:
        """sketch_BTCHW: pictures (B, T, 3, H, W) in [0, 1], read where mask_BT is 1 → residuals, as of `Given`."""
        return _residuals(self, z_BTCHW, timestep_B, text_BLD, sketch_BTCHW, mask_BT)


def _residuals(
    reader: SparseCtrl | Sketches,
    z_BTCHW: Tensor,
    timestep_B: Tensor,
    text_BLD: Tensor,
    known_BTCHW: Tensor,
    mask_BT: Tensor,
) -> dict[str, Any]:
    """What a network of SparseCtrl makes of some frames, as the image model's call names it."""
    B, T = z_BTCHW.shape[:2]
    mask_BCTHW = mask_BT[:, None, :, None, None].to(z_BTCHW.dtype)
    known_BCTHW = known_BTCHW.transpose(1, 2).to(z_BTCHW.dtype) * mask_BCTHW
    down, mid = reader.network(
        z_BTCHW.transpose(1, 2),
        timestep_B,
        text_BLD.repeat_interleave(T, 0),
        controlnet_cond=known_BCTHW,
        conditioning_mask=mask_BCTHW.expand(B, 1, T, *known_BCTHW.shape[-2:]),
        conditioning_scale=reader.scale,
        return_dict=False,
    )
    any_N = mask_BT.any(1).repeat_interleave(T)[:, None, None, None].to(mid.dtype)
    return {
        "down_block_additional_residuals": [d * any_N for d in down],
        "mid_block_additional_residual": mid * any_N,
    }


class FirstFrame(nn.Module):
    """Stable Video Diffusion's condition (Blattmann et al. 2023, arXiv:2311.15127, appendix D): the latent of the first
    frame, unscaled, at every frame, and CLIP's embedding of it in the text's place; both 0 where it is not known.

    seen: latents of first frames (B, C, h, w), scaled as the context's → what is concatenated, (B, C, h, w) unscaled,
    and embeddings (B, 1, D); to be set before the first call. It decodes, adds `noise` to the pixels, encodes and
    embeds; what it gave for the latents of the call before is kept, for all steps of a window ask the same. fps, bucket
    (how much moves, 1 to 255), noise: what the model is told.
    """

    reads = True

    def __init__(
        self,
        seen: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None,
        fps: float = 7,
        bucket: float = 127,
        noise: float = 0.02,
    ) -> None:
        super().__init__()
        self.seen = seen
        self.fps, self.bucket, self.noise = fps, bucket, noise
        self.last: tuple[Tensor, tuple[Tensor, Tensor]] | None = None

    def forward(
        self, z_BTCHW: Tensor, timestep_B: Tensor, text_BLD: Tensor | None, context: Context | None
    ) -> Given:
        del timestep_B, text_BLD
        if context is None:
            raise ValueError("this model goes on from a picture: it needs a context with the first frame")
        B, T = z_BTCHW.shape[:2]
        latents_BCHW, embedding_BLD = self._seen(context.z_BTCHW[:, 0])
        known_B = context.mask_BT[:, 0].to(z_BTCHW.dtype)
        first_BTCHW = latents_BCHW.to(z_BTCHW.dtype)[:, None] * known_B[:, None, None, None, None]
        told = torch.tensor([self.fps - 1, self.bucket, self.noise], dtype=z_BTCHW.dtype)
        return Given(
            extra_BTCHW=first_BTCHW.expand(B, T, -1, -1, -1),
            text_BLD=embedding_BLD.to(z_BTCHW.dtype) * known_B[:, None, None],
            added={
                "time_ids": told.to(z_BTCHW.device).expand(B, 3),
                "text_embeds": z_BTCHW.new_zeros(B, 0),  # SDXL's own path, with nothing of text in it
            },
        )

    def show(self, seen: Callable[[Tensor], tuple[Tensor, Tensor]], fps: float) -> None:
        """Goes over to another video, with frames of its own, and its rate."""
        self.fps = fps
        if seen is not self.seen:
            self.seen, self.last = seen, None

    def _seen(self, z_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        if self.last is None or not _same(self.last[0], z_BCHW):
            assert self.seen is not None  # whoever loads the model says how it sees
            self.last = (z_BCHW.clone(), self.seen(z_BCHW))
        return self.last[1]


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.equal(a, b)
