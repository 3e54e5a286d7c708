"""The one sampling loop."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from vldm_cli.align.context import Context
from vldm_cli.align.place import place_of
from vldm_cli.denoise.finite import check_finite
from vldm_cli.denoise.guidance import Guidance, guided
from vldm_cli.denoise.schedulers import FrameLCM, Scheduler, signal_and_noise

Callback = Callable[[int, int, Tensor], None]
"""callback(step, steps, x0_BTCHW): after each step, with the present guess of the clean latents."""


def sample(
    model: Any,
    scheduler: Scheduler,
    noise_BTCHW: Tensor,
    *,
    steps: int,
    text_BLD: Tensor | None = None,
    negative_BLD: Tensor | None = None,
    context: Context | None = None,
    guidance: Guidance | None = None,
    callback: Callback | None = None,
    fresh: Callable[[int], Tensor] | None = None,
    together: bool = True,
    **conditions,
) -> Tensor:
    """Noise (B, T, C, H, W) → clean latents, float32, on the model's device.

    model: a `VideoUNet`, or one that is called as it is (`align.foreign`). text_BLD and negative_BLD have B rows or 1.
    fresh: new noise for each step, of samplers that add some. together: as for `guided`. `conditions` go to the model
    (`frame_step`, `extra_BTCHW`, `class_labels`). Known frames of the context come back exactly as they went in. A
    model that reads no context gets them by replacement: at each step what is predicted of them is what they are (Song
    et al. 2021, arXiv:2011.13456, §5), which is best effort: the frames beside them are not made for them.
    Raises RunError where what comes out are no numbers (`check_finite`).
    """
    guidance = guidance or Guidance()
    weight = place_of(model)
    if text_BLD is not None:
        text_BLD = text_BLD.expand(len(noise_BTCHW), -1, -1)
    # Times stay on the CPU, where the scheduler looks them up: on a GPU that would wait for all that is queued there.
    scheduler.set_timesteps(steps, device="cpu")
    if isinstance(scheduler, FrameLCM):
        scheduler.fresh = fresh
    # The sampler's own arithmetic stays in float32: only the network runs in the model's dtype.
    noise_BTCHW = noise_BTCHW.to(weight.device, torch.float32)
    z = noise_BTCHW * scheduler.init_noise_sigma
    known = context is not None and not context.empty
    replaced, seen = None, context
    if context is not None and known and not model.reads_context:
        replaced, seen = context, None
        signal, noise = signal_and_noise(scheduler, 0)
        start = signal * context.z_BTCHW.to(z) + noise * noise_BTCHW
        # some samplers count in another scale than their model
        start = start / scheduler.scale_model_input(torch.ones(()), scheduler.timesteps[0]).item()
        z = torch.where(context.mask_BT[:, :, None, None, None] > 0, start, z)
    state = getattr(model, "state", None)
    with nullcontext() if state is None else state.turn:
        for i, t in enumerate(scheduler.timesteps):
            z_in = scheduler.scale_model_input(z, t)
            now = torch.full_like(
                t, t.item(), device=weight.device
            )  # written there: a copy would wait as well
            signal, noise = signal_and_noise(scheduler, i)
            here = guidance.at(noise, i / steps)
            if state is not None:
                state.step, state.steps = i, steps
            prediction = guided(
                model,
                z_in.to(weight.dtype),
                now,
                text_BLD,
                negative_BLD,
                seen,
                here,
                known and seen is not None,
                together,
                **conditions,
            )
            if replaced is not None:
                exact = _implied(scheduler, z_in, replaced.z_BTCHW.to(z_in), signal, noise)
                prediction = torch.where(replaced.mask_BT[:, :, None, None, None] > 0, exact, prediction)
            if callback is not None:
                callback(i + 1, steps, predicted_x0(scheduler, z_in, prediction, signal, noise))
            z = scheduler.step(prediction, t, z, return_dict=False)[0]
    check_finite(z, weight.dtype)
    return z if context is None else context.put_back(z)


def predicted_x0(
    scheduler: Scheduler, z_BTCHW: Tensor, prediction_BTCHW: Tensor, signal: float, noise: float
) -> Tensor:
    """The clean latents that a prediction at z = α x + σ ε implies (Salimans & Ho 2022, appendix D)."""
    kind = scheduler.config.prediction_type
    if kind == "v_prediction":
        return signal * z_BTCHW - noise * prediction_BTCHW
    if kind == "epsilon":
        return (z_BTCHW - noise * prediction_BTCHW) / signal
    return prediction_BTCHW


def _implied(scheduler: Scheduler, z_BTCHW: Tensor, x_BTCHW: Tensor, signal: float, noise: float) -> Tensor:
    """The other way round: what a model that knew the clean latents x would predict at z = α x + σ ε."""
    epsilon = (z_BTCHW - signal * x_BTCHW) / noise
    kind = scheduler.config.prediction_type
    if kind == "v_prediction":
        return signal * epsilon - noise * x_BTCHW
    return epsilon if kind == "epsilon" else x_BTCHW
