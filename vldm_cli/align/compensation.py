"""Motion compensation: temporal layers that fetch from a neighbouring frame what is at the same place *of the picture*.

A 3×1×1 convolution sees one place of three frames. Where something moves, these are places of different things, and
what they have in common has to be found by the layers around. Upscalers see the frames that they enlarge, so the motion
is known beforehand: the neighbours' features are brought along it first (as in Caballero et al. 2017, "Real-Time Video
Super-Resolution with Spatio-Temporal Networks and Motion Compensation", there for frames; for features, Chan et al.
2021, BasicVSR).
"""

import torch
from torch import Tensor

from vldm_cli.align.flow import fetch, flow, grid_of

Grids = tuple[Tensor, Tensor]
"""Places (N, H, W, 2) in the frame before and in the one after, as `flow.fetch` takes them."""


@torch.no_grad()
def neighbours(x_BTCHW: Tensor) -> Grids:
    """Where the contents of frames in [−1, 1] are found in the frames beside them, N = B·T. The first frame has itself
    before it, the last one itself after it; so frames that are all alike stay so."""
    B, T, _, H, W = x_BTCHW.shape
    still_B12HW = torch.zeros(B, 1, 2, H, W, device=x_BTCHW.device)
    if T == 1:
        return (grid_of(still_B12HW.flatten(0, 1)),) * 2
    with torch.autocast(x_BTCHW.device.type, enabled=False):
        one, two = x_BTCHW[:, :-1].flatten(0, 1).float(), x_BTCHW[:, 1:].flatten(0, 1).float()
        forth, back = (v.unflatten(0, (B, T - 1)) for v in (flow(one, two), flow(two, one)))
    before, after = torch.cat([still_B12HW, back], 1), torch.cat([forth, still_B12HW], 1)
    return grid_of(before.flatten(0, 1)), grid_of(after.flatten(0, 1))


def fetched(h_NCHW: Tensor, frames: int, grids: Grids) -> Tensor:
    """What each frame of videos of so many finds before it, its own, and what it finds after it: (N, 3·C, H, W)."""
    h_BTCHW = h_NCHW.unflatten(0, (-1, frames))
    before = torch.cat([h_BTCHW[:, :1], h_BTCHW[:, :-1]], 1).flatten(0, 1)
    after = torch.cat([h_BTCHW[:, 1:], h_BTCHW[:, -1:]], 1).flatten(0, 1)
    before, after = (
        fetch(x.float(), grid).to(h_NCHW.dtype) for x, grid in zip((before, after), grids, strict=True)
    )
    return torch.cat([before, h_NCHW, after], 1)
