"""Which pixels of a rendered frame an object covers: the renderer's own silhouettes."""

import numpy as np
import torch
from torch import Tensor

from vldm_cli.toyland import solids
from vldm_cli.toyland.batch import SceneBatch
from vldm_cli.toyland.motion import poses
from vldm_cli.toyland.render import RAYS_CPU, RAYS_GPU, ray_grid
from vldm_cli.toyland.scene import MAX_OBJECTS
from vldm_cli.toyland.solids import FAR, dot


def silhouettes(
    scenes: SceneBatch, times_BT, size: tuple[int, int] = (160, 256), supersample: int = 3, device="cpu"
) -> Tensor:
    """Coverage (B, T, 3, H, W) in [0, 1] of each pixel by each object, where it is in front of the others; 0 where
    there is no such object, and on roads. times_BT: seconds. supersample: rays along each side of a pixel."""
    times = np.asarray(times_BT, float)
    B, T = times.shape
    H, W = size
    pose = poses(scenes, times)
    frames = {
        "shape": np.repeat(scenes.shape_BK, T, 0),
        "center": pose.center_BTK3.reshape(B * T, MAX_OBJECTS, 3),
        "inverse": np.linalg.inv(pose.linear_BTK33).reshape(B * T, MAX_OBJECTS, 3, 3),
        "eye": pose.eye_BT3.reshape(B * T, 3),
        "axes": pose.axes_BT33.reshape(B * T, 3, 3),
        "count": np.repeat(np.where(scenes.family_B == 0, scenes.count_B, 0), T),
    }
    f = {key: torch.as_tensor(value, dtype=torch.float32, device=device) for key, value in frames.items()}
    px, py = ray_grid(torch.zeros(1, 2, device=device), size, size, supersample)
    out = torch.zeros(B * T, MAX_OBJECTS, H, W, device=device)
    rays = RAYS_CPU if out.device.type == "cpu" else RAYS_GPU
    for some in torch.arange(B * T, device=device).split(max(1, rays // px.numel())):
        best_KNPS = _hits({key: value[some] for key, value in f.items()}, px, py)
        nearest = best_KNPS.min(0).values
        for k in range(MAX_OBJECTS):
            mine = (best_KNPS[k] == nearest) & (nearest < FAR)
            out[some, k] = mine.float().mean(-1).view(-1, H, W)
    return out.view(B, T, MAX_OBJECTS, H, W)


def _hits(f: dict[str, Tensor], px: Tensor, py: Tensor) -> Tensor:
    """Distance (K, N, P, S) at which the rays enter each object; FAR where they do not, or the ground comes first."""
    right, up, forward = ([f["axes"][:, i, j, None, None] for j in range(3)] for i in range(3))
    d = [forward[i] + px * right[i] + py * up[i] for i in range(3)]
    length = dot(d, d).rsqrt()
    d = [v * length for v in d]
    table = solids.tables(f["shape"], f["center"], f["inverse"])
    falls = d[2] < -1e-4
    ground = torch.where(falls, -f["eye"][:, 2, None, None] / torch.where(falls, d[2], -1.0), FAR)
    out = []
    for k in range(MAX_OBJECTS):
        origin = [(f["eye"][:, i] - f["center"][:, k, i])[:, None, None] for i in range(3)]
        t = solids.enter(table, k, origin, d, 0.05)
        there = (f["count"] > k)[:, None, None]
        out.append(torch.where(there & (t < ground), t, FAR))
    return torch.stack(out)
