"""What the upscaler's single step is trained for: its output itself, not only the noise in it.

From pure noise (zero terminal SNR, Lin et al. 2024) a model of v-prediction gives its guess of the clean residual in
one step. Trained on that guess with a loss on pictures and a discriminator it becomes a one-step model, as in
adversarial diffusion distillation (ADD, Sauer et al. 2023, arXiv:2311.17042); here the truth is known, so it takes the
place of ADD's teacher, as in SRGAN and ESRGAN (Ledig et al. 2017, Wang et al. 2018). The losses:

- pixels: Charbonnier (Lai et al. 2017), always;
- flicker, on clips: how the error changes along the motion of the truth, always (TecoGAN's and the scorer's idea), and
  the squares of the error, which PSNR measures: temporal layers are there to make the image model's frames steadier and
  more exact; with less of the two they came out .2 dB under it;
- LPIPS (Zhang et al. 2018) where it is given, and the discriminator of the temporal decoder (METHOD §3): only as much
  as the clip's noise level allows detail to be invented, and later in the run than the others.

So `--noise 0` is the most exact frame and `--noise` at `DETAIL` the most convincing one, with every shade between.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.motion.flow import flow, visible, warp
from vldm_cli.train.discriminator import Discriminator, adversarial_losses
from vldm_cli.train.frames import charbonnier
from vldm_cli.train.perceptual import Perceptual

# Noise level of the low-resolution frames from which on detail counts fully. So little noise (about one and a half of
# 255) hides next to nothing of them; it is the sign of what is wanted.
DETAIL = 0.012
# How much steadiness counts in clips of the rendered world, and in others. With the smaller weight the temporal layers
# made rendered frames hardly steadier than the image model alone; with the larger one on footage, where neither the
# motion nor what it brings can be told as surely, they blurred it (LPIPS of a dev clip .185 in place of .125).
STEADY_RENDERED, STEADY_OTHERS = 30.0, 3.0
SQUARED_WEIGHT, PERCEPTUAL_WEIGHT = 10.0, 0.15
# (A small model trained without LPIPS and with a weight of 0.01 lost 1.4 dB, for less likeness.)
ADVERSARIAL_WEIGHT = 0.003
# Frame pairs whose flow is found at a time, and the scale at which.
PAIRS, FLOW_SCALE = 512, 2


def rise(progress: float, start: float, full: float) -> float:
    """0 before `start`, 1 from `full` on."""
    return min(1.0, max(0.0, (progress - start) / (full - start)))


def detail(level_B: Tensor) -> Tensor:
    """How much detail may be invented at these noise levels, 0 … 1, (B,)."""
    return (level_B / DETAIL).clamp(0, 1)


def one_step_losses(
    truth_BTCHW: Tensor,
    made_BTCHW: Tensor,
    level_B: Tensor,
    motion: Tensor | None,
    rendered_B: Tensor,
    perceptual: Perceptual | None,
    discriminator: Discriminator | None,
    looks: Tensor,
    adversarial: Tensor,
    steady_rendered: float = STEADY_RENDERED,
    squared: float = SQUARED_WEIGHT,
) -> dict[str, Tensor]:
    """The loss under "loss", and its parts. Frames in [−1, 1]; level: noise level of each clip's low resolution;
    motion: `motion_of` the truth, None for single frames; rendered: which clips are of the rendered world; looks,
    adversarial: how much of LPIPS and of the discriminator's word counts by now, 0 … 1, as numbers on the device;
    discriminator: None before it learns; steady_rendered, squared: how much steadiness counts in rendered clips, and
    squares of the error in all."""
    pixels = charbonnier(truth_BTCHW, made_BTCHW).mean()
    loss, out = pixels, {"l1": pixels.detach()}
    if motion is not None:
        error_BTCHW = made_BTCHW.float() - truth_BTCHW.float()
        steady_B = unsteady(error_BTCHW, motion)
        weight_B = torch.where(rendered_B, steady_rendered, STEADY_OTHERS)
        loss, out["flicker"] = loss + (weight_B * steady_B).mean(), steady_B.detach().mean()
        loss = loss + squared * error_BTCHW.square().mean()
    detail_B = detail(level_B)
    if perceptual is not None:
        distance_N = perceptual.distance(truth_BTCHW.flatten(0, 1), made_BTCHW.flatten(0, 1))
        distance_B = distance_N.unflatten(0, truth_BTCHW.shape[:2]).mean(1)
        loss = loss + PERCEPTUAL_WEIGHT * looks * (detail_B * distance_B).mean()
        out["lpips"] = distance_B.detach().mean()
    if discriminator is not None:
        dtype = next(discriminator.parameters()).dtype
        mine, hinge = adversarial_losses(
            discriminator, truth_BTCHW.to(dtype), made_BTCHW.to(dtype), weight_B=detail_B
        )
        loss = loss + ADVERSARIAL_WEIGHT * adversarial * mine + hinge
        out["hinge"] = hinge.detach()
    return {"loss": loss, **out}


@torch.no_grad()
def motion_of(video_BTCHW: Tensor) -> Tensor:
    """Where each pixel of frames 1 … T − 1 was in the frame before, of uint8 clips: float16 (B, T − 1, 3, H/2, W/2),
    in pixels of H × W to the right and down, and 1 where it can be seen there, 0 where it cannot."""
    x = (
        F.avg_pool2d(video_BTCHW.flatten(0, 1).float(), FLOW_SCALE).unflatten(0, video_BTCHW.shape[:2])
        / 127.5
        - 1
    )
    before, after = x[:, :-1].flatten(0, 1), x[:, 1:].flatten(0, 1)
    found = []
    for a, b in zip(before.split(PAIRS), after.split(PAIRS), strict=True):
        back, forth = flow(b, a), flow(a, b)
        found.append(torch.cat([back * FLOW_SCALE, visible(back, forth)], 1))
    # halved last: under autocast on a CPU, torch joins no float16
    return torch.cat(found).half().unflatten(0, (len(x), -1))


def unsteady(error_BTCHW: Tensor, motion_BTCHW: Tensor) -> Tensor:
    """How much the error changes from frame to frame along the motion, where that is known: each clip's mean,
    (B,), like `charbonnier`. An error that goes along with what it is on is none here."""
    error_N, before_N = error_BTCHW[:, 1:].flatten(0, 1), error_BTCHW[:, :-1].flatten(0, 1)
    motion_N = F.interpolate(motion_BTCHW.flatten(0, 1).float(), scale_factor=FLOW_SCALE, mode="bilinear")
    seen = motion_N[:, 2:]
    change = charbonnier(error_N, warp(before_N, motion_N[:, :2]))
    clips = (len(error_BTCHW), -1)
    changed_B = (seen * change).unflatten(0, clips).mean((1, 2, 3, 4))
    return changed_B / seen.unflatten(0, clips).mean((1, 2, 3, 4)).clamp_min(1e-3)
