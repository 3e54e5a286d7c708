"""The one sampling loop."""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from torch import Tensor

from vldm_cli.align.context import Context
from vldm_cli.align.unet import VideoUNet
from vldm_cli.denoise.guidance import Guidance, guided
from vldm_cli.errors import RequestError

Callback = Callable[[int, int, Tensor], None]
"""callback(step, steps, x0_BTCHW): after each step, with the present guess of the clean latents."""

SCHEDULERS = {"ddim": DDIMScheduler, "dpm++": DPMSolverMultistepScheduler}


def make_scheduler(config: dict, name: str = "dpm++") -> DDIMScheduler | DPMSolverMultistepScheduler:
    """A sampler over the noise schedule of a pack's scheduler config. Raises RequestError for an unknown name."""
    if name not in SCHEDULERS:
        raise RequestError(f"unknown scheduler {name!r}: use one of {', '.join(SCHEDULERS)}")
    return SCHEDULERS[name].from_config(config)


def sample(
    model: VideoUNet,
    scheduler: DDIMScheduler | DPMSolverMultistepScheduler,
    noise_BTCHW: Tensor,
    *,
    steps: int,
    text_BLD: Tensor | None = None,
    negative_BLD: Tensor | None = None,
    context: Context | None = None,
    guidance: Guidance | None = None,
    callback: Callback | None = None,
    **conditions,
) -> Tensor:
    """Noise (B, T, C, H, W) → clean latents, float32, on the model's device.

    text_BLD and negative_BLD have B rows or 1. `conditions` go to the model (`frame_step`, `extra_BTCHW`,
    `class_labels`). Known frames of the context come back exactly as they went in.
    """
    guidance = guidance or Guidance()
    weight = next(model.parameters())
    if text_BLD is not None:
        text_BLD = text_BLD.expand(len(noise_BTCHW), -1, -1)
    # The sampler's own arithmetic stays in float32: only the network runs in the model's dtype.
    z = noise_BTCHW.to(weight.device, torch.float32) * scheduler.init_noise_sigma
    # Times stay on the CPU, where the scheduler looks them up: on a GPU that would wait for all that is queued there.
    scheduler.set_timesteps(steps, device="cpu")
    known = context is not None and not context.empty
    for i, t in enumerate(scheduler.timesteps):
        z_in = scheduler.scale_model_input(z, t).to(weight.dtype)
        now = torch.full_like(t, t.item(), device=weight.device)  # written there: a copy would wait as well
        noise = (1 - scheduler.alphas_cumprod[int(t)].item()) ** 0.5
        here = guidance.at(noise)
        prediction = guided(model, z_in, now, text_BLD, negative_BLD, context, here, known, **conditions)
        if callback is not None:
            callback(i + 1, steps, predicted_x0(scheduler, z, prediction, t))
        z = scheduler.step(prediction, t, z, return_dict=False)[0]
    return z if context is None else context.put_back(z)


def predicted_x0(scheduler, z_BTCHW: Tensor, prediction_BTCHW: Tensor, t: Tensor) -> Tensor:
    """The clean latents that a prediction at time t implies (Salimans & Ho 2022, appendix D)."""
    signal = scheduler.alphas_cumprod[t.long().cpu()].to(z_BTCHW).sqrt()
    noise = (1 - signal**2).sqrt()
    kind = scheduler.config.prediction_type
    if kind == "v_prediction":
        return signal * z_BTCHW - noise * prediction_BTCHW
    if kind == "epsilon":
        return (z_BTCHW - noise * prediction_BTCHW) / signal
    return prediction_BTCHW
