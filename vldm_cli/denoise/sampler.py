"""The one sampling loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

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

Number = TypeVar("Number", float, Tensor)
SCHEDULERS = {"ddim": DDIMScheduler, "dpm++": DPMSolverMultistepScheduler}


class ShiftedDPMSolver(DPMSolverMultistepScheduler):
    """DPM-Solver++ whose steps are taken at `shifted` times."""

    shift = 1.0

    def set_timesteps(self, num_inference_steps: int, device: str | torch.device | None = None) -> None:
        times = shifted(num_inference_steps, self.shift, self.config.num_train_timesteps)
        super().set_timesteps(device=device, timesteps=times)


def shifted(steps: int, shift: float, train_steps: int = 1000) -> list[int]:
    """The times of so many trailing steps (Lin et al. 2023), from train_steps − 1 down, moved `towards_noise`; a shift
    of 1 leaves them at even distances. No two are the same: a step over no time has no end."""
    times = [round(train_steps * towards_noise(1 - i / steps, shift)) - 1 for i in range(steps)]
    # at least as far from either end as there are others before and after it
    return [min(max(t, steps - 1 - i), train_steps - 1 - i) for i, t in enumerate(times)]


def towards_noise(u: Number, shift: float) -> Number:
    """u ← s u / (1 + (s − 1) u), for times u in [0, 1], 1 being noise (Esser et al. 2024, arXiv:2403.03206, eq. 23,
    where s grows with the number of correlated pixels)."""
    return shift * u / (1 + (shift - 1) * u)


def make_scheduler(
    config: dict, name: str = "dpm++", shift: float = 1.0
) -> DDIMScheduler | DPMSolverMultistepScheduler:
    """A sampler over the noise schedule of a pack's scheduler config, its steps taken at `shifted` times. Raises
    RequestError for an unknown name."""
    if name not in SCHEDULERS:
        raise RequestError(f"unknown scheduler {name!r}: use one of {', '.join(SCHEDULERS)}")
    if shift == 1:
        return SCHEDULERS[name].from_config(config)
    # diffusers' DDIM knows even steps only; it is DPM-Solver++ of the first order (Lu et al. 2022, §4.1)
    scheduler = ShiftedDPMSolver.from_config(config, solver_order=1 if name == "ddim" else 2)
    scheduler.shift = shift
    return scheduler


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
