"""How files of weights spell their tensors → how diffusers' and transformers' models of today do.

`Convert` of `build`: nothing is read, names and shapes alone are converted. The single files of the original code go
through diffusers' own converters.
"""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from diffusers.loaders.single_file_utils import (
    convert_animatediff_checkpoint_to_diffusers,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)

from vldm_cli.packs.files import Unusable
from vldm_cli.packs.sources import Convert, Piece

Pieces = dict[str, Piece]

_UNET, _VAE, _CLIP, _OPEN_CLIP = (
    "model.diffusion_model.",
    "first_stage_model.",
    "cond_stage_model.transformer.",
    "cond_stage_model.model.",
)
# Stable Diffusion XL's two text encoders.
_FIRST, _SECOND = "conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."
# The autoencoder's attention, as diffusers spelt it before 2023.
_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
# Buffers that older versions kept in files.
_BUFFERS = ("position_ids", "pos_embed.pe", "pos_encoder.pe")


def unet(layout: str, config: Mapping[str, Any]) -> Convert:
    """Of a UNet2DConditionModel of that configuration."""
    if layout == "diffusers":
        return _image_alone

    def convert(pieces: Pieces) -> Pieces:
        own = _below(pieces, _UNET, "image model")
        return _converted(lambda: convert_ldm_unet_checkpoint({_UNET + k: p for k, p in own.items()}, config))

    return convert


def vae(layout: str, config: Mapping[str, Any]) -> Convert:
    """Of an AutoencoderKL of that configuration."""
    if layout == "diffusers":
        return lambda pieces: {_newer_attention(name): _linear(name, p) for name, p in pieces.items()}

    def convert(pieces: Pieces) -> Pieces:
        bare = "encoder.conv_in.weight" in pieces  # a file of the autoencoder alone
        own = pieces if bare else _below(pieces, _VAE, "autoencoder")
        # what its training needed
        own = {name: p for name, p in own.items() if not name.startswith(("loss.", "model_ema."))}
        return _converted(lambda: convert_ldm_vae_checkpoint(own, config))

    return convert


def text(layout: str, config: Mapping[str, Any]) -> Convert:
    """Of a CLIPTextModel of that configuration."""
    if layout == "diffusers":
        return _clip

    def convert(pieces: Pieces) -> Pieces:
        if any(name.startswith(_OPEN_CLIP) for name in pieces):
            return _clip(_open_clip(pieces, config, _OPEN_CLIP))
        first = any(name.startswith(_FIRST) for name in pieces)
        return _clip(_below(pieces, _FIRST if first else _CLIP, "text encoder"))

    return convert


def text_2(layout: str, config: Mapping[str, Any]) -> Convert:
    """Of a CLIPTextModelWithProjection of that configuration."""
    if layout == "diffusers":
        return _weights

    def convert(pieces: Pieces) -> Pieces:
        _below(pieces, _SECOND, "second text encoder")
        return _open_clip(pieces, config, _SECOND)

    return convert


def _open_clip(pieces: Pieces, config: Mapping[str, Any], prefix: str) -> Pieces:
    encoder = SimpleNamespace(config=SimpleNamespace(hidden_size=config["hidden_size"]))
    return _converted(lambda: convert_open_clip_checkpoint(encoder, pieces, prefix))


def eyes(layout: str, config: Mapping[str, Any]) -> Convert:
    """Of a CLIPVisionModelWithProjection."""
    del config
    if layout != "diffusers":
        raise Unusable('has the layout "original", which is none for it; use "diffusers"')
    return _weights


def sparsectrl(pieces: Pieces) -> Pieces:
    """Of a SparseControlNetModel: diffusers' own files, and guoyww's."""
    return _converted(
        lambda: convert_animatediff_checkpoint_to_diffusers(
            {name.removeprefix("module."): p for name, p in _weights(pieces).items()}
        )
    )


def _image_alone(pieces: Pieces) -> Pieces:
    """Without motion modules, which diffusers' UNetMotionModel has in the same file."""
    return {name: p for name, p in pieces.items() if ".motion_modules." not in name}


def _weights(pieces: Pieces) -> Pieces:
    return {name: p for name, p in pieces.items() if not name.endswith(_BUFFERS)}


def _clip(pieces: Pieces) -> Pieces:
    """Older transformers had all layers of a text encoder below `text_model`."""
    return {name.removeprefix("text_model."): p for name, p in _weights(pieces).items()}


def _newer_attention(name: str) -> str:
    head, _, last = name.rpartition(".")
    before, _, layer = head.rpartition(".")
    return f"{before}.{_OLD_ATTENTION[layer]}.{last}" if layer in _OLD_ATTENTION else name


def _linear(name: str, piece: Piece) -> Piece:
    """The autoencoder's attention was of 1×1 convolutions once."""
    attends = ".attentions." in name and name.endswith(".weight") and piece.ndim == 4
    return piece[:, :, 0, 0] if attends else piece


def _below(pieces: Pieces, prefix: str, what: str) -> Pieces:
    own = {name.removeprefix(prefix): p for name, p in pieces.items() if name.startswith(prefix)}
    if not own:
        raise Unusable(f"holds no {what} in the original layout: no name begins with {prefix}")
    return own


def _converted(convert: Callable[[], Pieces]) -> Pieces:
    """What a converter of diffusers makes, which expects all that it looks for to be there."""
    try:
        return {name: piece for name, piece in convert().items() if piece is not None}
    except (KeyError, IndexError, AttributeError, TypeError) as error:
        raise Unusable(f"lacks what such a checkpoint has ({error})") from error
