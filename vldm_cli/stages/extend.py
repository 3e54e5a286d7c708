"""Prediction: a window of frames that goes on from the S frames that are known at its start (METHOD.md §4)."""

import torch
from torch import Tensor

from vldm_cli.stages.denoiser import Denoiser, OnStep
from vldm_cli.stages.windows import Window


def extend(denoiser: Denoiser, window: Window, known_TCHW: Tensor, on_step: OnStep | None = None) -> Tensor:
    """Latents of the whole window (T, C, h, w); its first S = window.new − window.start ones are `known_TCHW`.

    S = 0 is plain generation, 1 starts from an image, 2 carries motion. The known latents are never decoded and
    encoded again (that is where colour drift comes from): they come back exactly. Raises ValueError when
    `known_TCHW` does not hold S frames.
    """
    S = window.new - window.start
    if len(known_TCHW) != S:
        raise ValueError(f"a window with {S} frames of context was given {len(known_TCHW)}")
    if window.length == S:
        return known_TCHW
    z_TCHW = torch.zeros(window.length, *denoiser.shape)
    z_TCHW[:S] = known_TCHW
    mask_T = (torch.arange(window.length) < S).float()
    return denoiser.fill([window.start], z_TCHW[None], mask_T[None], on_step)[0]
