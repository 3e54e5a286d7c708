"""Where the outlines and edges of solids and the rims of their spots run, in cells of a coarse grid: what training
looks at most closely."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.toyland import solids
from vldm_cli.toyland.render import object_frames, ray_grid
from vldm_cli.toyland.solids import FAR, dot
from vldm_cli.toyland.surfaces import spot
from vldm_cli.toyland.world import SHAPES

# Rays along each side of a cell. An outline between two rays of one cell, or of two neighbouring ones, is found.
RAYS = 4
# Rays in flight: a few dozen live float32 tensors each.
RAYS_AT_ONCE = {"cpu": 1 << 17, "cuda": 8 << 20}
CUBE, PYRAMID, CYLINDER, CONE = (SHAPES.index(s) for s in ("cube", "pyramid", "cylinder", "cone"))


@torch.no_grad()
def outlines(scenes, times_BT: np.ndarray, size: tuple[int, int], cell: int, device="cpu") -> Tensor:
    """Whether an outline of a solid, an edge between two of its faces or the rim of a spot (without which nobody sees a
    ball turn) runs through each cell of `cell` × `cell` pixels of B scenes at times_BT (seconds): bool
    (B, T, H / cell, W / cell). Roads have no solids: nothing there."""
    B, T = times_BT.shape
    h, w = size[0] // cell, size[1] // cell
    out = torch.zeros(B, T, h, w, dtype=torch.bool, device=device)
    kind = np.where(scenes.family_B == 0, scenes.count_B, 0)
    for count in range(1, 4):
        index = np.flatnonzero(kind == count)
        if len(index):
            frames = object_frames(scenes[index], times_BT[index], device)
            step = max(1, RAYS_AT_ONCE.get(torch.device(device).type, 1 << 17) // (h * w * RAYS**2))
            found = [
                _cells({key: value[n : n + step] for key, value in frames.items()}, (h, w), count)
                for n in range(0, len(index) * T, step)
            ]
            out[torch.as_tensor(index, device=device)] = torch.cat(found).view(len(index), T, h, w)
    return out


def _cells(f: dict[str, Tensor], cells: tuple[int, int], objects: int) -> Tensor:
    """(N, h, w) bool: cells in which what a ray meets is not what its neighbour meets."""
    h, w = cells
    face = faces(f, (h * RAYS, w * RAYS), objects)
    edge = torch.zeros_like(face, dtype=torch.bool)
    down, right = face[:, 1:] != face[:, :-1], face[:, :, 1:] != face[:, :, :-1]
    edge[:, 1:] |= down
    edge[:, :-1] |= down
    edge[:, :, 1:] |= right
    edge[:, :, :-1] |= right
    return F.max_pool2d(edge[:, None].float(), RAYS)[:, 0] > 0


def faces(f: dict[str, Tensor], size: tuple[int, int], objects: int) -> Tensor:
    """A number for each face of each object, (N, H, W) float32, that the middle of each pixel shows; 0 for none. What
    lies in a spot is a half more."""
    N, (H, W) = len(f["eye"]), size
    corner = f["eye"].new_zeros(N, 2)
    px, py = ray_grid(corner, size, size, 1)
    right, up, forward = ([f["axes"][:, i, j, None, None] for j in range(3)] for i in range(3))
    d = [forward[i] + px * right[i] + py * up[i] for i in range(3)]
    length = dot(d, d).rsqrt()
    d = [v * length for v in d]
    table = solids.tables(f["shape"][:, :objects], f["center"][:, :objects], f["inverse"][:, :objects])
    eye = f["eye"][:, :, None, None]
    best = torch.where(d[2] < -1e-4, -eye[:, 2] / d[2].clamp_max(-1e-4), FAR)  # the ground
    face = torch.zeros_like(best)
    for k in range(objects):
        origin = [eye[:, i] - table["center"][:, k, i, None, None] for i in range(3)]
        t = solids.enter(table, k, origin, d, 0.05)
        inverse = table["inverse"][:, k]
        hit = [origin[i] + torch.where(t < FAR, t, 0.0) * d[i] for i in range(3)]
        local = [dot([inverse[:, i, j, None, None] for j in range(3)], hit) for i in range(3)]
        shape = f["shape"][:, k, None, None].expand_as(t)
        mine = 10.0 * (k + 1) + _side(shape, solids.normal(shape, local))
        mine = mine + 0.5 * (spot(local) * f["spotted"][:, k, None, None] > 0.5)
        face = torch.where(t < best, mine, face)
        best = torch.minimum(t, best)
    return face.view(N, H, W)


def _side(shape: Tensor, n: list[Tensor]) -> Tensor:
    """Which of a solid's faces a normal belongs to, 0 to 6: the six of a box, the flat ones of round bodies."""
    size = [v.abs() for v in n]
    along = torch.where(
        size[0] > torch.maximum(size[1], size[2]), 0.0, torch.where(size[1] > size[2], 1.0, 2.0)
    )
    positive = torch.where(along == 0, n[0], torch.where(along == 1, n[1], n[2])) > 0
    box = 1 + 2 * along + positive
    # a pyramid's sides lean outwards: their normals' z is less than x or y
    flat = torch.where((shape == CYLINDER) & (n[2] != 0), 1 + (n[2] > 0).float(), 0.0)
    flat = torch.where((shape == CONE) & (n[2] < -0.5), 1.0, flat)
    return torch.where((shape == CUBE) | (shape == PYRAMID), box, flat)
