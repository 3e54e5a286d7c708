"""Fit the renderer's own parameters of a shape to a silhouette: the nearest render, and how far from it the outline is.

Gauss–Newton steps with damping (Levenberg–Marquardt) from several turns at once, residuals being the signed distances
of the silhouette's outline from the shape's; far ones count less and less, so that in the end the mean distance is
what is small. All objects of a batch at once, in torch, float64 nowhere, on any device.

Legend: N objects, S starts, J parameters (`shapes`), P points of an outline.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

from vldm_cli.measure.outlines import shapes
from vldm_cli.measure.outlines.shapes import PITCH, ROLL, SIZE, SQUASH, TURN, X, Y

PARAMETERS = 7
TOGETHER = 64  # objects that are fitted at once
POINTS = 256  # of an outline that the last steps look at; the first ones look at a quarter of them
ROUGH_STEPS, FINE_STEPS, KEPT = 12, 16, 3
# Steps of finite differences, and how far one step of the fit may go: pixels, log of the size, radians, squash.
DELTA = (0.05, 0.05, 2e-3, 4e-3, 4e-3, 4e-3, 4e-3)
FURTHEST = (6.0, 6.0, 0.15, 0.15, 0.3, 0.3, 0.08)
PITCHES, SQUASHES, TURNS = (0.02, 0.65), (0.66, 1.02), (-0.8, 0.8)
# The model's outline is missed where the silhouette's is further away than its pixels are wide.
BESIDE = 1.0


@dataclass(frozen=True)
class Kind:
    """A shape and what may be done to it: of `turns` (the vertical axis) and `rolls` the starts, one where it cannot be
    seen; free: of the parameters of `shapes`."""

    shape: str
    tilted: bool
    free: tuple[int, ...]
    turns: tuple[float, ...]
    rolls: tuple[float, ...]

    @classmethod
    def of(cls, shape: str, motion: str) -> "Kind":
        """What the renderer does to a shape in this motion."""
        rolls = motion.startswith("rolls")
        free = [X, Y, SIZE]
        turns: tuple[float, ...] = (0.0,)
        turned: tuple[float, ...] = (0.0,)
        tilted = shape == "ring" or (shape == "cylinder" and rolls)
        if shape != "ball":
            free.append(PITCH)
        if rolls and shape in ("cube", "pyramid", "cone"):
            free += [TURN, ROLL]
            turns = (-0.25, 0.25)
            turned = _around(4, np.pi / 2) if shape == "cube" else _around(8, 2 * np.pi)
        elif shape in ("cube", "pyramid"):
            free.append(TURN)
            turns = _around(4, np.pi / 2)
        elif tilted:
            free.append(TURN)
            turns = (-0.25, 0.25) if rolls else _around(8, np.pi)
        if motion in ("bounces", "jumps"):
            free.append(SQUASH)
        return cls(shape, tilted, tuple(free), turns, turned)

    @property
    def starts(self) -> list[tuple[float, float, float]]:
        """(pitch, turn, roll) of each start."""
        pitches = (0.14,) if self.shape == "ball" else (0.12, 0.3)
        return list(product(pitches, self.turns, self.rolls))


@dataclass(frozen=True)
class Fit:
    """The nearest renders: params_NJ, and in pixels signed_NP, the silhouettes' outline points from theirs (NaN where
    there is no point), and distance_N, the mean distance of the two outlines."""

    params_NJ: Tensor
    signed_NP: Tensor
    distance_N: Tensor


def fit(kind: Kind, points: list[Tensor], size: tuple[int, int]) -> Fit:
    """Fit objects of one kind to their silhouettes: points (P_n, 2) of each outline, in pixels of frames of that
    (height, width)."""
    p_NP2, there_NP = _padded(points, POINTS)
    coarse = slice(None, None, 4)
    starts = p_NP2.new_tensor(kind.starts)
    N, S = len(points), len(starts)
    params = _first_guess(kind, points, size, starts)
    rough, cost_NS = _descend(
        kind, params.flatten(0, 1), _repeated(p_NP2[:, coarse], S), _repeated(there_NP[:, coarse], S), size,
        ROUGH_STEPS,
    )  # fmt: skip
    best_NK = cost_NS.view(N, S).topk(min(KEPT, S), largest=False).indices
    K = best_NK.shape[1]
    rough = rough.view(N, S, PARAMETERS).gather(1, best_NK[..., None].expand(-1, -1, PARAMETERS))
    fine, _ = _descend(
        kind, rough.flatten(0, 1), _repeated(p_NP2, K), _repeated(there_NP, K), size, FINE_STEPS
    )
    distance_NK = outline_distance(kind, fine, _repeated(p_NP2, K), _repeated(there_NP, K), size).view(N, K)
    distance_N, k_N = distance_NK.min(1)
    params_NJ = fine.view(N, K, PARAMETERS)[torch.arange(N, device=k_N.device), k_N]
    signed = shapes.outline(kind.shape, kind.tilted, params_NJ, size).distance(p_NP2)
    return Fit(params_NJ, torch.where(there_NP, signed, torch.nan), distance_N)


def fit_all(kinds: Sequence[Kind], points: Sequence[Tensor], size: tuple[int, int]) -> list[Fit]:
    """A fit for each object, those of one kind together; Fits of one row."""
    out: dict[int, Fit] = {}
    for kind in dict.fromkeys(kinds):
        mine = [i for i, other in enumerate(kinds) if other == kind]
        for first in range(0, len(mine), TOGETHER):
            some = mine[first : first + TOGETHER]
            found = fit(kind, [points[i] for i in some], size)
            for row, i in enumerate(some):
                out[i] = Fit(*(values[row : row + 1] for values in vars(found).values()))
    return [out[i] for i in range(len(kinds))]


def outline_distance(
    kind: Kind, params_NJ: Tensor, p_NP2: Tensor, there_NP: Tensor, size: tuple[int, int]
) -> Tensor:
    """Mean distance (N,) of outline points from the shape's outline, and by how much of the shape's outline there is
    none of these within a pixel: a shape that has lost a part, or a ring's hole, is far from it."""
    outline = shapes.outline(kind.shape, kind.tilted, params_NJ, size)
    away = outline.distance(p_NP2).abs() * there_NP
    mean_N = away.sum(1) / there_NP.sum(1).clamp_min(1)
    corners_NM2, on_NM = outline.corners()
    H, W = size
    inside = ((corners_NM2 > 1) & (corners_NM2 < corners_NM2.new_tensor([W - 1, H - 1]))).all(-1)
    counted = (inside & on_NM).float()
    far = torch.where(
        there_NP[:, None],
        torch.cdist(corners_NM2, p_NP2, compute_mode="donot_use_mm_for_euclid_dist"),
        shapes.FAR_AWAY,
    ).amin(-1)
    spacing_N = _spacing(corners_NM2, on_NM, there_NP)
    missed = (far - BESIDE - spacing_N[:, None]).clamp_min(0) * counted
    return mean_N + missed.sum(1) / counted.sum(1).clamp_min(1)


