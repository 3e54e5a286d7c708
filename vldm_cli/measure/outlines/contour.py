"""The outline of a silhouette: the middles of the edges between its pixels and the others."""

import torch
from torch import Tensor


def contour(mask_HW: Tensor) -> Tensor:
    """(P, 2) float: x and y, in pixels from the frame's corner, of every edge of a pixel between inside and outside.
    Where the frame ends there is no edge."""
    mask = mask_HW.bool()
    y, x = torch.nonzero(mask[:, 1:] != mask[:, :-1], as_tuple=True)
    upright = torch.stack([x + 1.0, y + 0.5], -1)
    y, x = torch.nonzero(mask[1:] != mask[:-1], as_tuple=True)
    level = torch.stack([x + 0.5, y + 1.0], -1)
    points = torch.cat([upright, level])
    # in order of the turn around the middle, so that any even choice of them is spread over the outline
    middle = points.mean(0, keepdim=True)
    return points[torch.atan2(*(points - middle).T.flip(0)).argsort()].float()
