"""The six shapes as one kind of solid, so that a ray meets any of them with the same arithmetic.

A solid is { f ≤ 0 } ∩ { n_i · p ≤ 1, i < 6 } ∩ { g ≥ 0 } with quadrics f, g in local coordinates: a ball is f
alone, a cube six planes, a cylinder and a cone f between planes, a ring a flat spheroid without a waisted hole g.
All functions are shape-static (no branch on data), so they compile.

Legend: N frames, P pixels, S subsamples; a "table" row is one object of one frame.
"""

import torch
from torch import Tensor

RING_HALF = 0.28
RING_OUTER = 0.58  # squared half-thickness of the ring's spheroid
RING_HOLE = 0.27  # squared radius of the hole at its waist
RING_WAIST = 1.15
CONE_BASE = 0.95
CYLINDER = 0.8
FAR = 1e9


def _quadrics() -> tuple[list, list]:
    """Per shape: (diagonal, linear z, constant) of f and of g."""
    c = CONE_BASE * CONE_BASE / 4
    everywhere, nowhere = (0, 0, 0, 0, -1.0), (0, 0, 0, 0, 1.0)
    f = [
        (1, 1, 1, 0, -1.0),  # ball
        everywhere,  # cube
        (1, 1, 0, 0, -CYLINDER * CYLINDER),
        (1, 1, -c, c, -c),  # cone: x² + y² ≤ c (1 - z)²
        everywhere,  # pyramid
        (1, 1, 1 / RING_OUTER, 0, -1.0),
    ]
    g = [nowhere] * 5 + [(1, 1, -RING_WAIST, 0, -RING_HOLE)]
    return f, g


def _planes() -> list:
    none = (0.0, 0.0, 0.0)
    up, down = (0, 0, 1.0), (0, 0, -1.0)
    return [
        [none] * 6,
        [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), up, down],
        [up, down] + [none] * 4,
        [up, down] + [none] * 4,
        [(2, 0, 1), (-2, 0, 1), (0, 2, 1), (0, -2, 1), down, none],
        [(0, 0, 1 / RING_HALF), (0, 0, -1 / RING_HALF)] + [none] * 4,
    ]


F_ROWS, G_ROWS = (torch.tensor(rows, dtype=torch.float32) for rows in _quadrics())
PLANE_ROWS = torch.tensor(_planes(), dtype=torch.float32)


def tables(shape_NK: Tensor, center_NK3: Tensor, inverse_NK33: Tensor) -> dict[str, Tensor]:
    """World-space coefficients: quadrics as (matrix, linear, constant) about the centre, planes as normals."""
    shape = shape_NK.long()
    out = {"center": center_NK3, "inverse": inverse_NK33}
    out["planes"] = PLANE_ROWS.to(center_NK3.device)[shape] @ inverse_NK33
    for name, rows in (("f", F_ROWS), ("g", G_ROWS)):
        row = rows.to(center_NK3.device)[shape]
        out[f"{name}_matrix"] = inverse_NK33.mT @ (row[..., :3, None] * inverse_NK33)
        out[f"{name}_linear"] = row[..., 3, None] * inverse_NK33[..., 2, :]
        out[f"{name}_constant"] = row[..., 4]
    out["up"] = inverse_NK33[..., 2, :]  # local z of a world direction
    return out


def dot(a, b: list[Tensor]) -> Tensor:
    """Σ a_i b_i over three components; a may be three numbers."""
    first = a[0] * b[0]
    if isinstance(a[0], Tensor):  # fused multiply-adds: memory traffic is what an eager GPU waits for
        return torch.addcmul(torch.addcmul(first, a[1], b[1]), a[2], b[2])
    return first + a[1] * b[1] + a[2] * b[2]


def _times(m: Tensor, v: list[Tensor]) -> list[Tensor]:
    """Matrix (N,3,3) of per-frame numbers times a vector of three (N,P,S) tensors."""
    return [dot([m[:, i, j, None, None] for j in range(3)], v) for i in range(3)]


def quadratics(table: dict, k: int, origin: list[Tensor], d: list[Tensor]):
    """Coefficients (a, b, c) of q(t) = a t² + 2 b t + c along origin + t d, for f and for g of object k."""
    out = []
    for name in ("f", "g"):
        linear = [table[f"{name}_linear"][:, k, i, None, None] for i in range(3)]
        matrix = table[f"{name}_matrix"][:, k]
        md, mo = _times(matrix, d), _times(matrix, origin)
        a = dot(d, md)
        b = dot(origin, md) + dot(linear, d)
        c = dot(origin, mo) + 2 * dot(linear, origin) + table[f"{name}_constant"][:, k, None, None]
        out.append((a, b, c))
    return out


