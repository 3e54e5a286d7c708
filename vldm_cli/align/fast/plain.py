"""What the kernels compute, in plain PyTorch: their reference, of inputs in float32, and what runs where they do not.

Rows are (M, C) or anything that ends with C; N = B·T frames, L = H·W places.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

LONGEST = 64
"""Frames that one program of the kernel of the attention holds at most."""
SLOPE = SHARE = 0.2
"""Of ESRGAN's dense blocks: of the activation below nought, and of what a block adds to its input."""


def group_norm(
    x_NCHW: Tensor,
    weight_C: Tensor,
    bias_C: Tensor,
    groups: int,
    eps: float,
    silu: bool = False,
    span: int = 1,
    before_NC: Tensor | None = None,
    after_NC: Tensor | None = None,
    after_NCHW: Tensor | None = None,
) -> Tensor:
    """Group norm of (N, C, H, W), then SiLU. span: so many neighbouring frames share their statistics, 1 or T.
    before_NC: added to x first; after_NC, after_NCHW: after the norm, before SiLU; of one row where it is for all."""
    h = x_NCHW
    if before_NC is not None:
        h = h + before_NC.to(h.dtype)[:, :, None, None]
    if span > 1:
        h = h.unflatten(0, (-1, span)).transpose(1, 2)
    h = F.group_norm(h, groups, weight_C, bias_C, eps)
    if span > 1:
        h = h.transpose(1, 2).flatten(0, 1)
    if after_NC is not None:
        h = h + after_NC.to(h.dtype)[:, :, None, None]
    if after_NCHW is not None:
        h = h + after_NCHW
    return (F.silu(h) if silu else h).contiguous(memory_format=torch.channels_last)


def layer_norm(
    x: Tensor,
    weight_C: Tensor,
    bias_C: Tensor,
    eps: float,
    y: Tensor | None = None,
    plus_NC: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """(x + y, its layer norm). plus_NC: added after the norm. Of y and plus_NC each row is for as many neighbouring
    rows of x as there are to one of theirs."""
    total = x if y is None else _spread(x, y)
    h = F.layer_norm(total, weight_C.shape, weight_C, bias_C, eps)
    return total, h if plus_NC is None else _spread(h, plus_NC)


def _spread(x: Tensor, y: Tensor) -> Tensor:
    y = y.to(x.dtype).reshape(-1, 1, x.shape[-1])
    return (x.reshape(len(y), -1, x.shape[-1]) + y).reshape(x.shape)


def geglu(x: Tensor) -> Tensor:
    """(…, 2 D) → (…, D): the first half times GELU of the second (Shazeer 2020, arXiv:2002.05202)."""
    value, gate = x.chunk(2, -1)
    return value * F.gelu(gate)


def linear_geglu(x: Tensor, weight_OI: Tensor, bias_O: Tensor | None = None) -> Tensor:
    """`geglu` of a linear layer: (…, I) → (…, D), O = 2 D."""
    return geglu(F.linear(x, weight_OI, bias_O))


def add(x: Tensor, y: Tensor, bias_C: Tensor | None = None) -> Tensor:
    """x + y + bias."""
    return x + y if bias_C is None else x + (y + bias_C)


def attend(qkv_NLC: Tensor, frames: int, heads: int) -> Tensor:
    """Queries, keys and values (N, L, 3 C), N = B·T → (N, L, C): each place attends to itself in all frames."""
    N, L, C3 = qkv_NLC.shape
    q, k, v = qkv_NLC.view(N // frames, frames, L, 3, heads, -1).permute(3, 0, 2, 4, 1, 5)
    h = F.scaled_dot_product_attention(q, k, v)
    return h.permute(0, 3, 1, 2, 4).reshape(N, L, C3 // 3)


def convolve(
    x_NLC: Tensor,
    weight_OI: Tensor,
    frames: int,
    bias_C: Tensor | None = None,
    residual_NLC: Tensor | None = None,
    repeated_ends: bool = False,
) -> Tensor:
    """3×1×1 convolution over frames (N, L, I) → (N, L, O), weights (O, 3 I), then + residual. To a convolution over
    (T, H·W) in channels_last the frames are what they are: there is nothing to transpose. repeated_ends: as for
    `TemporalConvolution`."""
    x_BTLC = x_NLC.unflatten(0, (-1, frames))
    if repeated_ends:
        x_BTLC = torch.cat([x_BTLC[:, :1], x_BTLC, x_BTLC[:, -1:]], 1)
    kernel = weight_OI.view(len(weight_OI), 3, -1, 1).transpose(1, 2)
    h = F.conv2d(x_BTLC.permute(0, 3, 1, 2), kernel, bias_C, padding=(0 if repeated_ends else 1, 0))
    h_NLC = h.permute(0, 2, 3, 1).flatten(0, 1)
    return h_NLC if residual_NLC is None else h_NLC + residual_NLC


def dense_block(x_NCHW: Tensor, *layers: Tensor, packed: Any = None) -> Tensor:
    """The dense block of ESRGAN (Wang et al. 2018, §3.1). layers: weights (O, I, 3, 3) and biases in turn; each sees x
    and what all before it made, the last one makes as many channels as x has. packed: these
    layers as the kernel wants them."""
    *hidden, last = zip(layers[::2], layers[1::2], strict=True)
    h = x_NCHW
    for weight, bias in hidden:
        h = torch.cat([h, F.leaky_relu(F.conv2d(h, weight, bias, padding=1), SLOPE)], 1)
    return x_NCHW + SHARE * F.conv2d(h, *last, padding=1)


def exact(twin: Callable, *args: Any) -> Any:
    """What a twin gives for its inputs in float32, rounded once to the type of the first one."""
    dtype = args[0].dtype
    made = twin(*(x.float() if isinstance(x, Tensor) else x for x in args))
    return made.to(dtype) if isinstance(made, Tensor) else tuple(x.to(dtype) for x in made)
