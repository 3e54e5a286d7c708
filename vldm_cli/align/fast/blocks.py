"""The spatial blocks of diffusers' image models, computed with the engine's operations: same weights, same result up
to rounding, everything in channels_last and nothing passed over twice.

Each `…_forward` takes the place of a module's own `forward`; what a block has that is not here (`can_…`) leaves it as
it is.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from diffusers.models.activations import GEGLU
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import AttnProcessor2_0
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel, Transformer2DModelOutput
from torch import Tensor, nn
from torch.nn import functional as F

from vldm_cli.align.fast import ops
from vldm_cli.align.layers import State


def rows(x_NCHW: Tensor) -> Tensor:
    """(N, C, H, W) → (N, H·W, C), in channels_last a view."""
    return x_NCHW.permute(0, 2, 3, 1).flatten(1, 2)


def picture(x_NLC: Tensor, like_NCHW: Tensor) -> Tensor:
    """The inverse: a view in channels_last."""
    return x_NLC.unflatten(1, like_NCHW.shape[-2:]).permute(0, 3, 1, 2)


def added(x_NCHW: Tensor, y_NCHW: Tensor, bias_C: Tensor | None = None) -> Tensor:
    """x + y + bias, in channels_last."""
    return picture(ops.add(rows(x_NCHW), rows(y_NCHW), bias_C), x_NCHW)


def can_resnet(block: Any) -> bool:
    return (
        type(block) is ResnetBlock2D
        # of a decoder's blocks it has another name, but they hear of no time
        and (block.time_embedding_norm == "default" or _timeless(block))
        and not (block.up or block.down or block.skip_time_act)
        and isinstance(block.nonlinearity, nn.SiLU)
        and block.output_scale_factor == 1
        and block.norm1.affine
        and block.conv1.bias is not None
        and block.conv2.bias is not None
    )


def _timeless(block: Any) -> bool:
    return block.time_embedding_norm == "group" and block.time_emb_proj is None


def resnet_forward(self: Any, input_tensor: Tensor, temb: Tensor | None = None, *_a, **_k) -> Tensor:
    """Biases of the convolutions are added where something passes over their results anyway."""
    x = input_tensor.contiguous(memory_format=torch.channels_last)
    h = ops.group_norm(x, self.norm1, silu=True)
    h = F.conv2d(h, self.conv1.weight, None, padding=1)
    before = self.conv1.bias[None]
    if self.time_emb_proj is not None and temb is not None:
        projection = self.time_emb_proj
        before = F.linear(F.silu(temb), projection.weight, projection.bias + self.conv1.bias)
    h = ops.group_norm(h, self.norm2, silu=True, before_NC=before)
    h = F.conv2d(h, self.conv2.weight, None, padding=1)
    bias = self.conv2.bias
    if self.conv_shortcut is not None:
        shortcut = self.conv_shortcut
        x = picture(F.linear(rows(x), shortcut.weight.flatten(1), shortcut.bias), x)
    return added(x, h, bias)


def can_attention(attention: Any) -> bool:
    return attention is None or (
        isinstance(attention.processor, AttnProcessor2_0)
        and attention.spatial_norm is None
        and attention.group_norm is None
        and not attention.norm_cross
        and attention.norm_q is None
        and attention.norm_k is None
        and not attention.residual_connection
        and attention.rescale_output_factor == 1
        and attention.scale_qk
        and attention.added_kv_proj_dim is None
    )


def can_transformer(block: Any) -> bool:
    return (
        type(block) is BasicTransformerBlock
        and block.norm_type == "layer_norm"
        and block.pos_embed is None
        and block._chunk_size is None
        and not hasattr(block, "fuser")
        and isinstance(block.ff.net[0], GEGLU)
        and can_attention(block.attn1)
        and can_attention(block.attn2)
        and all(n is None or n.elementwise_affine for n in (block.norm1, block.norm2, block.norm3))
    )


def stacked(layers: list[Any]) -> tuple[Tensor, Tensor | None]:
    """Weights and biases of several projections of one input as one, of which theirs are then parts."""
    whole = [torch.cat([layer.weight.detach() for layer in layers])]
    if layers[0].bias is not None:
        whole.append(torch.cat([layer.bias.detach() for layer in layers]))
    own = zip(*(x.split([layer.out_features for layer in layers]) for x in whole), strict=True)
    for layer, parts in zip(layers, own, strict=True):
        for parameter, part in zip((layer.weight, layer.bias), parts, strict=False):
            parameter.data = part
    return whole[0], whole[1] if len(whole) > 1 else None


def out_of(attention: Any, h: Tensor) -> Tensor:
    """The output projection of an attention."""
    return F.linear(h, attention.to_out[0].weight, attention.to_out[0].bias)


def fed_forward(ff: Any, n: Tensor) -> Tensor:
    """A feed-forward of gated GELU."""
    first, last = ff.net[0].proj, ff.net[2]
    return F.linear(ops.linear_geglu(n, first.weight, first.bias), last.weight, last.bias)


def transformer_forward(
    self: Any,
    hidden_states: Tensor,
    attention_mask: Tensor | None = None,
    encoder_hidden_states: Tensor | None = None,
    encoder_attention_mask: Tensor | None = None,
    **_rest,
) -> Tensor:
    """Self-attention, cross-attention, feed-forward; each sum is made by the norm that reads it."""
    if attention_mask is not None or encoder_attention_mask is not None:
        own = BasicTransformerBlock.forward
        return own(self, hidden_states, attention_mask, encoder_hidden_states, encoder_attention_mask)
    x, heard = hidden_states, encoder_hidden_states
    if heard is not None and len(heard) == len(x):
        heard = heard[:: self.fast_state.frames]
    first, second = self.attn1, self.attn2
    _, n = ops.layer_norm(x, self.norm1)
    if self.only_cross_attention and heard is not None:
        h = crossed(first, n, heard, self.fast_kv1)
    else:
        q, k, v = F.linear(n, *self.fast_qkv).chunk(3, -1)
        h = out_of(first, ops.attend(q, k, v, first.heads))
    if second is not None:
        x, n = ops.layer_norm(x, self.norm2, h)
        h = crossed(second, n, n if heard is None else heard, self.fast_kv2)
    x, n = ops.layer_norm(x, self.norm3, h)
    return ops.add(x, fed_forward(self.ff, n))


def crossed(attention: Any, n_NLC: Tensor, heard_BSD: Tensor, kv: tuple) -> Tensor:
    """Attention to what is heard, with its output projection: (N, L, C); (B, 1, C) where there is one token, for then
    the softmax is 1 whatever asks. All frames of a video hear the same: its places attend together."""
    k, v = F.linear(heard_BSD, *kv).chunk(2, -1)
    if k.shape[1] == 1:
        return out_of(attention, v)
    q = F.linear(n_NLC, attention.to_q.weight, attention.to_q.bias)
    h = ops.attend(q.reshape(len(heard_BSD), -1, q.shape[-1]), k, v, attention.heads)
    return out_of(attention, h.view(q.shape))


def can_image_transformer(block: Any) -> bool:
    return (
        type(block) is Transformer2DModel
        and block.is_input_continuous
        and isinstance(getattr(block, "norm", None), nn.GroupNorm)
    )


def image_transformer_forward(
    self: Any,
    hidden_states: Tensor,
    encoder_hidden_states: Tensor | None = None,
    timestep=None,
    added_cond_kwargs=None,
    class_labels=None,
    cross_attention_kwargs=None,
    attention_mask: Tensor | None = None,
    encoder_attention_mask: Tensor | None = None,
    return_dict: bool = True,
):
    if attention_mask is not None or encoder_attention_mask is not None:
        return Transformer2DModel.forward(
            self,
            hidden_states,
            encoder_hidden_states,
            timestep,
            added_cond_kwargs,
            class_labels,
            cross_attention_kwargs,
            attention_mask,
            encoder_attention_mask,
            return_dict,
        )
    x = hidden_states.contiguous(memory_format=torch.channels_last)
    h = rows(ops.group_norm(x, self.norm))
    h = F.linear(h, self.proj_in.weight.flatten(1), self.proj_in.bias)
    for block in self.transformer_blocks:
        h = block(
            h, encoder_hidden_states=encoder_hidden_states, timestep=timestep, class_labels=class_labels
        )
    h = F.linear(h, self.proj_out.weight.flatten(1))
    out = picture(ops.add(rows(x), h, self.proj_out.bias), x)
    return Transformer2DModelOutput(sample=out) if return_dict else (out,)


def norm_forward(self: Any, x_NCHW: Tensor) -> Tensor:
    """A last norm, with the SiLU that follows it."""
    return ops.group_norm(x_NCHW, self, silu=True)


def nothing_forward(self: Any, x: Tensor) -> Tensor:
    """What is done already."""
    return x


def hasten(image_model: nn.Module, state: State) -> None:
    """Puts all of these in place in a UNet or an autoencoder. state: of the video model around it."""
    module: Any
    for module in image_model.modules():
        if can_resnet(module):
            module.forward = MethodType(resnet_forward, module)
        elif can_image_transformer(module):
            module.forward = MethodType(image_transformer_forward, module)
        elif can_transformer(module):
            keep = module.__dict__  # none of its parameters: the file's names stay what they are
            first, second = module.attn1, module.attn2
            if first.to_q.in_features == first.to_k.in_features:
                weight, bias = keep["fast_qkv"] = stacked([first.to_q, first.to_k, first.to_v])
                dim = first.to_q.out_features
                keep["fast_kv1"] = weight[dim:], None if bias is None else bias[dim:]
            else:
                keep["fast_kv1"] = stacked([first.to_k, first.to_v])
            if second is not None:
                keep["fast_kv2"] = stacked([second.to_k, second.to_v])
            keep["fast_state"] = state
            module.forward = MethodType(transformer_forward, module)
        last, after = getattr(module, "conv_norm_out", None), getattr(module, "conv_act", None)
        if isinstance(last, nn.GroupNorm) and isinstance(after, nn.SiLU):
            module.conv_norm_out.forward = MethodType(norm_forward, last)
            module.conv_act.forward = MethodType(nothing_forward, after)
