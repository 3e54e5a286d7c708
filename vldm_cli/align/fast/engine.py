"""Puts the engine under a model."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

from vldm_cli.align.fast import blocks, families, layers
from vldm_cli.align.fast.graphs import Recorded
from vldm_cli.align.layers import State
from vldm_cli.align.temporal import TemporalModel

Model = TypeVar("Model", bound=TemporalModel)


def hasten(model: Model, record: bool = True) -> Model:
    """The same video model, for inference from now on: weights that change later are not followed. record: denoiser
    calls as CUDA graphs, where the model lies on a CUDA device, and averages along the motion."""
    found: Any = model
    image = found.vae if hasattr(model, "vae") else found.unet
    blocks.hasten(image, model.state)
    layers.hasten(model)
    families.hasten(model)
    if record and hasattr(model, "unet") and next(model.parameters()).is_cuda:
        image.forward = Recorded(image.forward, model.state)
        model.average = Recorded(model.average)
    return model


def hasten_autoencoder(vae: AutoencoderKL) -> None:
    """An autoencoder of single frames."""
    blocks.hasten(vae, State())


def pays(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the engine was measured to be the faster on such a CUDA device: in 16 bits, with the matrix units of
    Ampere and later."""
    return dtype in (torch.float16, torch.bfloat16) and torch.cuda.get_device_capability(device) >= (8, 0)
