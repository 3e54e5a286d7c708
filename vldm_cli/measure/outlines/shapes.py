"""The outlines of Toyland's solids in the picture, as the renderer's own parameters make them.

An object is seen from a camera that never leans: where it is in the picture, its size (radius over distance), the
camera's pitch, a turn about the vertical, a roll as `rolls left` rolls, a squash as `bounces` and `jumps` have it.
Everything else that the renderer knows (distance, zoom, pan, the way around it) comes out as one of these.

A solid's outline is the convex hull of points of it; a ring has a hole besides, which is seen where discs overlap.
Legend: N objects, J parameters, P points in the picture (x right, y down, pixels), V corners, L discs of a hole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from vldm_cli.measure.outlines.nearest import flight
from vldm_cli.toyland import solids
from vldm_cli.toyland.camera import TAN_Y
from vldm_cli.toyland.world import SHAPES

X, Y, SIZE, PITCH, TURN, ROLL, SQUASH = range(7)  # size: log of radius / distance; angles: radians
# Points of a circle, directions in which a hull is asked for corners, discs of a hole.
CIRCLE, CORNERS, LEVELS = 48, 96, 5
FAR_AWAY = 1e4


@dataclass(frozen=True)
class Solids:
    """The solids of N rows: `shapes`, those of one shape next to each other; tilted_N1 float: 1 where one lies on its
    side, as rings do and cylinders that roll."""

    shapes: tuple[str, ...]
    tilted_N1: Tensor

    @classmethod
    def of(cls, shapes: Sequence[str], tilted: Sequence[bool], device) -> "Solids":
        return cls(tuple(shapes), torch.tensor(tilted, device=device, dtype=torch.float32)[:, None])

    def rows(self, index: Sequence[int], index_N: Tensor) -> "Solids":
        """Those at `index`, which index_N has on the device; shapes stay together if it is in order."""
        return Solids(tuple(self.shapes[i] for i in index), self.tilted_N1[index_N])

    @cached_property
    def parts(self) -> list[tuple[str, slice]]:
        """Where the rows of each shape are."""
        out, first = [], 0
        for shape, some in groupby(self.shapes):
            out.append((shape, slice(first, first := first + len(list(some)))))
        return out


@dataclass(frozen=True)
class Outline:
    """Corners of N convex outlines, (N, V, 2), in order; of the holes of those rows that are rings the corners of
    discs, (R, L, V', 2), or None."""

    hull_NV2: Tensor
    rings: slice
    hole_RLV2: Tensor | None

    def distance(self, p_NP2: Tensor) -> Tensor:
        """Signed distances (N, P) of points from the outline in pixels, below 0 inside the silhouette."""
        out = _polygon_distance(p_NP2, self.hull_NV2)
        if self.hole_RLV2 is not None:
            out[self.rings] = torch.maximum(out[self.rings], -self._hole_distance(p_NP2[self.rings]))
        return out

    def corners(self) -> tuple[Tensor, Tensor]:
        """Points (N, M, 2) of the outline, and (N, M) bool: those that are on it (a disc's may be hidden)."""
        on_NV = torch.ones_like(self.hull_NV2[..., 0], dtype=torch.bool)
        if self.hole_RLV2 is None:
            return self.hull_NV2, on_NV
        N = len(self.hull_NV2)
        hole = self.hole_RLV2.flatten(1, 2)
        seen = (self._hole_distance(hole) < 0.05) & (_polygon_distance(hole, self.hull_NV2[self.rings]) < 0)
        corners, on = hole.new_zeros(N, hole.shape[1], 2), on_NV.new_zeros(N, hole.shape[1])
        corners[self.rings], on[self.rings] = hole, seen
        return torch.cat([self.hull_NV2, corners], 1), torch.cat([on_NV, on], 1)

    def _hole_distance(self, p_RP2: Tensor) -> Tensor:
        assert self.hole_RLV2 is not None  # asked of rings alone
        R, L = self.hole_RLV2.shape[:2]
        P = p_RP2.shape[1]
        points = p_RP2[:, None].expand(R, L, P, 2).flatten(0, 1)
        return _polygon_distance(points, self.hole_RLV2.flatten(0, 1)).view(R, L, P).amax(1)


def outline(solids_N: Solids, params_NJ: Tensor, size: tuple[int, int]) -> Outline:
    """The outlines of solids in frames of that (height, width)."""
    H, W = size
    linear_N33 = linear(params_NJ, solids_N.tilted_N1)
    pixel = 2 * TAN_Y / H
    x, y = (params_NJ[:, X] - W / 2) * pixel, (H / 2 - params_NJ[:, Y]) * pixel
    center_N3 = torch.stack([x, y, torch.ones_like(x)], -1)
    hulls, rings, hole = [], slice(0, 0), None
    for shape, some in solids_N.parts:
        turned, center = linear_N33[some], center_N3[some]
        if shape == "ball":
            hulls.append(_seen(_horizon(turned, center), turned, center, size))
            continue
        points = _points(shape, params_NJ.device).expand(len(turned), -1, -1)
        hulls.append(_hull(_seen(points, turned, center, size)))
        if shape == "ring":
            rings = some
            discs = _hole(params_NJ.device).flatten(0, 1).expand(len(turned), -1, -1)
            hole = _seen(discs, turned, center, size).unflatten(1, (LEVELS, CIRCLE))
    return Outline(torch.cat(hulls), rings, hole)


def linear(params_NJ: Tensor, tilted_N1: Tensor) -> Tensor:
    """(N, 3, 3): local coordinates → those of the camera (right, up, forward), the distance being 1."""
    angles_N3 = params_NJ[:, [PITCH, TURN, ROLL]]
    (cp, ct, cr), (sp, st, sr) = angles_N3.cos().unbind(1), angles_N3.sin().unbind(1)
    squash = params_NJ[:, SQUASH]
    wide = squash.rsqrt()
    large = params_NJ[:, SIZE].exp()
    wide, high = wide * large, squash * large
    zero = torch.zeros_like(large)
    # stretched, after it was rolled and turned: world x, y (away), z (up)
    x = wide * (ct * cr), wide * -st, wide * (ct * sr)
    y = wide * (st * cr), wide * ct, wide * (st * sr)
    z = high * -sr, zero, high * cr
    # as the camera has them
    rows = (
        x,
        tuple(sp * b + cp * c for b, c in zip(y, z, strict=True)),
        tuple(cp * b - sp * c for b, c in zip(y, z, strict=True)),
    )
    out = torch.stack([torch.stack(row, -1) for row in rows], -2)
    # a quarter turn about x
    lying = torch.stack([out[..., 0], out[..., 2], -out[..., 1]], -1)
    return torch.where(tilted_N1[..., None] > 0, lying, out)


def _circle(radius: float, z: float) -> np.ndarray:
    turn = 2 * np.pi * np.arange(CIRCLE) / CIRCLE
    # a polygon of the circle's own area, so that it is as often inside as outside
    radius = radius * (2 * np.pi / CIRCLE / np.sin(2 * np.pi / CIRCLE)) ** 0.5
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), np.full(CIRCLE, z)], -1)


