"""Stable Video Diffusion's temporal decoder (Video LDM, §3.1.1); it fits the latents of Stable Diffusion 1 and 2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

from vldm_cli.align.families.svd import SpatioTemporalConvolution, run_convolution
from vldm_cli.align.foreign import Place, renamed

_RENAME = (
    (r"\.spatial_res_block\.", "."),
    (r"(resnets\.\d+)\.(temporal_res_block|time_mixer)\.", r"\1.temporal.\2."),
    (r"^decoder\.time_conv_out\.", "decoder.temporal.time_conv_out."),
)
_SAME = (
    "in_channels",
    "out_channels",
    "down_block_types",
    "block_out_channels",
    "layers_per_block",
    "latent_channels",
    "sample_size",
    "scaling_factor",
    "force_upcast",
)


class TimeConvolution(nn.Module):
    """The decoder's last layer: 3×1×1 over finished pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.time_conv_out = nn.Conv3d(channels, channels, (3, 1, 1), padding=(1, 0, 0))


class StableVideoDecoder:
    """config: of diffusers' AutoencoderKLTemporalDecoder."""

    name = "svd-decoder"
    image = AutoencoderKL
    whole = True

    def image_config(self, config: Mapping[str, Any]) -> dict[str, Any]:
        levels = len(config["block_out_channels"])
        return {
            **{k: config[k] for k in _SAME if k in config},
            "up_block_types": ("UpDecoderBlock2D",) * levels,
            "use_post_quant_conv": False,
        }

    def places(self, image_model: AutoencoderKL, config: Mapping[str, Any]) -> Iterator[Place]:
        del config
        for name, block in list(image_model.named_modules()):
            if name.startswith("decoder.") and isinstance(block, ResnetBlock2D):
                module = SpatioTemporalConvolution(block.out_channels, None, 1e-5, switched=True)
                yield Place(name, module, run_convolution)
        last = TimeConvolution(image_model.config["out_channels"])
        yield Place("decoder.conv_out", last, _run_last, holder="decoder")

    def key(self, theirs: str, image_model: nn.Module) -> str | None:
        del image_model
        return renamed(theirs, _RENAME)


def _run_last(module: TimeConvolution, x_NCHW: Tensor, _args: tuple, _kwargs: dict, T: int) -> Tensor:
    x_BCTHW = x_NCHW.unflatten(0, (-1, T)).transpose(1, 2)
    return module.time_conv_out(x_BCTHW).transpose(1, 2).flatten(0, 1)
