"""Motion between two frames, dense, coarse to fine: candidates tried by block matching, then refined (Lucas–Kanade).

Everything is asked at a time t between the frames: `v` at pixel x means that what is at x − t·v in the first frame is
at x + (1 − t)·v in the second one. So t = 0 gives the flow on the first frame's pixels, t = 1 the same motion on the
second one's, and a time between them gives the motion through the frame that is to be made, which has no holes.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.motion.constants import constant

SMALLEST = 12  # pixels: no level of the pyramid is smaller
AGGREGATE = 9  # block matching compares squares of this side …
SMALL, COARSE_AGGREGATE = 60, 5  # (on levels smaller than this smaller ones, or small things are lost) …
WINDOW = 7  # … and Lucas–Kanade fits one motion to squares of this one
TRUNCATE = 0.15  # differences count up to here (of the whole range): what is hidden decides nothing
LIT, SURROUNDINGS = 0.8, 15  # how much of the mean brightness of so large a square is left out of it
STRAY = 0.0012  # what a pixel's distance from its neighbourhood's motion costs, a pixel
DAMPING = 2e-4
NEAR = [(x, y) for y in (-1, 0, 1) for x in (-1, 0, 1)]
# On the coarsest level, where a step is a long way.
FAR = [(x, y) for y in range(-3, 4) for x in range(-3, 4)]


def pyramid(y_N1HW: Tensor, least: int = SMALLEST) -> list[Tensor]:
    """Levels of brightness and its two slopes (N, 3, H, W), the finest first. Brightness in [0, 1]."""
    levels = []
    while True:
        levels.append(_features(y_N1HW))
        height, width = y_N1HW.shape[-2:]
        if min(height, width) < 2 * least:
            return levels
        y_N1HW = F.avg_pool2d(y_N1HW, 2, ceil_mode=True, count_include_pad=False)


def motion(
    a: list[Tensor], b: list[Tensor], t: float, finest: int = 0, beyond: float | None = None
) -> Tensor:
    """v (N, 2, H, W) in pixels of level `finest`, from the pyramids of both frames, sought from the coarsest on.
    beyond: see `mismatch`."""
    v: Tensor | None = None
    for level in range(len(a) - 1, finest - 1, -1):
        one, two = a[level], b[level]
        if v is None:
            v, _ = _best(one, two, t, one.new_zeros(len(one), 2, *one.shape[-2:]), None, [], FAR, (), beyond)
        else:
            v = doubled(v, (one.shape[-2], one.shape[-1]))
        v = settled(one, two, t, [v], beyond=beyond)
    assert v is not None  # pyramids reach to `finest` at least
    return v


def settled(
    one: Tensor,
    two: Tensor,
    t: float,
    hints: list[Tensor],
    search: bool = True,
    beyond: float | None = None,
) -> Tensor:
    """The motion at one level of the pyramids from one or several guesses at it: the best of them at each pixel and,
    with `search`, of what is beside it; then refined. beyond: see `mismatch`."""
    near, reaches = (NEAR, (3, 9)) if search else ([], ())
    v, cost = _best(one, two, t, hints[0], None, hints[1:], near, reaches, beyond)
    if search:
        v, cost = _best(one, two, t, v, cost, [], [], (2, 6), beyond)
    for _ in range(3 if search else 2):
        v, cost = _refined(one, two, t, v, cost, beyond)
    return median(v)


def doubled(v_N2HW: Tensor, size: tuple[int, int]) -> Tensor:
    """The motion at the next finer level, which is of that size."""
    large = 2 * F.interpolate(v_N2HW, scale_factor=2, mode="bilinear", align_corners=False)
    return large[..., : size[0], : size[1]]


def warp(x_NCHW: Tensor, v_N2HW: Tensor, mode: str = "bilinear") -> Tensor:
    """x fetched from where v points to, in pixels of x, of which v's pixels are the first. Beyond the border: the
    border."""
    height, width = x_NCHW.shape[-2:]
    y, x = torch.meshgrid(
        *(torch.arange(side, device=v_N2HW.device, dtype=v_N2HW.dtype) for side in v_N2HW.shape[-2:]),
        indexing="ij",
    )
    grid = torch.stack(
        [(2 * (x + v_N2HW[:, 0]) + 1) / width - 1, (2 * (y + v_N2HW[:, 1]) + 1) / height - 1], -1
    )
    return F.grid_sample(x_NCHW, grid, mode=mode, padding_mode="border", align_corners=False)


def mismatch(one: Tensor, two: Tensor, t: float, v: Tensor, beyond: float | None = None) -> Tensor:
    """(N, 1, H, W): how unlike both ends of a motion are, over small squares. beyond: how unlike they count as where
    one of them is out of the picture; None: as the border is."""
    apart = (_at(one, t, v, first=True) - _at(two, t, v, first=False)).abs().clamp_max(TRUNCATE)
    apart = apart.mean(1, keepdim=True)
    if beyond is not None:
        apart = torch.where(inside(-t * v) & inside((1 - t) * v), apart, beyond)
    return _mean(apart, COARSE_AGGREGATE if min(one.shape[-2:]) < SMALL else AGGREGATE)


def inside(v_N2HW: Tensor) -> Tensor:
    """(N, 1, H, W) bool: whether v points into the picture."""
    H, W = v_N2HW.shape[-2:]
    y = torch.arange(H, device=v_N2HW.device)[:, None] + v_N2HW[:, 1]
    x = torch.arange(W, device=v_N2HW.device) + v_N2HW[:, 0]
    return ((x > -1) & (x < W) & (y > -1) & (y < H))[:, None]


def median(v_N2HW: Tensor) -> Tensor:
    """The median of each component over three pixels across and then three down: no lone pixel moves otherwise."""
    for axis in (-1, -2):
        length = v_N2HW.shape[axis]
        index = torch.arange(length, device=v_N2HW.device)
        before = v_N2HW.index_select(axis, (index - 1).clamp(0))
        after = v_N2HW.index_select(axis, (index + 1).clamp(max=length - 1))
        low, high = torch.minimum(before, after), torch.maximum(before, after)
        v_N2HW = torch.minimum(torch.maximum(v_N2HW, low), high)
    return v_N2HW


def _features(y_N1HW: Tensor) -> Tensor:
    padded = F.pad(y_N1HW, (1, 1, 1, 1), mode="replicate")
    dx = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    dy = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    # Most of the brightness about a pixel is left out: light and exposure change without anything moving.
    return torch.cat([y_N1HW - LIT * _mean(y_N1HW, SURROUNDINGS), 2 * dx, 2 * dy], 1)


def _at(x: Tensor, t: float, v: Tensor, first: bool) -> Tensor:
    part = -t if first else 1 - t
    return warp(x, part * v) if part else x


def _best(
    one: Tensor,
    two: Tensor,
    t: float,
    v: Tensor,
    cost: Tensor | None,
    others: list[Tensor],
    steps: list[tuple[int, int]],
    reaches: tuple[int, ...],
    beyond: float | None,
) -> tuple[Tensor, Tensor]:
    """Of many motions at each pixel the one whose ends are most alike, and how unlike they are: its own (`cost`, if
    known), `others`, those `steps` beside it, and its neighbours' at the distances `reaches`."""
    middle = F.avg_pool2d(v, 5, 1, 2, count_include_pad=False)

    def stray(candidate: Tensor) -> Tensor:
        return STRAY * (candidate - middle).square().sum(1, keepdim=True).sqrt()

    candidates = [*others]
    candidates += [v + constant(step, v) for step in steps if step != (0, 0)]
    candidates += [_shifted(v, x * n, y * n) for n in reaches for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1))]
    best, kept = v, mismatch(one, two, t, v, beyond) if cost is None else cost
    lowest = kept + stray(v)
    for candidate in candidates:
        apart = mismatch(one, two, t, candidate, beyond)
        total = apart + stray(candidate)
        better = total < lowest
        best, kept = torch.where(better, candidate, best), torch.where(better, apart, kept)
        lowest = torch.minimum(total, lowest)
    return best, kept


