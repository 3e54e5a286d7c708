"""Optical flow by pyramidal Lucas–Kanade (Lucas & Kanade 1981; Bouguet 2001), dense, in a few lines of torch.

Good for the small motions between neighbouring frames that the warping error is about; not a flow network.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

LEVELS, ITERATIONS, WINDOW = 4, 4, 9
# Where a window has no texture its flow stays what the coarser level says.
DAMPING = 1e-3
# So far may forward and backward flow disagree (Sundaram et al. 2010).
SLACK, RELATIVE_SLACK = 0.5, 0.01


def flow(a_NCHW: Tensor, b_NCHW: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """(N, 2, H, W): by how many pixels (x, y) each pixel of `a` has moved in `b`; frames in [−1, 1]. iterations: on
    every level of the pyramid."""
    pyramid = [(a_NCHW.float().mean(1, keepdim=True), b_NCHW.float().mean(1, keepdim=True))]
    while len(pyramid) < LEVELS and min(pyramid[-1][0].shape[-2:]) >= 4 * WINDOW:
        pyramid.append((F.avg_pool2d(pyramid[-1][0], 2), F.avg_pool2d(pyramid[-1][1], 2)))
    flow_N2HW: Tensor | None = None
    for a, b in reversed(pyramid):
        H, W = a.shape[-2:]
        if flow_N2HW is None:
            flow_N2HW = a.new_zeros(len(a), 2, H, W)
        else:
            flow_N2HW = 2 * F.interpolate(flow_N2HW, size=(H, W), mode="bilinear", align_corners=False)
        for _ in range(iterations):
            flow_N2HW = refined(a, b, flow_N2HW)
    assert flow_N2HW is not None  # a pyramid has a level at least
    return flow_N2HW


def warp(x_NCHW: Tensor, flow_N2HW: Tensor) -> Tensor:
    """`x` fetched from where the flow points to: frame b on frame a's pixels. Beyond the border: the border."""
    H, W = flow_N2HW.shape[-2:]
    place = _pixels(flow_N2HW) + flow_N2HW
    grid = torch.stack([2 * place[:, 0] / max(1, W - 1) - 1, 2 * place[:, 1] / max(1, H - 1) - 1], -1)
    return F.grid_sample(x_NCHW, grid, mode="bilinear", padding_mode="border", align_corners=True)


def visible(forward_N2HW: Tensor, backward_N2HW: Tensor) -> Tensor:
    """(N, 1, H, W) bool: pixels of `a` that are still in the picture in `b` and found again going back."""
    H, W = forward_N2HW.shape[-2:]
    place = _pixels(forward_N2HW) + forward_N2HW
    inside = (place[:, 0] >= 0) & (place[:, 0] <= W - 1) & (place[:, 1] >= 0) & (place[:, 1] <= H - 1)
    back = warp(backward_N2HW, forward_N2HW)
    gap = (forward_N2HW + back).square().sum(1)
    size = forward_N2HW.square().sum(1) + back.square().sum(1)
    return (inside & (gap < RELATIVE_SLACK * size + SLACK))[:, None]


def refined(a: Tensor, b: Tensor, flow_N2HW: Tensor) -> Tensor:
    """One Gauss–Newton step of every window's own displacement, then smoothed; a, b: brightness (N, 1, H, W) in
    [−1, 1]."""
    moved = warp(b, flow_N2HW)
    dx, dy = ((_slope(a, axis) + _slope(moved, axis)) / 2 for axis in (-1, -2))
    dt = moved - a
    xx, yy, xy, xt, yt = _mean(torch.cat([dx * dx, dy * dy, dx * dy, dx * dt, dy * dt], 1), WINDOW).split(
        1, 1
    )
    xx, yy = xx + DAMPING, yy + DAMPING
    determinant = (xx * yy - xy * xy).clamp_min(1e-9)
    step = torch.cat([xy * yt - yy * xt, xy * xt - xx * yt], 1) / determinant
    return _mean(flow_N2HW + step.clamp(-1, 1), 3)


def _slope(x: Tensor, axis: int) -> Tensor:
    return torch.gradient(x, dim=axis)[0]


def _mean(x_NCHW: Tensor, side: int) -> Tensor:
    """The mean over a window of odd side around each pixel, of as much of it as is in the picture. Sums of two numbers,
    of four, of eight, each of two sums before it: on a CPU several times as fast as `avg_pool2d`."""
    reach = side // 2
    for axis in (-1, -2):
        length = x_NCHW.shape[axis]
        x = F.pad(x_NCHW, (reach, reach, 0, 0) if axis == -1 else (0, 0, reach, reach))
        total, done, span = None, 0, 1
        while True:
            if side & span:
                part = x.narrow(axis, done, length)
                total, done = part if total is None else total + part, done + span
            span *= 2
            if span > side:
                break
            size = x.shape[axis] - span // 2
            x = x.narrow(axis, 0, size) + x.narrow(axis, span // 2, size)
        assert total is not None  # an odd side has its lowest bit set
        x_NCHW = total
    return x_NCHW / _counts(x_NCHW, reach)


def _counts(x_NCHW: Tensor, reach: int) -> Tensor:
    """(H, W): how many pixels of the window of so many to each side are in the picture."""
    rows, columns = (
        (at + reach).clamp_max(len(at) - 1) - (at - reach).clamp_min(0) + 1
        for at in (torch.arange(side, device=x_NCHW.device) for side in x_NCHW.shape[-2:])
    )
    return (rows[:, None] * columns).to(x_NCHW.dtype)


def _pixels(flow_N2HW: Tensor) -> Tensor:
    H, W = flow_N2HW.shape[-2:]
    y, x = torch.meshgrid(
        torch.arange(H, device=flow_N2HW.device, dtype=flow_N2HW.dtype),
        torch.arange(W, device=flow_N2HW.device, dtype=flow_N2HW.dtype),
        indexing="ij",
    )
    return torch.stack([x, y])[None]
