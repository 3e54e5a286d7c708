"""Networks for single pictures, computed with the engine's operations: ESRGAN's dense blocks, which x4plus and most of
what people have is made of. Same weights, same result up to rounding."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from vldm_cli.align.fast import ops
from vldm_cli.align.fast.plain import SLOPE

WIDTHS = {16, 32, 64}
"""Channels of the blocks and of their layers that the kernel takes: those of a source are one step of its products, and
of 128 that step is more than the shared memory of most GPUs."""
_LAYERS = 5


def hasten_network(module: nn.Module) -> None:
    """For inference from now on, in 16 bits on a CUDA GPU: weights that change later, or move, are not followed. Calls
    that gradients go through are made as before."""
    for block in module.modules():
        layers = _layers(block)
        if layers is not None:
            # none of its parameters: names stay what they are, and a copy gets its own
            vars(block).update(dense_layers=layers, dense_packed=None)
            block.forward = MethodType(_dense_forward, block)


def kernels_of(module: nn.Module) -> tuple[str, ...]:
    """The kernels that `hasten_network` has it use."""
    return ("dense_block",) if any(_layers(block) for block in module.modules()) else ()


def _dense_forward(self: Any, x_NCHW: Tensor) -> Tensor:
    if torch.is_grad_enabled() and x_NCHW.requires_grad:
        return type(self).forward(self, x_NCHW)
    if self.dense_packed is None and x_NCHW.is_cuda:
        from vldm_cli.align.fast.dense import pack

        self.dense_packed = pack(*self.dense_layers)
    return ops.dense_block(x_NCHW, *self.dense_layers, packed=self.dense_packed)


def _layers(block: Any) -> list[Tensor] | None:
    """The weights and biases of a block that is spandrel's and computes what `plain.dense_block` does."""
    kind = type(block)
    theirs = kind.__module__.startswith("spandrel.") and kind.__name__ == "ResidualDenseBlock_5C"
    if not theirs or block.conv1x1:
        return None
    layers: list[Tensor] = []
    for number in range(1, _LAYERS + 1):
        layer = getattr(block, f"conv{number}")
        parts: list[Any] = [*layer] if isinstance(layer, nn.Sequential) else [layer]
        convolution, *rest = parts
        slopes = [x.negative_slope for x in rest if isinstance(x, nn.LeakyReLU)]
        if len(slopes) < len(rest) or slopes != [SLOPE] * (number < _LAYERS) or not _usual(convolution):
            return None
        layers += [convolution.weight, convolution.bias]
    width, growth = layers[0].shape[1], len(layers[0])
    return layers if len(layers[-1]) == width and {width, growth} <= WIDTHS else None


def _usual(convolution: Any) -> bool:
    """Whether it is a usual one of 3×3."""
    return (
        isinstance(convolution, nn.Conv2d)
        and convolution.kernel_size == (3, 3)
        and convolution.stride == convolution.padding == convolution.dilation == (1, 1)
        and (convolution.groups, convolution.padding_mode) == (1, "zeros")
        and convolution.bias is not None
    )
