"""Loading the parts of a pack: each function returns one model for inference, on a device, in a dtype.

The image models are plain diffusers models; the video models are the same with temporal layers of the pack
put under them (`align`). Imports of this module are heavy (torch, diffusers).

Each raises RequestError where the pack's files do not fit (`prepare`), RunError where one has changed since that was
found out, and MemoryError.
"""

from collections.abc import Callable
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPVisionModelWithProjection

from vldm_cli.align.decoder import TemporalDecoder
from vldm_cli.align.foreign import ForeignUNet
from vldm_cli.align.space import FrameSpace, LatentSpace, PixelSpace, Space
from vldm_cli.align.unet import VideoUNet
from vldm_cli.packs.build import Prepared
from vldm_cli.packs.models import prepare_image, prepare_text
from vldm_cli.packs.pack import UPSCALERS, Pack
from vldm_cli.packs.prepare import SPATIAL, prepare, prepare_video
from vldm_cli.packs.schedules import lender, low_schedule, schedule
from vldm_cli.packs.text import TextEncoder, TwoTextEncoders
from vldm_cli.packs.words import Words


def load_unet(pack: Pack, device="cpu", dtype=torch.float32) -> UNet2DConditionModel:
    """The image LDM's denoiser."""
    return loaded(prepare_image(pack, "unet"), device, dtype)


def load_vae(pack: Pack, device="cpu", dtype=torch.float32) -> AutoencoderKL:
    """The autoencoder of single frames."""
    return loaded(prepare_image(pack, "vae"), device, dtype)


def load_text(pack: Pack, device="cpu", dtype=torch.float32) -> TextEncoder:
    """Tokenizer and text encoder; both pairs of them where there are two."""
    return text_encoder(pack, lambda part: loaded(prepare_text(pack, part), device, dtype))


def text_encoder(pack: Pack, load: Callable[[str], Any], words: Words | None = None) -> TextEncoder:
    """The same with models as `load` gives them, by their parts (`parts.TEXTS`); words: the first tokenizer, if it is
    there already."""
    first = TextEncoder(words or Words.of(pack), load("text"))
    if not pack.has("text_2"):
        return first
    return TwoTextEncoders(first, TextEncoder(Words.of(pack, "text_2"), load("text_2")))


def load_keyframes(pack: Pack, device="cpu", dtype=torch.float32) -> VideoUNet | ForeignUNet:
    """The video model that makes and continues keyframes (METHOD §2, §4)."""
    return loaded(prepare_video(pack, "keyframes"), device, dtype)


def load_interpolation(pack: Pack, device="cpu", dtype=torch.float32) -> VideoUNet | ForeignUNet:
    """The video model that fills in frames between known ones (METHOD §5); another copy of the keyframes' where these
    are one (`prepare.weights_of`)."""
    return loaded(prepare_video(pack, "interpolation"), device, dtype)


def load_decoder(pack: Pack, device="cpu", dtype=torch.float32) -> TemporalDecoder:
    """The temporal decoder, its `vae` with encoder included (METHOD §3)."""
    return loaded(prepare_video(pack, "decoder"), device, dtype)


def load_upscaler(
    pack: Pack, space: str = "pixel", device="cpu", dtype=torch.float32, own: bool = False
) -> VideoUNet | ForeignUNet:
    """The video upscaler's denoiser in one of the spaces (METHOD §6). own: for frames that the pack itself makes,
    if it has layers for these (`pack.OWN`)."""
    return loaded(prepare(pack, f"upscaler_{space}_temporal", own), device, dtype)


def load_upscaler_vae(pack: Pack, space: str = "latent", device="cpu", dtype=torch.float32) -> AutoencoderKL:
    """The autoencoder of residuals of an upscaler whose space has one."""
    part = f"upscaler_{space}_vae"
    return loaded(prepare_image(lender(pack, part), part), device, dtype)


def load_upscaler_text(pack: Pack, space: str = "frame", device="cpu", dtype=torch.float32) -> TextEncoder:
    """Tokenizer and text encoder of an upscaler that listens to text."""
    part = f"upscaler_{space}_text"
    pack = lender(pack, part)
    return TextEncoder(Words.of(pack, part), loaded(prepare_text(pack, part), device, dtype))


def load_space(pack: Pack, space: str = "pixel", device="cpu", dtype=torch.float32) -> Space:
    """What the upscaler of that space denoises, and how it becomes pixels."""
    if space == "frame":
        return FrameSpace(load_upscaler_vae(pack, space, device, dtype), low_schedule(pack))
    if f"upscaler_{space}_vae" in UPSCALERS[space]:
        return LatentSpace(load_upscaler_vae(pack, space, device, dtype))
    return PixelSpace()


def load_bare(pack: Pack, part: str) -> UNet2DConditionModel | AutoencoderKL:
    """The image model (float32, on the CPU) that the temporal layers of `part` lie under, without them."""
    return prepare_image(pack, SPATIAL[part]).load()


def scheduler_config(pack: Pack) -> dict:
    """The image LDM's noise schedule, as diffusers' schedulers take it."""
    return schedule(pack, "unet")


def upscaler_scheduler_config(pack: Pack, space: str = "pixel") -> dict:
    """The upscaler's noise schedule."""
    return schedule(pack, f"upscaler_{space}")


def loaded(prepared: Prepared, device="cpu", dtype=torch.float32):
    """The model with its weights, for inference."""
    model = prepared.load(device, dtype).eval().requires_grad_(False)
    if isinstance(model, CLIPTextModel | CLIPTextModelWithProjection | CLIPVisionModelWithProjection):
        return model
    for weight in model.parameters():
        # channels_last is the faster layout here (on a CPU in bf16 by far); the video models feed their inputs in it.
        # Layers of others are 5-dimensional, which it is not for.
        if weight.ndim == 4:
            weight.data = weight.data.to(memory_format=torch.channels_last)
    return model
