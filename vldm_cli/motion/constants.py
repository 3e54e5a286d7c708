"""Numbers that stay where they are: a list that is brought to a GPU anew makes the processor wait for it each time."""

from functools import cache

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
"""What the eye sees of red, green and blue (ITU-R BT.601)."""


@cache
def _kept(values: tuple[float, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode(False):  # training may use them too
        return torch.tensor(values, device=device, dtype=dtype)[None, :, None, None]


def constant(values: tuple[float, ...], like: Tensor) -> Tensor:
    """(1, C, 1, 1): a number for each channel, where `like` is and of its format; made once."""
    return _kept(values, like.device, like.dtype)
