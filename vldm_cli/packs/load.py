"""Loading the parts of a pack: each function returns one model for inference, on a device, in a dtype.

The image models are plain diffusers models; the video models are the same with temporal layers of the pack
put under them (`align`). Imports of this module are heavy (torch, diffusers).
"""

import json
from contextlib import contextmanager

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel

from vldm_cli.align.decoder import VideoDecoder
from vldm_cli.align.space import LatentSpace, PixelSpace, Space
from vldm_cli.align.temporal import CLOSING, read_temporal
from vldm_cli.align.unet import VideoUNet
from vldm_cli.errors import RequestError
from vldm_cli.packs.pack import OWN, PARTS, UPSCALERS, Pack
from vldm_cli.packs.words import Words

# The image model under each part of temporal layers.
SPATIAL = {
    "keyframes": "unet",
    "interpolation": "unet",
    "decoder": "vae",
    "upscaler_pixel_temporal": "upscaler_pixel",
    "upscaler_latent_temporal": "upscaler_latent",
}


class TextEncoder:
    """Prompts to hidden states: what the UNet's cross attention reads, and beside it the words themselves."""

    def __init__(self, words: Words, model: CLIPTextModel):
        self.words, self.model = words, model
        self.max_words = words.max_words

    @torch.no_grad()
    def encode(self, prompts: list[str]) -> torch.Tensor:
        """(B, L, 2D) on the encoder's device and in its dtype. The first D channels are the last hidden states, as
        stock diffusers computes them; the others are what goes into the first layer, normalised: an encoder that
        learned with pictures forgets on its way which of two words was said if both look alike in a picture."""
        ids = torch.tensor([self.words.ids(prompt) for prompt in prompts], device=self.model.device)
        states = self.model(ids, output_hidden_states=True)
        words_BLD = states.hidden_states[0]
        return torch.cat([states.last_hidden_state, F.layer_norm(words_BLD, words_BLD.shape[-1:])], -1)

    def unknown_words(self, prompt: str) -> list[str]:
        """The words of the prompt that the pack has never seen, with what each is taken for."""
        return self.words.strange(prompt)


def load_unet(pack: Pack, device="cpu", dtype=torch.float32) -> UNet2DConditionModel:
    """The image LDM's denoiser."""
    return _ready(_image_model(pack, "unet", UNet2DConditionModel), device, dtype)


def load_vae(pack: Pack, device="cpu", dtype=torch.float32) -> AutoencoderKL:
    """The autoencoder of single frames."""
    return _ready(_image_model(pack, "vae", AutoencoderKL), device, dtype)


def load_text(pack: Pack, device="cpu", dtype=torch.float32) -> TextEncoder:
    """Tokenizer and text encoder."""
    with _blame(pack, "text"):
        model = CLIPTextModel(
            CLIPTextConfig.from_pretrained(pack.path("text_encoder"), local_files_only=True)
        )
        model.load_state_dict(
            load_file(pack.path(PARTS["text"]))
        )  # transformers' own way draws a progress bar
    return TextEncoder(Words(pack.path("tokenizer")), model.eval().requires_grad_(False).to(device, dtype))


def load_keyframes(pack: Pack, device="cpu", dtype=torch.float32) -> VideoUNet:
    """The video model that makes and continues keyframes (METHOD §2, §4)."""
    return _video_unet(pack, "unet", "keyframes", device, dtype)


def load_interpolation(pack: Pack, device="cpu", dtype=torch.float32) -> VideoUNet:
    """The video model that fills in frames between known ones (METHOD §5)."""
    return _video_unet(pack, "unet", "interpolation", device, dtype)


def load_decoder(pack: Pack, device="cpu", dtype=torch.float32) -> VideoDecoder:
    """The temporal decoder, its `vae` with encoder included (METHOD §3)."""
    vae = _image_model(pack, "vae", AutoencoderKL)
    with _blame(pack, "decoder"):
        decoder = VideoDecoder.from_file(vae, pack.path(PARTS["decoder"]))
    return _ready(decoder, device, dtype)


