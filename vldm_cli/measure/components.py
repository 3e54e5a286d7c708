"""The pieces of a mask that hang together."""

import torch
from torch import Tensor
from torch.nn import functional as F

STEPS = 8  # between two looks at whether all is done


def components(mask_NHW: Tensor) -> Tensor:
    """(N, H, W) int64: a number above 0 for each piece that hangs together by edges of pixels, 0 outside."""
    H, W = mask_NHW.shape[1:]
    there = mask_NHW[:, None].float()
    # numbers below 2²⁴ are exact
    label = torch.arange(1, H * W + 1, device=mask_NHW.device, dtype=torch.float32).view(1, 1, H, W) * there
    while True:
        before = label
        for _ in range(STEPS):
            along, across = F.max_pool2d(label, (3, 1), 1, (1, 0)), F.max_pool2d(label, (1, 3), 1, (0, 1))
            label = torch.maximum(along, across) * there
        if torch.equal(before, label):
            return label[:, 0].long()


def pieces(mask_NHW: Tensor) -> Tensor:
    """(N,): how many pieces there are."""
    label_NP = components(mask_NHW).flatten(1)
    # each has the number of its last pixel
    own = torch.arange(1, label_NP.shape[1] + 1, device=label_NP.device)
    return (label_NP == own).sum(1)
