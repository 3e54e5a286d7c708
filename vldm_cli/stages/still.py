"""What rests between two known frames stays at rest.

Each interpolated frame has noise of its own, and what is left of it flickers where nothing moves. There its latents
lie near the straight line between those of its known neighbours, and are put onto it: soft thresholding (Donoho 1995,
"De-noising by soft-thresholding") of what departs from that line, cell by cell, with the cells around.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

# From the threshold to this many times it, what departs comes in smoothly; beyond it is as it was made.
WHOLE = 2.0


def held_still(z_TCHW: Tensor, every: int, threshold: float) -> Tensor:
    """Latents (T, C, h, w) of a window whose frames 0, every, 2·every, … T − 1 are known, and stay as they are.
    threshold: of the departure from the line, a root mean square over channels and 3×3 cells."""
    T = len(z_TCHW)
    number_T = torch.arange(T, device=z_TCHW.device)
    known_KCHW, before_T = z_TCHW[::every], number_T // every
    after_T = (before_T + 1).clamp_max(len(known_KCHW) - 1)
    share_T = (number_T % every / every).to(z_TCHW.dtype)
    line_TCHW = torch.lerp(known_KCHW[before_T], known_KCHW[after_T], share_T[:, None, None, None])
    power_T1HW = (z_TCHW - line_TCHW).square().mean(1, keepdim=True)
    around_T1HW = F.avg_pool2d(F.pad(power_T1HW, (1, 1, 1, 1), mode="replicate"), 3, 1).sqrt()
    u = ((around_T1HW / threshold - 1) / (WHOLE - 1)).clamp(0, 1)
    # the cells beside one that moves go with it, for an outline runs through several
    moves_T1HW = F.max_pool2d(u * u * (3 - 2 * u), 3, 1, 1)
    return torch.lerp(line_TCHW, z_TCHW, moves_T1HW)
