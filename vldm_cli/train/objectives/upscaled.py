"""What the upscaler makes of held-out patches, beside the bicubic enlargement: the picture and the numbers of a run."""

from collections.abc import Mapping

import torch
from PIL.Image import Image
from torch import Tensor

from vldm_cli.align.foreign import ForeignUNet
from vldm_cli.align.pixels import upsample
from vldm_cli.align.space import LABELS, Space, video
from vldm_cli.align.unet import VideoUNet
from vldm_cli.denoise.noise import frame_noise
from vldm_cli.denoise.sampler import sample
from vldm_cli.denoise.schedulers import make_scheduler
from vldm_cli.stages.plan import UPSCALE
from vldm_cli.stages.upscale import SHARED_NOISE
from vldm_cli.train.frames import psnr, to_model
from vldm_cli.train.onestep import DETAIL, unsteady
from vldm_cli.train.perceptual import Perceptual
from vldm_cli.train.sheets import contact_sheet

# name → (steps, noise level)
WAYS = {"1": (1, 0.0), "2": (2, 0.0), "detail": (1, DETAIL)}


@torch.no_grad()
def compared(
    batch: dict[str, Tensor],
    model: VideoUNet | ForeignUNet,
    space: Space,
    scheduler: dict,
    dtype: torch.dtype,
    perceptual: Perceptual | None,
    ways: Mapping[str, tuple[int, float]] = WAYS,
    text_BLD: Tensor | None = None,
) -> tuple[Image, dict[str, float]]:
    """A sheet of the ways of upscaling a batch of patches (high, low: uint8; motion, of clips), and of each of them the
    PSNR, the flicker (of clips) and the LPIPS (if given). scheduler: its config;
    text_BLD: (1, L, D), what one that listens to text hears."""
    low, truth = to_model(batch["low"], torch.float32), to_model(batch["high"], torch.float32)
    B, T = low.shape[:2]
    rows = {"bicubic": upsample(low.flatten(0, 1), UPSCALE).unflatten(0, (B, T))}
    for name, (steps, level) in ways.items():
        rows[name] = _made(low, model, space, scheduler, dtype, steps, level, text_BLD)
    measured = {}
    for name, made in rows.items():
        measured[f"psnr_{name}"] = psnr(made, truth)
        if "motion" in batch:
            measured[f"flicker_{name}"] = float(unsteady(made - truth, batch["motion"]).mean())
        if perceptual is not None:
            distance_N = perceptual.distance(made.flatten(0, 1), truth.flatten(0, 1))
            measured[f"lpips_{name}"] = float(distance_N.mean())
    words = {name: f"ours, steps: {steps}, noise: {level}" for name, (steps, level) in ways.items()}
    shown = [(words.get(name, name), x) for name, x in {**rows, "truth": truth}.items()]
    if T == 1:
        return contact_sheet([(name, x[:, 0]) for name, x in shown]), measured
    return contact_sheet([(name, x[i]) for i in range(min(B, 3)) for name, x in shown]), measured


def augmented(low_BTCHW: Tensor, labels_B: Tensor, noise_BTCHW: Tensor) -> Tensor:
    """Noise augmentation of the low-resolution frames as `stages.upscale` applies it: level l = label / LABELS,
    low ← sqrt(1 − l²) low + l ε."""
    level = (labels_B.to(low_BTCHW.dtype) / LABELS)[:, None, None, None, None]
    return (1 - level**2).sqrt() * low_BTCHW + level * noise_BTCHW


def _made(
    low: Tensor,
    model: VideoUNet | ForeignUNet,
    space: Space,
    scheduler: dict,
    dtype: torch.dtype,
    steps: int,
    level: float,
    text_BLD: Tensor | None = None,
) -> Tensor:
    """Frames as the command would make them, every clip with noise of its own."""
    B, T, _, h, w = low.shape

    def noise(stage: str, channels: int) -> Tensor:
        clips = [frame_noise(b, stage, range(T), (channels, h, w), SHARED_NOISE) for b in range(B)]
        return torch.stack(clips).to(low.device)

    labels = torch.full((B,), space.label(level), device=low.device)
    x = sample(
        model,
        make_scheduler(scheduler, "ddim"),
        noise("sheet-upscale", space.channels),
        steps=steps,
        extra_BTCHW=space.noised(low, noise("sheet-upscale-input", 3), level).to(dtype),
        text_BLD=text_BLD,
        class_labels=labels,
    )
    return video(model, space, x, low).clamp(-1, 1)
