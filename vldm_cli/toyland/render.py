"""Render Toyland scenes at any times, at any size, on any device; the whole frame or a window of it."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vldm_cli.toyland.batch import SceneBatch
from vldm_cli.toyland.camera import TAN_Y
from vldm_cli.toyland.cast import cast
from vldm_cli.toyland.looks import looks
from vldm_cli.toyland.motion import poses
from vldm_cli.toyland.road import backdrop, billboard, drive
from vldm_cli.toyland.traffic import road_view

# Rays in flight: about 100 live float32 tensors each; small enough for the cache on a CPU, 8 GB on a GPU.
RAYS_CPU = 1 << 16
RAYS_GPU = 16 << 20


class Core(NamedTuple):
    """The functions that touch every pixel, and how many frames they always get at once (0: as many as fit)."""

    cast: Callable = cast
    backdrop: Callable = backdrop
    billboard: Callable = billboard
    block: int = 0


EAGER = Core()


def compiled_core(block: int = 64, backend: str = "inductor") -> Core:
    """The same functions under torch.compile, for `render(core=...)`: worth the wait for many thousands of frames.

    Shapes are static, so each number of objects and each size of frame compiles once; every call gets `block` frames,
    the last one filled up.
    """
    cast, backdrop, billboard = (
        torch.compile(function, dynamic=False, backend=backend)
        for function in (EAGER.cast, EAGER.backdrop, EAGER.billboard)
    )
    return Core(cast, backdrop, billboard, block)


def render(
    scenes: SceneBatch,
    times_BT,
    size: tuple[int, int] = (160, 256),
    crop=None,
    supersample: int = 2,
    device="cpu",
    core: Core = EAGER,
) -> Tensor:
    """Frames of B scenes at times_BT (seconds, tensor or array) as float (B,T,3,H,W) RGB in [0,1] on `device`.

    `crop` = (y0_B, x0_B, h, w): only that window of each full-size frame, exactly as if cropped from it; y0 and x0 are
    ints or B ints, in pixels. `supersample`: rays along each side of a pixel. Beside the result itself memory is
    bounded, however many frames are asked for.
    """
    times = np.asarray(times_BT.cpu() if isinstance(times_BT, Tensor) else times_BT, np.float64)
    if times.ndim != 2 or len(times) != len(scenes):
        raise ValueError(f"times_BT must be (B={len(scenes)}, T), not {times.shape}")
    y0, x0, h, w = (0, 0, *size) if crop is None else crop
    corner_B2 = np.stack([np.broadcast_to(np.asarray(v), len(scenes)) for v in (y0, x0)], -1)
    B, T = times.shape
    out = torch.empty(B, T, 3, h, w, device=device)
    # Scenes of one kind together, so that an object costs nothing where there is none (0: the driving family).
    kind = np.where(scenes.family_B == 0, scenes.count_B, 0)
    for count in range(4):
        index = np.flatnonzero(kind == count)
        if len(index):
            frames = (_object_frames if count else _road_frames)(scenes[index], times[index], device)
            corner = torch.as_tensor(np.repeat(corner_B2[index], T, 0), device=device, dtype=torch.float32)
            rgb = _chunks(core, frames, corner, size, (h, w), supersample, count)
            out[torch.as_tensor(index, device=device)] = rgb.view(len(index), T, 3, h, w)
    return out


def _object_frames(scenes, times, device) -> dict[str, Tensor]:
    """Per-frame tensors (N = B·T rows) for `cast`."""
    B, T = times.shape
    pose = poses(scenes, times)
    look = {key: np.repeat(value, T, 0) for key, value in looks(scenes).items()}
    linear = pose.linear_BTK33.reshape(B * T, 3, 3, 3)
    time = times.reshape(-1)
    radius = np.sqrt((linear**2).sum((-1, -2)) / 3)
    center = pose.center_BTK3.reshape(B * T, 3, 3)
    look["wave_phase"] = np.mod(look["wave_phase"] + look.pop("wave_speed") * time[:, None], 2 * np.pi)
    look["drift"] = np.mod(0.06 * time, 2 * np.pi)
    look |= {
        "center": center,
        "inverse": np.linalg.inv(linear),
        "radius": radius,
        "low": np.clip(center[..., 2] - radius, 0, None),
        "eye": pose.eye_BT3.reshape(B * T, 3),
        "axes": pose.axes_BT33.reshape(B * T, 3, 3),
    }
    return {key: torch.as_tensor(value, dtype=torch.float32, device=device) for key, value in look.items()}


def _road_frames(scenes, times, device) -> dict[str, Tensor]:
    """Per-frame tensors (N = B·T rows) for `drive`; the three times of day are the first three skies."""
    T = times.shape[1]
    scenes = replace(scenes, sky_B=scenes.time_B)
    keep = ("sky_", "cloud_", "hill_", "disc_at")
    look = {key: np.repeat(value, T, 0) for key, value in looks(scenes).items() if key.startswith(keep)}
    look["drift"] = np.mod(0.06 * times.reshape(-1), 2 * np.pi)
    look |= road_view(scenes, times)
    return {key: torch.as_tensor(value, dtype=torch.float32, device=device) for key, value in look.items()}


def ray_grid(corner_N2: Tensor, size, window, supersample: int) -> tuple[Tensor, Tensor]:
    """Positions (N,P,S) of all rays on the camera's plane at unit distance: x right, y up."""
    (H, W), (h, w) = size, window
    device = corner_N2.device
    sub = (torch.arange(supersample, device=device) + 0.5) / supersample
    sy, sx = torch.meshgrid(sub, sub, indexing="ij")
    ys, xs = torch.meshgrid(torch.arange(h, device=device), torch.arange(w, device=device), indexing="ij")
    x = (corner_N2[:, 1, None] + xs.reshape(-1))[:, :, None] + sx.reshape(-1)
    y = (corner_N2[:, 0, None] + ys.reshape(-1))[:, :, None] + sy.reshape(-1)
    pixel = 2 * TAN_Y / H
    return (x - W / 2) * pixel, (H / 2 - y) * pixel


def _chunks(core, frames, corner, size, window, supersample, count) -> Tensor:
    """Run the core over pieces of frames (and, where even one frame is too much, over bands of it)."""
    h, w = window
    N = len(corner)
    supersample = supersample if count else 1  # the road has soft edges of its own
    pixel = 2 * TAN_Y / size[0]
    rays = RAYS_CPU if corner.device.type == "cpu" else RAYS_GPU
    rows = max(1, min(h, rays // (w * supersample**2)))
    step = core.block or max(1, rays // (h * w * supersample**2))
    if core.block:
        rows = h
        filled = torch.arange(-(-N // step) * step, device=corner.device).clamp_max(N - 1)
        frames, corner = {key: value[filled] for key, value in frames.items()}, corner[filled]
    out = torch.empty(len(corner), 3, h, w, device=corner.device)
    for n in range(0, len(corner), step):
        part = {key: value[n : n + step] for key, value in frames.items()}
        for y in range(0, h, rows):
            high = min(rows, h - y)
            px, py = ray_grid(corner[n : n + step] + corner.new_tensor([y, 0]), size, (high, w), supersample)
            if count:
                rgb = core.cast(px, py, part, pixel, count)
            else:
                rgb = drive(px[..., 0], py[..., 0], part, pixel, core.backdrop, core.billboard)
            out[n : n + step, :, y : y + high] = rgb.view(-1, 3, high, w)
    return out[:N]
