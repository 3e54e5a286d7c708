"""Samplers over a noise schedule: diffusers' own, and two changes to them that videos need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from diffusers.schedulers.scheduling_lcm import LCMScheduler
from torch import Tensor

from vldm_cli.denoise.times import EVEN, Times, timed
from vldm_cli.errors import RequestError

Scheduler: TypeAlias = DDIMScheduler | DPMSolverMultistepScheduler | EulerDiscreteScheduler | LCMScheduler


class TimedDPMSolver(DPMSolverMultistepScheduler):
    """DPM-Solver++ whose steps are taken at given times."""

    times = EVEN

    def set_timesteps(self, num_inference_steps: int, device: str | torch.device | None = None) -> None:
        times = timed(num_inference_steps, self.times, self.config.num_train_timesteps)
        super().set_timesteps(device=device, timesteps=times)


class FrameLCM(LCMScheduler):
    """Latent consistency sampling (Luo et al. 2023, arXiv:2310.04378, algorithm 3) whose new noise of each step belongs
    to the frame. fresh(step): that noise, of the latents' shape; diffusers draws it anew for a whole batch, so that two
    windows would disagree about the frames that they share."""

    fresh: Callable[[int], Tensor] | None = None

    def step(
        self, model_output: Tensor, timestep: Tensor, sample: Tensor, return_dict: bool = False
    ) -> tuple:
        """(the next latents,). Raises ValueError if there is another step and no noise for it."""
        denoised = super().step(model_output, timestep, sample, return_dict=False)[1]
        index = self.step_index
        if index == len(self.timesteps):
            return (denoised,)
        if self.fresh is None:
            raise ValueError("the lcm sampler needs new noise for each step")
        signal2 = self.alphas_cumprod[int(self.timesteps[index])].item()
        noise = self.fresh(index).to(denoised)
        return (signal2**0.5 * denoised + (1 - signal2) ** 0.5 * noise,)


SCHEDULERS: dict[str, Any] = {
    "ddim": DDIMScheduler,
    "dpm++": DPMSolverMultistepScheduler,
    "euler": EulerDiscreteScheduler,
    "lcm": FrameLCM,
}


def make_scheduler(config: dict, name: str = "dpm++", times: Times = EVEN) -> Scheduler:
    """A sampler over the noise schedule of a pack's scheduler config, its steps taken at these times. Raises
    RequestError for an unknown name, and for times other than even of samplers that choose their own."""
    if name not in SCHEDULERS:
        raise RequestError(f"unknown scheduler {name!r}: use one of {', '.join(SCHEDULERS)}")
    if times == EVEN:
        return SCHEDULERS[name].from_config(config)
    if name not in ("ddim", "dpm++"):
        raise RequestError(
            f"the scheduler {name!r} chooses its own times: leave its shift at 1, its last at 0"
        )
    # diffusers' DDIM knows even steps only; it is DPM-Solver++ of the first order (Lu et al. 2022, §4.1)
    scheduler = TimedDPMSolver.from_config(config, solver_order=1 if name == "ddim" else 2)
    scheduler.times = times
    return scheduler


def signal_and_noise(scheduler: Scheduler, step: int) -> tuple[float, float]:
    """α and σ, α² + σ² = 1, of the scaled model input at a step of the scheduler's times: of samplers that count in σ/α
    (Karras et al. 2022) as of those that count in times."""
    if isinstance(scheduler, EulerDiscreteScheduler):
        sigma = float(scheduler.sigmas[step])
        return 1 / (1 + sigma**2) ** 0.5, sigma / (1 + sigma**2) ** 0.5
    signal2 = scheduler.alphas_cumprod[int(scheduler.timesteps[step])].item()
    return signal2**0.5, (1 - signal2) ** 0.5
