"""Fit the renderer's own parameters of a shape to a silhouette: the nearest render, and how far from it the outline is.

Gauss–Newton steps with damping (Levenberg–Marquardt) from several turns at once, residuals being the signed distances
of the silhouette's outline from the shape's; far ones count less and less, so that in the end the mean distance is
what is small. All objects at once, whatever their kinds, in torch, on any device: a small step for many objects takes
a GPU no longer than for one.

Legend: N objects, R rows: the starts of every object, J parameters (`shapes`), M rows with one of its free parameters
moved, P points of an outline.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from vldm_cli.measure.outlines import shapes
from vldm_cli.measure.outlines.kind import PARAMETERS, Kind
from vldm_cli.measure.outlines.nearest import nearest
from vldm_cli.measure.outlines.shapes import PITCH, ROLL, SIZE, SQUASH, TURN, Solids, X, Y

TOGETHER = 512  # objects that are fitted at once
POINTS = 256  # of an outline that the last steps look at; the first ones look at a quarter of them
ROUGH_STEPS, FINE_STEPS, KEPT = 12, 16, 3
# Steps of finite differences, and how far one step of the fit may go: pixels, log of the size, radians, squash.
DELTA = (0.05, 0.05, 2e-3, 4e-3, 4e-3, 4e-3, 4e-3)
FURTHEST = (6.0, 6.0, 0.15, 0.15, 0.3, 0.3, 0.08)
# The model's outline is missed where the silhouette's is further away than its pixels are wide.
BESIDE = 1.0


@dataclass(frozen=True)
class Fit:
    """The nearest renders, on the CPU: params_NJ, and in pixels signed_NP, the silhouettes' outline points from theirs
    (NaN where there is no point), and distance_N, the mean distance of the two outlines."""

    params_NJ: Tensor
    signed_NP: Tensor
    distance_N: Tensor


class _Rows:
    """Rows to be fitted, each of the object `owner` says, and what is always the same of them."""

    def __init__(self, kinds: Sequence[Kind], owner: list[int], p_NP2: Tensor, there_NP: Tensor) -> None:
        device = p_NP2.device
        mine = [kinds[i] for i in owner]
        index = torch.tensor(owner, device=device)
        self.solids = Solids.of([kind.shape for kind in mine], [kind.tilted for kind in mine], device)
        self.p_RP2, self.there_RP = p_NP2[index], there_NP[index]
        self.count_R = self.there_RP.sum(1).clamp_min(1)
        moves = [(row, j) for row, kind in enumerate(mine) for j in kind.free]
        rows, free = zip(*moves, strict=True)
        self.row_M, free_M = torch.tensor(rows, device=device), torch.tensor(free, device=device)
        self.place_M = self.row_M * PARAMETERS + free_M
        self.moved = self.solids.rows(rows, self.row_M)
        self.p_MP2, self.there_MP = self.p_RP2[self.row_M], self.there_RP[self.row_M]
        delta_J = torch.tensor(DELTA, device=device)
        self.delta_M1, self.shift_MJ = delta_J[free_M, None], delta_J.diag()[free_M]
        bounds = torch.tensor([kind.bounds for kind in mine], device=device)
        self.low_RJ, self.high_RJ = bounds.unbind(1)

    def residuals(self, params_RJ: Tensor, size: tuple[int, int]) -> Tensor:
        """(R, P)"""
        return shapes.outline(self.solids, params_RJ, size).distance(self.p_RP2) * self.there_RP

    def jacobian(self, params_RJ: Tensor, r_RP: Tensor, size: tuple[int, int]) -> Tensor:
        """(R, J, P): finite differences; 0 for parameters that are not free."""
        moved_MJ = params_RJ[self.row_M] + self.shift_MJ
        r_MP = shapes.outline(self.moved, moved_MJ, size).distance(self.p_MP2) * self.there_MP
        out = r_RP.new_zeros(len(r_RP) * PARAMETERS, r_RP.shape[1])
        out.index_copy_(0, self.place_M, (r_MP - r_RP[self.row_M]) / self.delta_M1)
        return out.view(len(r_RP), PARAMETERS, -1)


def fit_all(
    kinds: Sequence[Kind], points: Sequence[Tensor], size: tuple[int, int], device="cpu"
) -> list[Fit]:
    """A fit, of one row, for each object: its kind and the points (P_n, 2) of its silhouette's outline, in pixels of
    frames of that (height, width). device: where it is reckoned."""
    out: dict[int, Fit] = {}
    order = sorted(range(len(kinds)), key=lambda i: (kinds[i].shape, kinds[i].tilted, kinds[i].free))
    for first in range(0, len(order), TOGETHER):
        some = order[first : first + TOGETHER]
        found = _fit([kinds[i] for i in some], [points[i] for i in some], size, device)
        for row, i in enumerate(some):
            out[i] = Fit(*(values[row : row + 1] for values in vars(found).values()))
    return [out[i] for i in range(len(kinds))]


def _fit(kinds: Sequence[Kind], points: Sequence[Tensor], size: tuple[int, int], device) -> Fit:
    """Fits of N objects, those of one shape next to each other."""
    p_NP2, there_NP = (x.to(device) for x in _padded(points, POINTS))
    device = p_NP2.device
    counts = [len(kind.starts) for kind in kinds]
    owner, place, first_N = _places(counts, device)
    coarse = slice(None, None, 4)
    rows = _Rows(kinds, owner, p_NP2[:, coarse], there_NP[:, coarse])
    rough_RJ, cost_R = _descend(rows, _first_guess(rows, kinds, owner, points, size), size, ROUGH_STEPS)
    # the best of each object's
    best_NK = _spread(cost_R, place, counts).topk(min(KEPT, max(counts)), largest=False).indices
    row_NK = first_N[:, None] + best_NK
    counts = [min(KEPT, count) for count in counts]
    owner, place, first_N = _places(counts, device)
    rows = _Rows(kinds, owner, p_NP2, there_NP)
    fine_RJ, _ = _descend(rows, rough_RJ[row_NK.flatten()[place]], size, FINE_STEPS)
    distance_R = outline_distance(rows.solids, fine_RJ, rows.p_RP2, rows.there_RP, size)
    distance_N, k_N = _spread(distance_R, place, counts).min(1)
    params_NJ = fine_RJ[first_N + k_N]
    solids = Solids.of([kind.shape for kind in kinds], [kind.tilted for kind in kinds], device)
    signed_NP = shapes.outline(solids, params_NJ, size).distance(p_NP2)
    return Fit(params_NJ.cpu(), torch.where(there_NP, signed_NP, torch.nan).cpu(), distance_N.cpu())


def _places(counts: Sequence[int], device) -> tuple[list[int], Tensor, Tensor]:
    """Of objects that have so many rows each: the object of each row, its place (R,) in a table of as many columns as
    the most have, and the first row (N,) of each object."""
    owner = [i for i, count in enumerate(counts) for _ in range(count)]
    place = [i * max(counts) + k for i, count in enumerate(counts) for k in range(count)]
    first = list(accumulate(counts[:-1], initial=0))
    return owner, torch.tensor(place, device=device), torch.tensor(first, device=device)


def _spread(x_R: Tensor, place_R: Tensor, counts: Sequence[int]) -> Tensor:
    """The rows' numbers as such a table; infinity where there is none, less where one is no number."""
    out = x_R.new_full((len(counts) * max(counts),), torch.inf)
    out[place_R] = x_R.nan_to_num(nan=shapes.FAR_AWAY)
    return out.view(len(counts), -1)