@cache
def _points(shape: str, device) -> Tensor:
    """(M, 3) local points whose hull is the solid's."""
    signs = np.array([(a, b) for a in (-1, 1) for b in (-1, 1)], float)
    if shape == "cube":
        points = np.concatenate([np.insert(signs, 2, z, axis=1) for z in (-1, 1)])
    elif shape == "pyramid":
        points = np.concatenate([np.insert(signs, 2, -1, axis=1), [[0, 0, 1]]])
    elif shape == "cylinder":
        points = np.concatenate([_circle(solids.CYLINDER, z) for z in (-1, 1)])
    elif shape == "cone":
        points = np.concatenate([_circle(solids.CONE_BASE, -1), [[0, 0, 1]]])
    else:
        assert shape == "ring", f"{shape} is none of {SHAPES}"
        levels = solids.RING_HALF * np.linspace(-1, 1, 2 * LEVELS - 1)
        points = np.concatenate([_circle((1 - z * z / solids.RING_OUTER) ** 0.5, z) for z in levels])
    return torch.as_tensor(points, dtype=torch.float32, device=device)


@cache
def _hole(device) -> Tensor:
    """(L, V', 3): the discs of a ring's hole."""
    levels = solids.RING_HALF * np.linspace(-1, 1, LEVELS)
    discs = np.stack([_circle((solids.RING_HOLE + solids.RING_WAIST * z * z) ** 0.5, z) for z in levels])
    return torch.as_tensor(discs, dtype=torch.float32, device=device)


