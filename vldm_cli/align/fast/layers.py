"""vldm's own temporal layers, computed with the engine's operations over frames as they lie."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vldm_cli.align.fast import ops
from vldm_cli.align.fast.blocks import picture, rows
from vldm_cli.align.layers import TemporalAttention, TemporalConvolution, sinusoids


def convolution_forward(self: Any, z_NCHW: Tensor, _args: tuple = (), _kwargs: dict | None = None) -> Tensor:
    state = self.state
    z = z_NCHW.contiguous(memory_format=torch.channels_last)
    after = None
    if self.embed is not None:
        after = self.embed(state.embedding_BE).repeat_interleave(state.frames, 0)
    more = None
    if self.context is not None:
        c_NCHW = state.context[z.shape[-2], z.shape[-1]]
        more = picture(F.linear(rows(c_NCHW), self.context.weight.flatten(1), self.context.bias), c_NCHW)
    h = rows(ops.group_norm(z, self.norm1, silu=True, after_NC=after, after_NCHW=more))
    h = ops.convolve_frames(h, self.conv1.weight.flatten(1), state.frames, None, None, self.repeated_ends)
    h = ops.group_norm(picture(h, z), self.norm2, silu=True, before_NC=self.conv1.bias[None])
    weight, bias = self.fast_last
    h = ops.convolve_frames(rows(h), weight, state.frames, bias, rows(z), self.repeated_ends)
    return picture(h, z)


def attention_forward(self: Any, z_NCHW: Tensor, _args: tuple = (), _kwargs: dict | None = None) -> Tensor:
    T = self.state.frames
    z = z_NCHW.contiguous(memory_format=torch.channels_last)
    plus = self.fast_places(T, z.device)
    if self.embed is not None:
        plus = plus + self.embed(self.state.embedding_BE)[:, None].float()
    plus = plus.expand(len(z) // T, T, -1).flatten(0, 1)
    z_NLC = rows(z)
    _, h = ops.layer_norm(z_NLC, self.norm, None, plus)
    h = ops.attend_frames(F.linear(h, self.qkv.weight), T, self.heads)
    weight, bias = self.fast_last
    return picture(ops.add(z_NLC, F.linear(h, weight), bias), z)


class Places:
    """The encodings of frames (1, T, C), made once for each T."""

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self.made: dict[tuple[int, torch.device], Tensor] = {}

    def __call__(self, frames: int, device: torch.device) -> Tensor:
        key = frames, device
        if key not in self.made:
            self.made[key] = sinusoids(torch.arange(frames, device=device), self.channels)[None]
        return self.made[key]


def hasten(model: nn.Module) -> None:
    """Puts these in place in a video model."""
    layer: Any
    for layer in model.modules():
        kind, keep = type(layer), layer.__dict__  # none of its parameters
        if kind is TemporalConvolution:
            weight, bias = layer.scaled(layer.conv2)
            keep["fast_last"] = weight.detach().flatten(1).contiguous(), bias.detach()
            layer.forward = MethodType(convolution_forward, layer)
        elif kind is TemporalAttention and layer.context is None:
            weight, bias = layer.scaled(layer.out)
            keep["fast_last"] = weight.detach(), bias.detach()
            keep["fast_places"] = Places(layer.norm.normalized_shape[0])
            layer.forward = MethodType(attention_forward, layer)
