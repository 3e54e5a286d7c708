"""Enlarging by two and convolving, as every level of an image model's way up does, in one step that costs half.

A 3×3 convolution after nearest-neighbour upsampling reads each low-resolution pixel up to four times. For the pixels of
the result at even and odd rows and columns it is a 2×2 convolution at the low resolution, its weights sums of the 3×3's
(Aitken et al. 2017, arXiv:1707.02937): 4 products a pixel in place of 9, and no enlarged copy.
"""

from types import MethodType
from typing import TypeVar

import torch
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn
from torch.nn import functional as F

Model = TypeVar("Model", bound=nn.Module)


def fold_upsampling(model: Model) -> Model:
    """The same model, with every such pair of a diffusers model computed in one step: the same up to rounding, for
    inference (weights that change later are not followed)."""
    for module in model.modules():
        if isinstance(module, Upsample2D) and _foldable(module):
            conv = module.conv
            module.folded = _folded(conv.weight.detach()), conv.bias.detach().repeat(4)
            module.forward = MethodType(_forward, module)
    return model


def _foldable(module: Upsample2D) -> bool:
    conv = getattr(module, "conv", None)
    return (
        module.use_conv
        and not module.use_conv_transpose
        and module.interpolate
        and module.norm is None
        and isinstance(conv, nn.Conv2d)
        and (conv.kernel_size, conv.padding) == ((3, 3), (1, 1))
        and conv.bias is not None
    )


def _folded(weight_OIHW: Tensor) -> Tensor:
    """(O, I, 3, 3) → (4 O, I, 2, 2): for pixels at even rows and columns, even rows and odd columns, and so on."""

    def halves(w: Tensor, dim: int) -> tuple[Tensor, Tensor]:
        a, b, c = w.unbind(dim)
        return torch.stack([a, b + c], dim), torch.stack([a + b, c], dim)

    parts = [part for rows in halves(weight_OIHW, 2) for part in halves(rows, 3)]
    return torch.cat(parts).contiguous(memory_format=torch.channels_last)


def _forward(self: Upsample2D, hidden_states: Tensor, output_size=None, *args, **kwargs) -> Tensor:
    if output_size is not None and tuple(output_size) != tuple(2 * n for n in hidden_states.shape[-2:]):
        return Upsample2D.forward(self, hidden_states, output_size)
    weight, bias = self.folded
    N, _, H, W = hidden_states.shape
    # what lies beyond the border is zero, enlarged or not
    y = F.conv2d(F.pad(hidden_states, (1, 1, 1, 1)), weight, bias)
    C = y.shape[1] // 4
    size, layout = (N, C, 2 * H, 2 * W), torch.channels_last
    out = torch.empty(size, dtype=y.dtype, device=y.device, memory_format=layout)
    for i, part in enumerate(y.split(C, 1)):
        row, column = divmod(i, 2)
        out[:, :, row::2, column::2] = part[:, :, row : row + H, column : column + W]
    return out
