"""The pattern on an object, unrolled by the shape that was fitted to it: which of its two colours is where.

A pattern that is held is the same on the object in every keyframe, but for a turn about the object's own axis, which no
outline tells and which is therefore looked for. (Objects that roll are left out: their axis is not the vertical.)
Legend: T frames, P pixels of a frame that show the object, A turns that are tried.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.measure.outlines import shapes
from vldm_cli.measure.outlines.kind import Kind
from vldm_cli.measure.outlines.nearest import nearest
from vldm_cli.toyland import solids
from vldm_cli.toyland.camera import TAN_Y
from vldm_cli.toyland.looks import FIRST_COLOURS, SECOND_COLOURS
from vldm_cli.toyland.world import COLOURS, SHAPES, SKY_LOOKS

# Shares of the second colour, and how much sun a place gets, among which those are taken that explain its colour best.
SHARES, LIGHTS = 9, 13
TURNS = 144
LEAST = 0.1  # of the points that two frames have in common at best: a turn that leaves fewer says nothing
NEAR = 0.12  # the same place of the object, in radii
FEWEST = 40  # points that two frames must have in common to be compared
PITCHES = (0.06, 0.1, 0.14, 0.18, 0.22, 0.26)  # of the camera, for balls: radians
EDGE = 1.5  # pixels from the outline in which colours mix


def marks(x_TCHW: Tensor, colour: str, sky: str) -> Tensor:
    """(T, H, W): the share of the object's second colour in each pixel, whatever the light that falls on it."""
    k = list(COLOURS).index(colour)
    look = SKY_LOOKS[sky]
    first, second = (torch.as_tensor(table[k]).to(x_TCHW) for table in (FIRST_COLOURS, SECOND_COLOURS))
    ambient, sun = (torch.tensor(look[name]).to(x_TCHW) for name in ("ambient", "sun"))
    share = torch.linspace(0, 1, SHARES).to(x_TCHW)
    light = torch.linspace(0, 1, LIGHTS).to(x_TCHW)
    base = first + (second - first) * share[:, None]
    shade = 0.93 * ambient + 1.06 * sun * light[:, None]
    pixels = ((x_TCHW.movedim(1, -1) + 1) / 2).flatten(0, 2)
    best = nearest(pixels.expand(SHARES, -1, -1), (base[:, None] * shade).clamp(0, 1))
    # shares that explain it about as well count too
    weight = (-(best / 0.04).square()).softmax(0)
    return (weight * share[:, None]).sum(0).view(len(x_TCHW), *x_TCHW.shape[2:])


