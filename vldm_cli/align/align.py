"""The one operation that every stage rests on."""

from __future__ import annotations

from typing import Any

from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from vldm_cli.align.decoder import VideoDecoder
from vldm_cli.align.unet import VideoUNet


def align(image_model: UNet2DConditionModel | AutoencoderKL, **sizes: Any) -> VideoUNet | VideoDecoder:
    """Puts temporal layers on an unmodified image model and freezes what was there (Video LDM, §3.1).

    A UNet becomes a `VideoUNet`, an autoencoder a `VideoDecoder` (its encoder is left alone, §3.1.1).
    `sizes` are passed on to those. New temporal layers are the identity. Raises TypeError for any other model.
    """
    if isinstance(image_model, UNet2DConditionModel):
        return VideoUNet(image_model, **sizes)
    if isinstance(image_model, AutoencoderKL):
        return VideoDecoder(image_model, **sizes)
    raise TypeError(
        f"align takes a UNet2DConditionModel or an AutoencoderKL, not {type(image_model).__name__}"
    )