def outline_distance(
    solids_N: Solids, params_NJ: Tensor, p_NP2: Tensor, there_NP: Tensor, size: tuple[int, int]
) -> Tensor:
    """Mean distance (N,) of outline points from the shape's outline, and by how much of the shape's outline there is
    none of these within a pixel: a shape that has lost a part, or a ring's hole, is far from it."""
    outline = shapes.outline(solids_N, params_NJ, size)
    away = outline.distance(p_NP2).abs() * there_NP
    mean_N = away.sum(1) / there_NP.sum(1).clamp_min(1)
    corners_NM2, on_NM = outline.corners()
    H, W = size
    inside = ((corners_NM2 > 1) & (corners_NM2 < corners_NM2.new_tensor([W - 1, H - 1]))).all(-1)
    counted = (inside & on_NM).float()
    far_NM = nearest(corners_NM2, torch.where(there_NP[..., None], p_NP2, shapes.FAR_AWAY))
    spacing_N = _spacing(corners_NM2, there_NP)
    missed = (far_NM - BESIDE - spacing_N[:, None]).clamp_min(0) * counted
    return mean_N + missed.sum(1) / counted.sum(1).clamp_min(1)


def _spacing(corners_NM2: Tensor, there_NP: Tensor) -> Tensor:
    """(N,) how far apart the outline's points are that were kept, about."""
    hull = corners_NM2[:, : shapes.CORNERS]
    around = (hull - hull.roll(1, 1)).norm(dim=-1).sum(1)
    return around / there_NP.sum(1).clamp_min(1)


