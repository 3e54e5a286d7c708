"""The pieces of a mask that hang together."""

import torch
from torch import Tensor


def components(mask_NHW: Tensor) -> Tensor:
    """(N, H, W) int64: a number above 0 for each piece that hangs together by edges of pixels, 0 outside."""
    H, W = mask_NHW.shape[1:]
    label = torch.arange(1, H * W + 1, device=mask_NHW.device).view(1, H, W) * mask_NHW
    # runs of pixels are numbered, so that the largest label of a run is a running maximum over all of them
    outside = (~mask_NHW).long() * (H * W + 1)
    ways = [(axis, outside.cumsum(axis), outside.flip(axis).cumsum(axis)) for axis in (1, 2)]
    while True:
        before = label
        for axis, forth, back in ways:
            label = ((label + forth).cummax(axis).values - forth) * mask_NHW
            label = ((label.flip(axis) + back).cummax(axis).values - back).flip(axis) * mask_NHW
        if torch.equal(before, label):
            return label


def pieces(mask_NHW: Tensor) -> Tensor:
    """(N,): how many pieces there are."""
    label_NP = components(mask_NHW).flatten(1)
    # each has the number of its last pixel
    own = torch.arange(1, label_NP.shape[1] + 1, device=label_NP.device)
    return (label_NP == own).sum(1)
