"""Many parameters in one buffer, so that a step's arithmetic is a handful of kernels and not a loop over them.

With a few hundred parameters, casting, clipping, updating and averaging them one by one keeps the processor busy for
longer than a compiled forward pass does; on one buffer each of these is one kernel.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

# Every parameter begins at a multiple of so many elements: kernels read 16 bytes at a time, tensor cores like 128.
ALIGNMENT = 64


class Flat:
    """A buffer with one view a parameter, each of the parameter's own shape and strides (channels_last stays).

    `data`: the buffer, (n,), zero between the views. `views`: name → view of it.
    """

    def __init__(self, like: Mapping[str, Tensor], dtype: torch.dtype):
        self.like = dict(like)
        self.offsets, end = {}, 0
        for name, tensor in self.like.items():
            self.offsets[name] = end
            end += math.ceil(tensor.numel() / ALIGNMENT) * ALIGNMENT
        device = next(iter(self.like.values())).device if self.like else None
        self.data = torch.zeros(end, dtype=dtype, device=device)
        self.views = self.views_of(self.data)

    @torch.no_grad()
    def copy(self, tensors: Mapping[str, Tensor]) -> "Flat":
        """Take the values of these tensors, which may lie in memory in another order; returns itself."""
        torch._foreach_copy_(list(self.views.values()), [tensors[name] for name in self.views])
        return self

    def views_of(self, data: Tensor) -> dict[str, Tensor]:
        """The same views of another buffer of this size."""
        return {
            name: data.as_strided(tensor.shape, _dense(tensor), self.offsets[name])
            for name, tensor in self.like.items()
        }


def _dense(tensor: Tensor) -> tuple[int, ...]:
    """The tensor's strides; contiguous ones for a tensor with gaps or repetitions in memory."""
    return torch.empty_like(tensor, memory_format=torch.preserve_format).stride()