def _descend(rows: _Rows, params_RJ: Tensor, size: tuple[int, int], steps: int) -> tuple[Tensor, Tensor]:
    """Parameters after some steps, and their mean distance."""
    furthest_J = params_RJ.new_tensor(FURTHEST)
    damping_R = params_RJ.new_full((len(params_RJ),), 1e-2)
    r_RP = rows.residuals(params_RJ, size)
    cost_R = r_RP.abs().sum(1) / rows.count_R
    for step in range(steps):
        jacobian_RJP = rows.jacobian(params_RJ, r_RP, size)
        # far residuals count as if they were near (reweighted least squares of the mean distance)
        near = 1.0 if step < steps // 2 else 0.25
        weighed_RJP = jacobian_RJP * (r_RP.abs().clamp_min(near).reciprocal() * rows.there_RP)[:, None]
        a_RJJ = weighed_RJP @ jacobian_RJP.mT
        b_RJ = (weighed_RJP @ r_RP[..., None])[..., 0]
        diagonal = a_RJJ.diagonal(dim1=1, dim2=2)
        # a parameter that is not free has this alone, and does not move
        floor = 1e-4 * diagonal.amax(1, keepdim=True).clamp_min(1e-6)
        a_RJJ = a_RJJ + torch.diag_embed(damping_R[:, None] * diagonal + floor)
        way_RJ = -torch.linalg.solve_ex(a_RJJ, b_RJ)[0].nan_to_num()
        way_RJ = torch.maximum(torch.minimum(way_RJ, furthest_J), -furthest_J)
        tried_RJ = (params_RJ + way_RJ).clamp(rows.low_RJ, rows.high_RJ)
        tried_RP = rows.residuals(tried_RJ, size)
        tried_R = tried_RP.abs().sum(1) / rows.count_R
        better = tried_R < cost_R
        params_RJ = torch.where(better[:, None], tried_RJ, params_RJ)
        r_RP = torch.where(better[:, None], tried_RP, r_RP)
        cost_R = torch.where(better, tried_R, cost_R)
        damping_R = torch.where(better, damping_R * 0.3, damping_R * 6).clamp(1e-6, 1e3)
    return params_RJ, cost_R


def _first_guess(
    rows: _Rows, kinds: Sequence[Kind], owner: list[int], points: Sequence[Tensor], size
) -> Tensor:
    """(R, J): in the silhouette's place and about as large, at each start."""
    corners_N4 = torch.stack([torch.cat([p.amin(0), p.amax(0)]) for p in points])
    corners_R4 = corners_N4[owner]
    params = torch.zeros(len(owner), PARAMETERS)
    params[:, [X, Y]] = (corners_R4[:, :2] + corners_R4[:, 2:]) / 2
    params[:, [PITCH, TURN, ROLL]] = torch.tensor([start for kind in kinds for start in kind.starts])
    params[:, SQUASH] = torch.tensor([0.95 if SQUASH in kinds[i].free else 1.0 for i in owner])
    # the size of the picture of a unit shape is about its radius; made as wide and high as the silhouette
    params[:, SIZE] = -2.0
    params, corners_R4 = params.to(rows.p_RP2.device), corners_R4.to(rows.p_RP2.device)
    hull = shapes.outline(rows.solids, params, size).hull_NV2
    span = (hull.amax(1) - hull.amin(1)).sum(-1)
    wanted = (corners_R4[:, 2:] - corners_R4[:, :2]).sum(-1)
    params[:, SIZE] += (wanted / span).log()
    hull = shapes.outline(rows.solids, params, size).hull_NV2
    params[:, : Y + 1] -= (hull.amax(1) + hull.amin(1)) / 2 - params[:, : Y + 1]
    return params


def _padded(points: Sequence[Tensor], most: int) -> tuple[Tensor, Tensor]:
    """(N, P, 2) points, evenly thinned out to no more than `most`, and (N, P) bool: where there is one."""
    out = torch.zeros(len(points), most, 2)
    there = torch.zeros(len(points), most, dtype=torch.bool)
    for i, p in enumerate(points):
        kept = p[torch.linspace(0, len(p) - 1, min(most, len(p))).long()]
        # spread over the row, so that every fourth is a sample of all
        at = torch.linspace(0, most - 1, len(kept)).long()
        out[i, at] = kept
        there[i, at] = True
    return out, there
