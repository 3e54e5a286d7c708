"""What rests stays at rest.

Each frame has noise of its own, and what is left of it in a made frame flickers where nothing moves. There latents
differ little: keyframes from what was there before, interpolated ones from the straight line between their known
neighbours. Such differences are taken away: soft thresholding (Donoho 1995, "De-noising by soft-thresholding"), cell
by cell, with the cells around.
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
    return torch.lerp(line_TCHW, z_TCHW, _moving(_departure(z_TCHW, line_TCHW), threshold))


def kept_at_rest(z_TCHW: Tensor, known: int, threshold: float) -> Tensor:
    """Keyframes' latents (T, C, h, w) of a window whose first `known` frames were there before, and stay as they are. A
    cell rests that does so in the whole window, or what moves slowly would go by jerks: it stays what it is in the last
    known frame, or without one its mean. threshold: as in `held_still`."""
    rest_1CHW = z_TCHW[known - 1 : known] if known else z_TCHW.mean(0, keepdim=True)
    departure_1HW = _departure(z_TCHW, rest_1CHW).amax(0, keepdim=True)
    made_TCHW = torch.lerp(rest_1CHW, z_TCHW, _moving(departure_1HW, threshold))
    return torch.cat([z_TCHW[:known], made_TCHW[known:]])


def _departure(z_TCHW: Tensor, from_TCHW: Tensor) -> Tensor:
    """(T, 1, h, w) root mean squares over channels and 3×3 cells."""
    power_T1HW = (z_TCHW - from_TCHW).square().mean(1, keepdim=True)
    return F.avg_pool2d(F.pad(power_T1HW, (1, 1, 1, 1), mode="replicate"), 3, 1).sqrt()


def _moving(departure_T1HW: Tensor, threshold: float) -> Tensor:
    """How much of a departure stays, 0 … 1."""
    u = ((departure_T1HW / threshold - 1) / (WHOLE - 1)).clamp(0, 1)
    # the cells beside one that moves go with it, for an outline runs through several
    return F.max_pool2d(u * u * (3 - 2 * u), 3, 1, 1)
