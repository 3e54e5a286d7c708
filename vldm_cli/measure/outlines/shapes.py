"""The outlines of Toyland's solids in the picture, as the renderer's own parameters make them.

An object is seen from a camera that never leans: where it is in the picture, its size (radius over distance), the
camera's pitch, a turn about the vertical, a roll as `rolls left` rolls, a squash as `bounces` and `jumps` have it.
Everything else that the renderer knows (distance, zoom, pan, the way around it) comes out as one of these.

A solid's outline is the convex hull of points of it; a ring has a hole besides, which is seen where discs overlap.
Legend: N objects, J parameters, P points in the picture (x right, y down, pixels), V corners, L discs of a hole.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vldm_cli.toyland import solids
from vldm_cli.toyland.camera import TAN_Y
from vldm_cli.toyland.world import SHAPES

X, Y, SIZE, PITCH, TURN, ROLL, SQUASH = range(7)  # size: log of radius / distance; angles: radians
CIRCLE, CORNERS, LEVELS = (
    48,
    96,
    5,
)  # points of a circle, directions in which a hull is asked for corners, discs
FAR_AWAY = 1e4


@dataclass(frozen=True)
class Outline:
    """Corners of N convex outlines, (N, V, 2), in order; of a hole the corners of discs, (N, L, V', 2), or None."""

    hull_NV2: Tensor
    hole_NLV2: Tensor | None

    def distance(self, p_NP2: Tensor) -> Tensor:
        """Signed distances (N, P) of points from the outline in pixels, below 0 inside the silhouette."""
        outer = _polygon_distance(p_NP2, self.hull_NV2)
        if self.hole_NLV2 is None:
            return outer
        return torch.maximum(outer, -self._hole_distance(p_NP2))

    def corners(self) -> tuple[Tensor, Tensor]:
        """Points (N, M, 2) of the outline, and (N, M) bool: those that are on it (a disc's may be hidden)."""
        if self.hole_NLV2 is None:
            return self.hull_NV2, torch.ones_like(self.hull_NV2[..., 0], dtype=torch.bool)
        hole = self.hole_NLV2.flatten(1, 2)
        seen = (self._hole_distance(hole) < 0.05) & (_polygon_distance(hole, self.hull_NV2) < 0)
        return torch.cat([self.hull_NV2, hole], 1), torch.cat(
            [torch.ones_like(self.hull_NV2[..., 0], dtype=torch.bool), seen], 1
        )

    def _hole_distance(self, p_NP2: Tensor) -> Tensor:
        assert self.hole_NLV2 is not None  # asked of rings alone
        discs = [_polygon_distance(p_NP2, disc) for disc in self.hole_NLV2.unbind(1)]
        return torch.stack(discs).amax(0)


def outline(shape: str, tilted: bool, params_NJ: Tensor, size: tuple[int, int]) -> Outline:
    """The outlines of a shape in frames of that (height, width). tilted: it lies on its side, as rings do and
    cylinders that roll."""
    H, W = size
    linear_N33 = linear(params_NJ, tilted)
    pixel = 2 * TAN_Y / H
    x, y = (params_NJ[:, X] - W / 2) * pixel, (H / 2 - params_NJ[:, Y]) * pixel
    center_N3 = torch.stack([x, y, torch.ones_like(x)], -1)
    if shape == "ball":
        hull = _seen(_horizon(linear_N33, center_N3), linear_N33, center_N3, size)
        return Outline(hull, None)
    points = _points(shape).to(params_NJ)
    hull = _hull(_seen(points.expand(len(params_NJ), -1, -1), linear_N33, center_N3, size))
    if shape != "ring":
        return Outline(hull, None)
    discs = _hole().to(params_NJ).flatten(0, 1).expand(len(params_NJ), -1, -1)
    return Outline(hull, _seen(discs, linear_N33, center_N3, size).unflatten(1, (LEVELS, CIRCLE)))


def linear(params_NJ: Tensor, tilted: bool) -> Tensor:
    """(N, 3, 3): local coordinates → those of the camera (right, up, forward), the distance being 1."""
    pitch, turn, roll = (params_NJ[:, j] for j in (PITCH, TURN, ROLL))
    squash = params_NJ[:, SQUASH]
    one, zero = torch.ones_like(pitch), torch.zeros_like(pitch)

    def matrix(*rows) -> Tensor:
        return torch.stack([torch.stack(row, -1) for row in rows], -2)

    c, s = pitch.cos(), pitch.sin()
    # world x, y (away), z (up) as the camera has them
    camera = matrix((one, zero, zero), (zero, s, c), (zero, c, -s))
    wide = squash.rsqrt()
    stretch = torch.stack([wide, wide, squash], -1) * params_NJ[:, SIZE, None].exp()
    c, s = turn.cos(), turn.sin()
    turned = matrix((c, -s, zero), (s, c, zero), (zero, zero, one))
    c, s = roll.cos(), roll.sin()
    rolled = matrix((c, zero, s), (zero, one, zero), (-s, zero, c))
    out = camera @ (stretch[..., None] * (turned @ rolled))
    if tilted:  # a quarter turn about x
        out = torch.stack([out[..., 0], out[..., 2], -out[..., 1]], -1)
    return out


def _circle(radius: float, z: float) -> np.ndarray:
    turn = 2 * np.pi * np.arange(CIRCLE) / CIRCLE
    # a polygon of the circle's own area, so that it is as often inside as outside
    radius = radius * (2 * np.pi / CIRCLE / np.sin(2 * np.pi / CIRCLE)) ** 0.5
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), np.full(CIRCLE, z)], -1)


