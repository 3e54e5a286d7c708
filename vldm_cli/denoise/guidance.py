"""Text guidance and context guidance in one batched denoiser call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from vldm_cli.align.context import Context
from vldm_cli.align.foreign import ForeignUNet
from vldm_cli.align.unet import VideoUNet


@dataclass(frozen=True)
class Guidance:
    """Weights of guidance; 1 is none.

    text: classifier-free guidance (Ho & Salimans 2022). context: the s of Video LDM, §3.2, one, or of the first and the
    last frame, between which it changes evenly (Stable Video Diffusion, appendix D). rescale: φ of
    Lin et al. 2023 (Common Diffusion Noise Schedules, §3.4), 0 for none; keeps strong guidance from overexposing.
    from_noise: the share of noise in the latents, σ of σ² + α² = 1, from which on there is guidance at all; 0 for all
    of them. Later guidance costs a pass or two a step and shows less (Kynkäänniemi et al. 2024, "Applying Guidance in
    a Limited Interval"). until: likewise the share of steps that are guided, the first ones.
    """

    text: float = 1.0
    context: float | tuple[float, float] = 1.0
    rescale: float = 0.0
    from_noise: float = 0.0
    until: float = 1.0

    def at(self, noise: float, done: float = 0.0) -> Guidance:
        """What holds where the latents have that share of noise, and so large a share of the steps is done."""
        if noise >= self.from_noise and done < self.until:
            return self
        return replace(self, text=1.0, context=1.0)


UNGUIDED = Guidance()


def guided(
    model: VideoUNet | ForeignUNet,
    z_BTCHW: Tensor,
    timestep: Tensor,
    text_BLD: Tensor | None,
    negative_BLD: Tensor | None,
    context: Context | None,
    guidance: Guidance,
    known: bool | None = None,
    together: bool = True,
    **conditions,
) -> Tensor:
    """The guided prediction, (B, T, C, H, W). With text c, context c_S, text weight w and context weight s:

        ε' = ε(c, c_S) + (w − 1) (ε(c, c_S) − ε(∅, c_S)) + (s − 1) (ε(c, c_S) − ε(c, ∅))

    For w = 1 this is Video LDM's context guidance, for s = 1 classifier-free guidance. It is linear, so it
    holds for v-prediction as well. Only passes of nonzero weight are computed, all in one call of the model.
    known: whether any frame may be; None: the mask is asked, for which a GPU is waited for. together: in one call;
    otherwise one after the other, which takes less memory.
    Raises ValueError if text guidance is asked for without `negative_BLD`.
    """
    if known is None:
        known = context is not None and not context.empty
    w = guidance.text if text_BLD is not None else 1.0
    s = _per_frame(guidance.context, z_BTCHW) if known else 1.0
    if w != 1 and negative_BLD is None:
        raise ValueError("text guidance needs the hidden states of the negative prompt")
    passes = [(w + s - 1, text_BLD, context)]
    if w != 1:
        passes.append((1 - w, negative_BLD, context))
    if isinstance(s, Tensor) or s != 1:
        assert context is not None  # or nothing would be known
        passes.append((1 - s, text_BLD, context.dropped()))
    which = [one for _, *one in passes]
    parts = [
        part
        for some in ([which] if together else [[one] for one in which])
        for part in _predicted(model, z_BTCHW, timestep, some, conditions)
    ]
    # sum() may answer 0, but there is one pass at least
    combined = cast(Tensor, sum(weight * part for (weight, *_), part in zip(passes, parts, strict=True)))
    if guidance.rescale and len(parts) > 1:
        combined = _rescale(combined, parts[0], guidance.rescale)
    return combined


def _predicted(
    model: VideoUNet | ForeignUNet, z_BTCHW: Tensor, timestep: Tensor, passes: list, conditions: dict
) -> list[Tensor]:
    """The float32 predictions of passes (text, context), made in one batch."""
    n, (text_BLD, context) = len(passes), passes[0]
    conditions = {k: v.repeat(n, *[1] * (v.ndim - 1)) if _is_batch(v) else v for k, v in conditions.items()}
    prediction = model(
        z_BTCHW.repeat(n, 1, 1, 1, 1),
        timestep.repeat(n) if timestep.ndim and len(timestep) == len(z_BTCHW) else timestep,
        None if text_BLD is None else torch.cat([text.expand(len(z_BTCHW), -1, -1) for text, _ in passes]),
        context=None if context is None else Context.cat([c for _, c in passes]),
        **conditions,
    )
    return list(prediction.float().chunk(n))


def _per_frame(weight: float | tuple[float, float], z_BTCHW: Tensor) -> float | Tensor:
    """A weight for all frames, or (T, 1, 1, 1) from the first frame's to the last's."""
    if not isinstance(weight, tuple):
        return weight
    steps_T = torch.linspace(*weight, z_BTCHW.shape[1], device=z_BTCHW.device)
    return steps_T[:, None, None, None]


def _is_batch(value) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0


def _rescale(guided_BTCHW: Tensor, plain_BTCHW: Tensor, phi: float) -> Tensor:
    """Lin et al. 2023, equations 15 and 16; the standard deviations are taken per video."""
    dims = (1, 2, 3, 4)
    factor = plain_BTCHW.std(dims, keepdim=True) / guided_BTCHW.std(dims, keepdim=True)
    return guided_BTCHW * (phi * factor + 1 - phi)
