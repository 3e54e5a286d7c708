"""Temporal layers of other makes (`align.families`), computed with the engine's operations over frames as they lie:
layer norms, projections and feed-forwards do not care in which order the rows are, and attention over frames finds
them where they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D
from torch import Tensor, nn
from torch.nn import functional as F

from vldm_cli.align.families import animatediff
from vldm_cli.align.families.svd import SpatioTemporalAttention, SpatioTemporalConvolution
from vldm_cli.align.fast import ops
from vldm_cli.align.fast.blocks import (
    can_attention,
    crossed,
    fed_forward,
    out_of,
    picture,
    rows,
    stacked,
)
from vldm_cli.align.foreign import ForeignLayer

Prepared = tuple[Tensor, Tensor | None]


def motion(window: bool, qkv: list[list[Prepared]], module: Any, x_NCHW: Tensor, _a, _k, T: int) -> Tensor:
    """AnimateDiff's module. window: whether its group norm sees all frames together. qkv: of every block's
    attentions."""
    x = x_NCHW.contiguous(memory_format=torch.channels_last)
    h = rows(ops.group_norm(x, module.norm, span=T if window else 1))
    h = F.linear(h, module.proj_in.weight, module.proj_in.bias)
    for block, (first, second) in zip(module.transformer_blocks, qkv, strict=True):
        places = block.pos_embed.pe[0, :T].repeat(len(x) // T, 1)
        _, n = ops.layer_norm(h, block.norm1, None, places)
        h, n = ops.layer_norm(h, block.norm2, _over_frames(block.attn1, n, first, T), places)
        h, n = ops.layer_norm(h, block.norm3, _over_frames(block.attn2, n, second, T))
        h = ops.add(h, fed_forward(block.ff, n))
    h = F.linear(h, module.proj_out.weight)
    return picture(ops.add(rows(x), h, module.proj_out.bias), x)


def _over_frames(attention: Any, n_NLC: Tensor, qkv: Prepared, T: int) -> Tensor:
    return out_of(attention, ops.attend_frames(F.linear(n_NLC, *qkv), T, attention.heads))


def convolution(weights: list[Prepared], module: Any, x_NCHW: Tensor, args, kwargs, T: int) -> Tensor:
    """Stable Video Diffusion's residual block over frames, mixed by its last convolution, which is times 1 − α."""
    block = module.temporal_res_block
    temb_NE = args[1] if len(args) > 1 else kwargs.get("temb")
    x = x_NCHW.contiguous(memory_format=torch.channels_last)
    (weight1, bias1), (weight2, bias2) = weights
    assert bias1 is not None  # diffusers' convolutions have one
    h = ops.group_norm(x, block.norm1, silu=True, span=T)
    h = picture(ops.convolve_frames(rows(h), weight1, T), x)
    before = bias1[None]
    if block.time_emb_proj is not None and temb_NE is not None:
        projection = block.time_emb_proj
        before = F.linear(F.silu(temb_NE), projection.weight, projection.bias + bias1)
    h = ops.group_norm(h, block.norm2, silu=True, span=T, before_NC=before)
    return picture(ops.convolve_frames(rows(h), weight2, T, bias2, rows(x)), x)


def attention(
    qkv: Prepared, kv: Prepared, share: Tensor, module: Any, x_NLC: Tensor, _a, kwargs, T
) -> Tensor:
    """Stable Video Diffusion's transformer block over frames. share: 1 − α."""
    block = module.temporal_transformer_block
    numbers = torch.arange(T, device=x_NLC.device)
    places = module.time_pos_embed(module.time_proj(numbers).to(x_NLC.dtype)).repeat(len(x_NLC) // T, 1)
    h, n = ops.layer_norm(x_NLC, block.norm_in, places)
    h, n = ops.layer_norm(h, block.norm1, fed_forward(block.ff_in, n))
    h, n = ops.layer_norm(h, block.norm2, _over_frames(block.attn1, n, qkv, T))
    h, n = ops.layer_norm(h, block.norm3, crossed(block.attn2, n, kwargs["encoder_hidden_states"][::T], kv))
    return torch.lerp(x_NLC, ops.add(h, fed_forward(block.ff, n)), share)


def hasten(model: nn.Module) -> None:
    """Puts these in place in a video model."""
    layer: Any
    for layer in model.modules():
        if isinstance(layer, ForeignLayer):
            layer.run = _quick(layer.module, layer.run) or layer.run


def _quick(module: Any, run: Callable) -> Callable | None:
    if isinstance(module, AnimateDiffTransformer3D):
        if all(map(_self_attention_twice, module.transformer_blocks)):
            qkv = [[_qkv(b.attn1), _qkv(b.attn2)] for b in module.transformer_blocks]
            return partial(motion, run is animatediff._per_window, qkv)
    elif isinstance(module, SpatioTemporalConvolution):
        block = module.temporal_res_block
        if block.conv_shortcut is None:
            return partial(
                convolution, [_taps(block.conv1), _taps(block.conv2, temporal_share(module.time_mixer))]
            )
    elif isinstance(module, SpatioTemporalAttention):
        block = module.temporal_transformer_block
        if block.is_res and can_attention(block.attn1) and can_attention(block.attn2):
            kv = stacked([block.attn2.to_k, block.attn2.to_v])
            return partial(attention, _qkv(block.attn1), kv, temporal_share(module.time_mixer))
    return None


def _self_attention_twice(block: Any) -> bool:
    return (
        block.norm_type == "layer_norm"
        and block.pos_embed is not None
        and block.attn2 is not None
        and block.attn2.to_k.in_features == block.attn2.to_q.in_features
        and can_attention(block.attn1)
        and can_attention(block.attn2)
    )


def _qkv(attention: Any) -> Prepared:
    return stacked([attention.to_q, attention.to_k, attention.to_v])


def temporal_share(mixer: Any) -> Tensor:
    """How much the temporal half counts, a scalar tensor."""
    alpha = torch.sigmoid(mixer.mix_factor.detach().float()).squeeze()
    share = alpha if mixer.switch_spatial_to_temporal_mix else 1 - alpha
    return share.to(mixer.mix_factor.dtype)


def _taps(conv: nn.Conv3d, share: Tensor | float = 1.0) -> Prepared:
    """Weights (O, I, 3, 1, 1) → (O, 3 I), and biases, times the share."""
    weight = (conv.weight.detach() * share).flatten(2).transpose(1, 2).flatten(1).contiguous()
    assert conv.bias is not None  # torch types it as optional
    return weight, conv.bias.detach() * share