@cache
def _ways(device) -> Tensor:
    """(2, V): cosine and sine of even turns."""
    turn = 2 * torch.pi * torch.arange(CORNERS, device=device, dtype=torch.float32) / CORNERS
    return torch.stack([turn.cos(), turn.sin()])


@cache
def _aside(device) -> Tensor:
    """A way along which no eye looks."""
    return torch.tensor([0.1, 1.1, 0.1], device=device)


def _horizon(linear_N33: Tensor, center_N3: Tensor) -> Tensor:
    """(N, M, 3) local points of a unit sphere, squashed or not, at which rays from the eye touch it."""
    # without the check for singular ones, for which a GPU's queue would have to be waited for
    eye = torch.linalg.solve_ex(linear_N33, -center_N3)[0]
    away = eye.norm(dim=-1, keepdim=True)
    n = eye / away
    side = torch.linalg.cross(n, _aside(n.device).expand_as(n))
    side = side / side.norm(dim=-1, keepdim=True)
    over = torch.linalg.cross(n, side)
    cosine, sine = _ways(n.device)[..., None]
    radius = (1 - away.square().reciprocal()).clamp_min(0).sqrt()[:, None]
    around = side[:, None] * cosine + over[:, None] * sine
    return (n / away)[:, None] + radius * around


def _seen(points_NM3: Tensor, linear_N33: Tensor, center_N3: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, M, 2): where local points are in the picture."""
    H, W = size
    p = points_NM3 @ linear_N33.mT + center_N3[:, None]
    scale = H / (2 * TAN_Y) / p[..., 2].clamp_min(0.05)
    return torch.stack([W / 2 + p[..., 0] * scale, H / 2 - p[..., 1] * scale], -1)


def _hull(p_NM2: Tensor) -> Tensor:
    """(N, V, 2): corners of the convex hull in order, some of them several times."""
    M = p_NM2.shape[1]
    some = max(1, flight(p_NM2.device) // (M * CORNERS))
    furthest_NV = torch.cat([(p @ _ways(p.device)).argmax(1) for p in p_NM2.split(some)])
    return p_NM2.gather(1, furthest_NV[..., None].expand(-1, -1, 2))


def _polygon_distance(p_NP2: Tensor, corners_NV2: Tensor) -> Tensor:
    """Signed distance (N, P) from convex polygons, below 0 inside; corners in either order."""
    V = corners_NV2.shape[1]
    points = max(1, min(p_NP2.shape[1], flight(p_NP2.device) // V))
    rows = max(1, flight(p_NP2.device) // (points * V))
    return torch.cat(
        [
            torch.cat([_distance(some, corners) for some in p.split(points, 1)], 1)
            for p, corners in zip(p_NP2.split(rows), corners_NV2.split(rows), strict=True)
        ]
    )


def _distance(p_NP2: Tensor, corners_NV2: Tensor) -> Tensor:
    side_NV2 = corners_NV2.roll(-1, 1) - corners_NV2
    unit_NV2 = side_NV2 / side_NV2.square().sum(-1, keepdim=True).clamp_min(1e-9)
    sx, sy, ux, uy = (v[:, None] for v in (*side_NV2.unbind(-1), *unit_NV2.unbind(-1)))
    qx, qy = (
        p[:, :, None] - a[:, None] for p, a in zip(p_NP2.unbind(-1), corners_NV2.unbind(-1), strict=True)
    )
    along = (qx * ux).addcmul_(qy, uy).clamp_(0, 1)
    low, high = (sx * qy).addcmul_(sy, qx, value=-1).aminmax(dim=-1)
    square = qx.addcmul_(along, sx, value=-1).square_()
    qy.addcmul_(along, sy, value=-1)
    away = square.addcmul_(qy, qy).amin(-1).clamp_min_(1e-12).sqrt_()
    return torch.where((low >= -1e-6) | (high <= 1e-6), -away, away)