def _points(shape: str) -> Tensor:
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
    return torch.as_tensor(points)


def _hole() -> Tensor:
    """(L, V', 3): the discs of a ring's hole."""
    levels = solids.RING_HALF * np.linspace(-1, 1, LEVELS)
    return torch.as_tensor(
        np.stack([_circle((solids.RING_HOLE + solids.RING_WAIST * z * z) ** 0.5, z) for z in levels])
    )


def _horizon(linear_N33: Tensor, center_N3: Tensor) -> Tensor:
    """(N, M, 3) local points of a unit sphere, squashed or not, at which rays from the eye touch it."""
    eye = torch.linalg.solve(linear_N33, -center_N3)
    away = eye.norm(dim=-1, keepdim=True)
    n = eye / away
    side = torch.linalg.cross(n, n.new_tensor([0.0, 1.0, 0.0]).expand_as(n) + 0.1)
    side = side / side.norm(dim=-1, keepdim=True)
    over = torch.linalg.cross(n, side)
    turn = 2 * torch.pi * torch.arange(2 * CIRCLE, device=n.device, dtype=n.dtype) / (2 * CIRCLE)
    radius = (1 - away.square().reciprocal()).clamp_min(0).sqrt()[:, None]
    around = side[:, None] * turn.cos()[:, None] + over[:, None] * turn.sin()[:, None]
    return (n / away)[:, None] + radius * around


def _seen(points_NM3: Tensor, linear_N33: Tensor, center_N3: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, M, 2): where local points are in the picture."""
    H, W = size
    p = points_NM3 @ linear_N33.mT + center_N3[:, None]
    scale = H / (2 * TAN_Y) / p[..., 2].clamp_min(0.05)
    return torch.stack([W / 2 + p[..., 0] * scale, H / 2 - p[..., 1] * scale], -1)


def _hull(p_NM2: Tensor) -> Tensor:
    """(N, V, 2): corners of the convex hull in order, some of them several times."""
    turn = 2 * torch.pi * torch.arange(CORNERS, device=p_NM2.device, dtype=p_NM2.dtype) / CORNERS
    way_2V = torch.stack([turn.cos(), turn.sin()])
    furthest_NV = (p_NM2 @ way_2V).argmax(1)
    return p_NM2.gather(1, furthest_NV[..., None].expand(-1, -1, 2))


def _polygon_distance(p_NP2: Tensor, corners_NV2: Tensor) -> Tensor:
    """Signed distance (N, P) from convex polygons, below 0 inside; corners in either order."""
    a = corners_NV2[:, None]
    side = corners_NV2.roll(-1, 1)[:, None] - a
    q = p_NP2[:, :, None] - a
    sx, sy, qx, qy = side[..., 0], side[..., 1], q[..., 0], q[..., 1]
    along = ((qx * sx + qy * sy) / (sx * sx + sy * sy).clamp_min(1e-9)).clamp(0, 1)
    square = (qx - along * sx).square() + (qy - along * sy).square()
    cross = sx * qy - sy * qx
    inside = (cross >= -1e-6).all(-1) | (cross <= 1e-6).all(-1)
    away = square.amin(-1).clamp_min(1e-12).sqrt()
    return torch.where(inside, -away, away)