def _spacing(corners_NM2: Tensor, on_NM: Tensor, there_NP: Tensor) -> Tensor:
    """(N,) how far apart the outline's points are that were kept, about."""
    hull = corners_NM2[:, : shapes.CORNERS]
    around = (hull - hull.roll(1, 1)).norm(dim=-1).sum(1)
    return around / there_NP.sum(1).clamp_min(1)


def _descend(
    kind: Kind, params: Tensor, p_NP2: Tensor, there_NP: Tensor, size: tuple[int, int], steps: int
) -> tuple[Tensor, Tensor]:
    """Parameters after some steps, and their mean distance."""
    free = list(kind.free)
    delta, furthest = params.new_tensor(DELTA)[free], params.new_tensor(FURTHEST)[free]
    count_N = there_NP.sum(1).clamp_min(1)

    def residuals(at: Tensor) -> Tensor:
        return shapes.outline(kind.shape, kind.tilted, at, size).distance(p_NP2) * there_NP

    damping_N = params.new_full((len(params),), 1e-2)
    r_NP = residuals(params)
    cost_N = r_NP.abs().sum(1) / count_N
    for step in range(steps):
        columns = []
        for j, h in zip(free, delta.tolist(), strict=True):
            moved = params.clone()
            moved[:, j] += h
            columns.append((residuals(moved) - r_NP) / h)
        jacobian_NPF = torch.stack(columns, -1)
        # far residuals count as if they were near (reweighted least squares of the mean distance)
        near = 1.0 if step < steps // 2 else 0.25
        weight_NP = r_NP.abs().clamp_min(near).reciprocal() * there_NP
        a_NFF = torch.einsum("npf,np,npg->nfg", jacobian_NPF, weight_NP, jacobian_NPF)
        b_NF = torch.einsum("npf,np,np->nf", jacobian_NPF, weight_NP, r_NP)
        diagonal = a_NFF.diagonal(dim1=1, dim2=2)
        floor = 1e-4 * diagonal.amax(1, keepdim=True).clamp_min(1e-6)
        a_NFF = a_NFF + torch.diag_embed(damping_N[:, None] * diagonal + floor)
        way_NF = -torch.linalg.solve_ex(a_NFF, b_NF)[0].nan_to_num()
        way_NF = torch.maximum(torch.minimum(way_NF, furthest), -furthest)
        tried = params.clone()
        tried[:, free] += way_NF
        tried = _permitted(kind, tried)
        tried_r = residuals(tried)
        tried_cost = tried_r.abs().sum(1) / count_N
        better = tried_cost < cost_N
        params = torch.where(better[:, None], tried, params)
        r_NP = torch.where(better[:, None], tried_r, r_NP)
        cost_N = torch.where(better, tried_cost, cost_N)
        damping_N = torch.where(better, damping_N * 0.3, damping_N * 6).clamp(1e-6, 1e3)
    return params, cost_N