def _refined(
    one: Tensor, two: Tensor, t: float, v: Tensor, cost: Tensor, beyond: float | None
) -> tuple[Tensor, Tensor]:
    """One Gauss–Newton step of every window's own motion, where it makes the ends more alike."""
    p, q = _at(one, t, v, first=True), _at(two, t, v, first=False)
    # The slopes are features already (twice the derivative).
    dx, dy = ((t * p[:, i : i + 1] + (1 - t) * q[:, i : i + 1]) / 2 for i in (1, 2))
    dt = (q - p)[:, :1]
    sure = 1 / (1 + (dt / 0.05).square())
    xx, yy, xy, xt, yt = _mean(
        sure * torch.cat([dx * dx, dy * dy, dx * dy, dx * dt, dy * dt], 1), WINDOW
    ).split(1, 1)
    xx, yy = xx + DAMPING, yy + DAMPING
    step = torch.cat([xy * yt - yy * xt, xy * xt - xx * yt], 1) / (xx * yy - xy * xy)
    moved = v + step.clamp(-1, 1)
    apart = mismatch(one, two, t, moved, beyond)
    better = apart < cost
    return torch.where(better, moved, v), torch.where(better, apart, cost)


def _shifted(v: Tensor, x: int, y: int) -> Tensor:
    """The motion of the pixel x to the right and y below; at the border that of the border."""
    height, width = v.shape[-2:]
    rows = (torch.arange(height, device=v.device) + y).clamp(0, height - 1)
    columns = (torch.arange(width, device=v.device) + x).clamp(0, width - 1)
    return v[:, :, rows][:, :, :, columns]


def _mean(x: Tensor, side: int) -> Tensor:
    across = F.avg_pool2d(x, (1, side), 1, (0, side // 2), count_include_pad=False)
    return F.avg_pool2d(across, (side, 1), 1, (side // 2, 0), count_include_pad=False)