def enter(table: dict, k: int, origin: list[Tensor], d: list[Tensor], nearest: float) -> Tensor:
    """The first t > nearest at which origin + t d is inside solid k of each frame; FAR where there is none.

    origin, d: three tensors each, broadcastable to (N,P,S); the origin is relative to the solid's centre.
    """
    (a, b, c), (ga, gb, gc) = quadratics(table, k, origin, d)
    a = torch.where(a.abs() < 1e-9, 1e-9, a)
    disc = b * b - a * c
    root = disc.clamp_min(0).sqrt()
    t1, t2 = (-b - root) / a, (-b + root) / a
    low, high = torch.minimum(t1, t2), torch.maximum(t1, t2)
    # a < 0 only for a steep ray and a cone: the lower nappe lies before t1 for a rising ray, behind t2 for a falling.
    rising = dot([table["up"][:, k, i, None, None] for i in range(3)], d) > 0
    steep = a < 0
    begin = torch.where(steep, torch.where(rising, -FAR, high), low)
    end = torch.where(steep, torch.where(rising, low, FAR), high)
    hit = (disc >= 0) | steep
    planes = table["planes"][:, k, :, :, None, None]
    for i in range(6):
        n = [planes[:, i, j] for j in range(3)]
        speed = dot(n, d)
        speed = torch.where(speed.abs() < 1e-9, 1e-9, speed)
        t = (1 - dot(n, origin)) / speed
        begin = torch.maximum(begin, torch.where(speed < 0, t, -FAR))
        end = torch.minimum(end, torch.where(speed > 0, t, FAR))
    begin = begin.clamp_min(nearest)
    # Where the hole is entered first, the solid begins again at the hole's next wall.
    inside_hole = (ga * begin + 2 * gb) * begin + gc < 0
    ga = torch.where(ga.abs() < 1e-9, 1e-9, ga)
    g_disc = gb * gb - ga * gc
    g_root = g_disc.clamp_min(0).sqrt()
    g1, g2 = (-gb - g_root) / ga, (-gb + g_root) / ga
    g_low, g_high = torch.minimum(g1, g2), torch.maximum(g1, g2)
    wall = torch.where(g_low > begin, g_low, torch.where(g_high > begin, g_high, FAR))
    begin = torch.where(inside_hole, torch.where(g_disc > 0, wall, FAR), begin)
    return torch.where(hit & (begin < end) & (begin < FAR), begin, FAR)


def normal(shape: Tensor, p: list[Tensor]) -> list[Tensor]:
    """Outward normal (not of unit length) at local surface point p; edges of cubes and pyramids a little rounded."""
    x, y, z = p
    zero = torch.zeros_like(x)
    cube = [v**11 for v in p]
    sx, sy = x.abs(), y.abs()
    along_x = sx > sy
    base = z < -0.985
    pyramid = [
        torch.where(base, 0, torch.where(along_x, 2 * x.sign(), 0)),
        torch.where(base, 0, torch.where(along_x, 0, 2 * y.sign())),
        torch.where(base, -1.0, 1.0),
    ]
    flat = z.abs() > 0.985
    cylinder = [torch.where(flat, 0, x), torch.where(flat, 0, y), torch.where(flat, z, 0)]
    cone = [
        torch.where(base, 0, x),
        torch.where(base, 0, y),
        torch.where(base, -1.0, CONE_BASE**2 / 4 * (1 - z)),
    ]
    rim = z.abs() > RING_HALF - 0.012
    outer = (x * x + y * y + z * z / RING_OUTER) > 0.965
    sign = torch.where(outer, 1.0, -1.0)
    ring = [
        torch.where(rim, 0, sign * x),
        torch.where(rim, 0, sign * y),
        torch.where(rim, z, torch.where(outer, z / RING_OUTER, RING_WAIST * z)),
    ]
    out = []
    for i in range(3):
        n = torch.where(shape == 0, p[i], zero)
        for code, shape_n in ((1, cube), (2, cylinder), (3, cone), (4, pyramid), (5, ring)):
            n = torch.where(shape == code, shape_n[i], n)
        out.append(n)
    return out