def unrolled(kind: Kind, params_TJ: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Local coordinates (T, H, W, 3) of what each pixel shows of the fitted objects, and (T, H, W) bool: where they
    are, but for their edges."""
    H, W = size
    device = params_TJ.device
    solids_T = shapes.Solids.of([kind.shape] * len(params_TJ), [kind.tilted] * len(params_TJ), device)
    linear = shapes.linear(params_TJ, solids_T.tilted_N1)
    pixel = 2 * TAN_Y / H
    y, x = torch.meshgrid(*(torch.arange(n, device=device) + 0.5 for n in size), indexing="ij")
    d = [
        ((x - W / 2) * pixel).view(1, -1, 1),
        ((H / 2 - y) * pixel).view(1, -1, 1),
        torch.ones(1, 1, 1).to(linear),
    ]
    center = torch.stack(
        [(params_TJ[:, shapes.X] - W / 2) * pixel, (H / 2 - params_TJ[:, shapes.Y]) * pixel], -1
    )
    center = torch.cat([center, torch.ones_like(center[:, :1])], -1)
    code = torch.full((len(params_TJ), 1), SHAPES.index(kind.shape), device=device)
    inverse = torch.linalg.inv_ex(linear)[0]
    table = solids.tables(code, center[:, None], inverse[:, None])
    t = solids.enter(table, 0, [-center[:, i, None, None] for i in range(3)], d, 0.01)
    hit = (t < solids.FAR)[..., 0]
    t = torch.where(t < solids.FAR, t, 1.0)
    relative = torch.cat([t * d[i] - center[:, i, None, None] for i in range(3)], -1)
    local = relative @ inverse.mT
    grid = torch.stack([x, y], -1).view(1, -1, 2).expand(len(params_TJ), -1, -1)
    inside = shapes.outline(solids_T, params_TJ, size).distance(grid) < -EDGE
    return local.view(-1, H, W, 3), (hit & inside).view(-1, H, W)


def patterned(material: str, motion: str, camera: str) -> bool:
    """Whether the pattern of such an object can be followed: there is one, and its axis stays where it is."""
    return material in ("striped", "checkered") and not motion.startswith("rolls") and camera != "rising"


def held(kind: Kind, x_TCHW: Tensor, params_TJ: Tensor, colour: str, sky: str) -> float | None:
    """Mean change (0 … 1) of the pattern from the first frame to the others, at the best turn of each; None where no
    two frames show enough of the same side."""
    m_THW = marks(x_TCHW.float(), colour, sky)
    T, size = len(m_THW), (m_THW.shape[1], m_THW.shape[2])
    # how far a ball leans to the camera its outline does not tell
    tried = [params_TJ]
    if kind.shape == "ball":
        tried = [params_TJ.clone() for _ in PITCHES]
        for params, pitch in zip(tried, PITCHES, strict=True):
            params[:, shapes.PITCH] = pitch
    local, there = unrolled(kind, torch.cat(tried), size)
    changes = [
        _changes(kind, m_THW, params, *some)
        for params, *some in zip(tried, local.split(T), there.split(T), strict=True)
    ]
    means = [
        sum(known) / len(known)
        for some in torch.stack(changes).tolist()
        if (known := [c for c in some if c < np.inf])
    ]
    return min(means, default=None)


def _changes(kind: Kind, m_THW: Tensor, params_TJ: Tensor, local_THW3: Tensor, there_THW: Tensor) -> Tensor:
    """(T − 1,): the change from the first frame to each other one, infinity where they have too little in common."""
    tilted = torch.full((1, 1), float(kind.tilted), device=m_THW.device)
    linear = shapes.linear(params_TJ[:1], tilted)[0]
    # the turn's axis is the solid's own; a ring's is told by its outline, but for which side is which
    angles = torch.linspace(0, 2 * torch.pi, TURNS + 1, device=m_THW.device)[:-1]
    if kind.tilted:
        angles = angles[:: TURNS // 2]
    changes = []
    for t in range(1, len(m_THW)):
        where = torch.nonzero(there_THW[t], as_tuple=True)
        changes.append(
            _change(
                local_THW3[t][where], m_THW[t][where], angles, kind.tilted, linear, params_TJ[0],
                local_THW3[0], m_THW[0], there_THW[0],
            )
        )  # fmt: skip
    return torch.stack(changes)


def _change(p_P3, m_P, angles_A, tilted, linear, params_J, local_HW3, m_HW, there_HW) -> Tensor:
    """The least mean difference of marks at points p from those at the same places of the first frame, over turns."""
    H, W = m_HW.shape
    c, s = angles_A.cos()[:, None], angles_A.sin()[:, None]
    px, py, pz = p_P3.unbind(-1)
    if tilted:  # upright is the local y
        turned = torch.stack([c * px - s * pz, py + 0 * c, s * px + c * pz], -1)
    else:
        turned = torch.stack([c * px - s * py, s * px + c * py, pz + 0 * c], -1)
    pixel = 2 * TAN_Y / H
    at = turned @ linear.T
    x = at[..., 0] + (params_J[shapes.X] - W / 2) * pixel
    y = at[..., 1] + (H / 2 - params_J[shapes.Y]) * pixel
    z = (at[..., 2] + 1).clamp_min(0.05)
    grid = torch.stack([x / z / pixel * 2 / W, -y / z / pixel * 2 / H], -1)
    first = torch.cat([m_HW[None], there_HW[None].float(), local_HW3.movedim(-1, 0)])
    seen = F.grid_sample(first[None], grid[None], align_corners=False)[0]  # (5, A, P)
    same = (seen[2:].movedim(0, -1) - turned).norm(dim=-1) < NEAR
    common = same & (seen[1] > 0.99)
    count_A = common.sum(1)
    change_A = ((seen[0] - m_P).abs() * common).sum(1) / count_A.clamp_min(1)
    enough = count_A >= (LEAST * count_A.amax().double()).clamp_min(FEWEST)
    return torch.where(enough, change_A, torch.inf).amin()
