"""Stable Video Diffusion (Blattmann et al. 2023, arXiv:2311.15127): this paper's model, grown up. One picture in, a
video that begins with it out; no text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from diffusers.models.attention import BasicTransformerBlock, TemporalBasicTransformerBlock
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.resnet import AlphaBlender, ResnetBlock2D, TemporalResnetBlock
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

from vldm_cli.align.foreign import Place, renamed

_RENAME = (
    (r"\.spatial_res_block\.", "."),
    (r"(resnets\.\d+)\.(temporal_res_block|time_mixer)\.", r"\1.temporal.\2."),
    (
        r"(attentions\.\d+)\.temporal_transformer_blocks\.(\d+)\.",
        r"\1.transformer_blocks.\2.temporal.temporal_transformer_block.",
    ),
    (r"(attentions\.\d+)\.(time_pos_embed|time_mixer)\.", r"\1.transformer_blocks.0.temporal.\2."),
)
_SAME = (
    "sample_size",
    "in_channels",
    "out_channels",
    "block_out_channels",
    "layers_per_block",
    "cross_attention_dim",
    "transformer_layers_per_block",
    "addition_time_embed_dim",
    "projection_class_embeddings_input_dim",
)


class SpatioTemporalConvolution(nn.Module):
    """The temporal half of a residual block and the α between both (Video LDM, §3.1). `switched`: α weighs the temporal
    half, as in the decoder, in place of the spatial one."""

    def __init__(self, channels: int, temb_channels: int | None, eps: float, switched: bool = False) -> None:
        super().__init__()
        self.temporal_res_block = TemporalResnetBlock(channels, channels, temb_channels, eps)
        self.time_mixer = AlphaBlender(0.5, "learned" if switched else "learned_with_images", switched)

    def forward(self, x_NCHW: Tensor, temb_NE: Tensor | None, T: int) -> Tensor:
        x_BCTHW = x_NCHW.unflatten(0, (-1, T)).transpose(1, 2)
        temb_BTE = None if temb_NE is None else temb_NE.unflatten(0, (-1, T))
        h_BCTHW = self.temporal_res_block(x_BCTHW, temb_BTE)
        # the mixer is called, not read: what offloads weights brings them for a module's forward
        no_images_BT = x_NCHW.new_zeros(len(x_BCTHW), T)
        return self.time_mixer(x_BCTHW, h_BCTHW, no_images_BT).transpose(1, 2).flatten(0, 1)


class SpatioTemporalAttention(nn.Module):
    """The temporal half of a transformer block, on its tokens (N, L, C): each place attends to itself in all frames and
    hears what the first frame hears."""

    def __init__(self, dim: int, in_channels: int, heads: int, cross: int) -> None:
        super().__init__()
        self.temporal_transformer_block = TemporalBasicTransformerBlock(dim, dim, heads, dim // heads, cross)
        self.time_pos_embed = TimestepEmbedding(in_channels, 4 * in_channels, out_dim=in_channels)
        self.time_proj = Timesteps(in_channels, True, 0)
        self.time_mixer = AlphaBlender(0.5, "learned_with_images")

    def forward(self, x_NLC: Tensor, heard_NLD: Tensor, T: int) -> Tensor:
        N, L, _ = x_NLC.shape
        place_NC = self.time_proj(torch.arange(T, device=x_NLC.device).repeat(N // T)).to(x_NLC.dtype)
        h_NLC = x_NLC + self.time_pos_embed(place_NC)[:, None]
        first = heard_NLD[::T].repeat_interleave(L, 0)
        h_NLC = self.temporal_transformer_block(h_NLC, T, first)
        return self.time_mixer(x_NLC, h_NLC, x_NLC.new_zeros(N // T, T))


class StableVideoDiffusion:
    """config: of diffusers' UNetSpatioTemporalConditionModel. eps: of the residual blocks' norms; diffusers has 1e-6 in
    most of them, Stability's own code and this 1e-5, as the image model (`diffusers_eps` makes them diffusers')."""

    name = "svd"
    image = UNet2DConditionModel
    whole = True

    def image_config(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **{k: config[k] for k in _SAME if k in config},
            "down_block_types": [b.replace("SpatioTemporal", "2D") for b in config["down_block_types"]],
            "up_block_types": [b.replace("SpatioTemporal", "2D") for b in config["up_block_types"]],
            "attention_head_dim": config["num_attention_heads"],
            "use_linear_projection": True,
            "addition_embed_type": "text_time",
        }

    def places(self, image_model: UNet2DConditionModel, config: Mapping[str, Any]) -> Iterator[Place]:
        del config  # all sizes are the image model's
        embed = image_model.time_embedding.linear_2.out_features
        for name, block in list(image_model.named_modules()):
            if isinstance(block, ResnetBlock2D):
                module = SpatioTemporalConvolution(block.out_channels, embed, block.norm1.eps)
                yield Place(name, module, run_convolution)
            elif isinstance(block, Transformer2DModel):
                for i, inner in enumerate(block.transformer_blocks):
                    yield Place(f"{name}.transformer_blocks.{i}", _attention(block, inner), _run_attention)

    def key(self, theirs: str, image_model: nn.Module) -> str | None:
        del image_model
        return renamed(theirs, _RENAME)


def diffusers_eps(unet: UNet2DConditionModel) -> None:
    """Residual blocks' norms as in diffusers' class: 1e-6 in down blocks with attention and in all up blocks."""
    blocks = [b for b in unet.down_blocks if getattr(b, "has_cross_attention", False)]
    for block in [*blocks, *unet.up_blocks]:
        for resnet in block.resnets:
            resnet.norm1.eps = resnet.norm2.eps = 1e-6


def run_convolution(
    module: SpatioTemporalConvolution, x_NCHW: Tensor, args: tuple, kwargs: dict, T: int
) -> Tensor:
    """A residual block is called with its input and the time's embedding (None in a decoder)."""
    return module(x_NCHW, args[1] if len(args) > 1 else kwargs.get("temb"), T)


def _run_attention(
    module: SpatioTemporalAttention, x_NLC: Tensor, _args: tuple, kwargs: dict, T: int
) -> Tensor:
    return module(x_NLC, kwargs["encoder_hidden_states"], T)


def _attention(block: Transformer2DModel, inner: BasicTransformerBlock) -> SpatioTemporalAttention:
    dim, cross = inner.attn1.to_q.in_features, inner.attn2.to_k.in_features
    return SpatioTemporalAttention(dim, block.in_channels, inner.attn1.heads, cross)