def load_upscaler(
    pack: Pack, space: str = "pixel", device="cpu", dtype=torch.float32, own: bool = False
) -> VideoUNet:
    """The video upscaler's denoiser in pixel or latent space (METHOD §6). own: for frames that the pack itself makes,
    if it has layers for these (`pack.OWN`)."""
    temporal = f"upscaler_{space}_temporal"
    model = _video_unet(pack, f"upscaler_{space}", temporal, device, dtype)
    if own and temporal in OWN and pack.has(OWN[temporal]):
        with _blame(pack, OWN[temporal]):
            tensors, sizes = read_temporal(pack.path(PARTS[OWN[temporal]]))
            model.load_temporal_state_dict(tensors, CLOSING)
            # a layer without weights: each set says for itself whether it goes with it
            model.sizes["compensated"] = sizes["compensated"]
    return model


def load_upscaler_vae(pack: Pack, space: str = "latent", device="cpu", dtype=torch.float32) -> AutoencoderKL:
    """The autoencoder of residuals of an upscaler whose space has one."""
    return _ready(_image_model(pack, f"upscaler_{space}_vae", AutoencoderKL), device, dtype)


def load_space(pack: Pack, space: str = "pixel", device="cpu", dtype=torch.float32) -> Space:
    """What the upscaler of that space denoises, and how it becomes pixels."""
    if f"upscaler_{space}_vae" in UPSCALERS[space]:
        return LatentSpace(load_upscaler_vae(pack, space, device, dtype))
    return PixelSpace()


def load_bare(pack: Pack, part: str):
    """The image model (float32, on the CPU) that the temporal layers of `part` lie under, without them."""
    kind = AutoencoderKL if SPATIAL[part] == "vae" else UNet2DConditionModel
    return _image_model(pack, SPATIAL[part], kind)


def scheduler_config(pack: Pack) -> dict:
    """The image LDM's noise schedule, as diffusers' schedulers take it."""
    return json.loads(pack.path("scheduler", "scheduler_config.json").read_text())


def upscaler_scheduler_config(pack: Pack, space: str = "pixel") -> dict:
    """The upscaler's noise schedule."""
    return json.loads(pack.path(f"upscaler_{space}", "scheduler", "scheduler_config.json").read_text())


def _image_model(pack: Pack, part: str, kind):
    with _blame(pack, part):
        folder = pack.path(PARTS[part]).parent
        return kind.from_pretrained(folder, use_safetensors=True, dtype=torch.float32, local_files_only=True)


def _video_unet(pack: Pack, spatial: str, temporal: str, device, dtype) -> VideoUNet:
    unet = _image_model(pack, spatial, UNet2DConditionModel)
    with _blame(pack, temporal):
        model = VideoUNet.from_file(unet, pack.path(PARTS[temporal]))
    return _ready(model, device, dtype)


def _ready(model, device, dtype):
    # channels_last is the faster layout here (on a CPU in bf16 by far); the video models feed their inputs
    # in it
    model = model.eval().requires_grad_(False)
    # torch's own `to`: diffusers' warns of modules that must stay in float32, of which these have none
    model = nn.Module.to(model, device=device, dtype=dtype)
    return model.to(memory_format=torch.channels_last)


@contextmanager
def _blame(pack: Pack, part: str):
    """What is unreadable is named with its remedy, whichever library stumbled over it."""
    path = pack.path(PARTS[part])
    remedy = f"check the pack with `vldm packs check {pack.folder}`"
    if not path.is_file():
        raise RequestError(f"pack {pack.name}: {PARTS[part]} is missing; {remedy}")
    try:
        yield
    except (OSError, SafetensorError, RuntimeError, KeyError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise RequestError(
            f"pack {pack.name}: {PARTS[part]} cannot be loaded ({reason:.200}); {remedy}"
        ) from error