def _permitted(kind: Kind, params: Tensor) -> Tensor:
    """Parameters as the renderer can have them."""
    params = params.clone()
    params[:, PITCH].clamp_(*PITCHES)
    params[:, SQUASH].clamp_(*SQUASHES)
    if ROLL in kind.free or (kind.tilted and kind.shape == "cylinder"):
        params[:, TURN].clamp_(*TURNS)
    return params


def _first_guess(kind: Kind, points: list[Tensor], size, starts_S3: Tensor) -> Tensor:
    """(N, S, J): in the silhouette's place and about as large, at each start."""
    N, S = len(points), len(starts_S3)
    params = starts_S3.new_zeros(N, S, PARAMETERS)
    corners = torch.stack([torch.cat([p.amin(0), p.amax(0)]) for p in points])
    params[..., X] = corners[:, None, [0, 2]].mean(-1)
    params[..., Y] = corners[:, None, [1, 3]].mean(-1)
    params[..., PITCH], params[..., TURN], params[..., ROLL] = starts_S3.T
    params[..., SQUASH] = 0.95 if SQUASH in kind.free else 1.0
    # the size of the picture of a unit shape is about its radius; made as wide and high as the silhouette
    params[..., SIZE] = -2.0
    hull = shapes.outline(kind.shape, kind.tilted, params.flatten(0, 1), size).hull_NV2.view(N, S, -1, 2)
    span = (hull.amax(2) - hull.amin(2)).sum(-1)
    wanted = (corners[:, 2:] - corners[:, :2]).sum(-1)
    params[..., SIZE] += (wanted[:, None] / span).log()
    hull = shapes.outline(kind.shape, kind.tilted, params.flatten(0, 1), size).hull_NV2.view(N, S, -1, 2)
    off = (hull.amax(2) + hull.amin(2)) / 2 - params[..., [X, Y]]
    params[..., [X, Y]] -= off
    return params


def _around(n: int, period: float) -> tuple[float, ...]:
    return tuple(float(period * k / n) for k in range(n))


def _padded(points: list[Tensor], most: int) -> tuple[Tensor, Tensor]:
    """(N, P, 2) points, evenly thinned out to no more than `most`, and (N, P) bool: where there is one."""
    kept = [p[torch.linspace(0, len(p) - 1, min(most, len(p))).long().to(p.device)] for p in points]
    out = kept[0].new_zeros(len(kept), most, 2)
    there = torch.zeros(len(kept), most, dtype=torch.bool, device=out.device)
    for i, p in enumerate(kept):
        # spread over the row, so that every fourth is a sample of all
        at = torch.linspace(0, most - 1, len(p)).long().to(p.device)
        out[i, at] = p
        there[i, at] = True
    return out, there


def _repeated(x: Tensor, times: int) -> Tensor:
    return x.repeat_interleave(times, 0)
