"""ModelScope's text-to-video model (Wang et al. 2023, arXiv:2308.06571) and ZeroScope, its fine-tune."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from diffusers.models.resnet import ResnetBlock2D, TemporalConvLayer
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.transformers.transformer_temporal import TransformerTemporalModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

from vldm_cli.align.foreign import Place, renamed

_RENAME = (
    (r"^transformer_in\.", "temporal."),
    (r"\.temp_convs\.(\d+)\.", r".resnets.\1.temporal."),
    (r"\.temp_attentions\.(\d+)\.", r".attentions.\1.temporal."),
)
_SAME = (
    "sample_size",
    "in_channels",
    "out_channels",
    "block_out_channels",
    "layers_per_block",
    "cross_attention_dim",
    "norm_num_groups",
    "norm_eps",
    "act_fn",
    "downsample_padding",
    "mid_block_scale_factor",
)
# heads of the transformer behind the first convolution, in every published model
_HEADS_IN = 8


class ModelScope:
    """config: of diffusers' UNet3DConditionModel, whose `attention_head_dim` is what it says; the image model's is the
    number of heads."""

    name = "modelscope"
    image = UNet2DConditionModel
    whole = True

    def image_config(self, config: Mapping[str, Any]) -> dict[str, Any]:
        width = config["attention_head_dim"]
        return {
            **{k: config[k] for k in _SAME if k in config},
            "down_block_types": [b.replace("3D", "2D") for b in config["down_block_types"]],
            "up_block_types": [b.replace("3D", "2D") for b in config["up_block_types"]],
            "attention_head_dim": [channels // width for channels in config["block_out_channels"]],
            "use_linear_projection": True,
        }

    def places(self, image_model: UNet2DConditionModel, config: Mapping[str, Any]) -> Iterator[Place]:
        groups, cross = image_model.config["norm_num_groups"], image_model.config["cross_attention_dim"]
        width = config["attention_head_dim"]
        for name, block in list(image_model.named_modules()):
            if isinstance(block, ResnetBlock2D):
                c = block.out_channels
                layer = TemporalConvLayer(c, c, dropout=0.1, norm_num_groups=groups)
                yield Place(name, layer, _run_convolution)
            elif isinstance(block, Transformer2DModel):
                c = block.in_channels
                module = TransformerTemporalModel(
                    c // width, width, in_channels=c, cross_attention_dim=cross, norm_num_groups=groups
                )
                yield Place(name, module, _run_attention)
        c = image_model.config["block_out_channels"][0]
        first = TransformerTemporalModel(_HEADS_IN, width, in_channels=c, norm_num_groups=groups)
        yield Place("conv_in", first, _run_attention, holder="")

    def key(self, theirs: str, image_model: nn.Module) -> str | None:
        del image_model
        return renamed(theirs, _RENAME)


def _run_convolution(
    module: TemporalConvLayer, x_NCHW: Tensor, _args: tuple, _kwargs: dict, T: int
) -> Tensor:
    return module(x_NCHW, num_frames=T)


def _run_attention(
    module: TransformerTemporalModel, x_NCHW: Tensor, _args: tuple, _kwargs: dict, T: int
) -> Tensor:
    return module(x_NCHW, num_frames=T, return_dict=False)[0]
