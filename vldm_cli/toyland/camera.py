"""The camera of object scenes: how far away it is, where it is at any time, and what it looks at."""

import numpy as np

from vldm_cli.toyland import layout as lay
from vldm_cli.toyland.world import CAMERAS, MOTIONS

HALF_FOV = np.deg2rad(19.0)  # vertical
# a plain float: numpy's own would be a tensor to torch.compile, and one that it refuses in inference mode
TAN_Y = float(np.tan(HALF_FOV))
TAN_X = TAN_Y * 1.6
SAFE_X = 0.86 * TAN_X  # objects stay inside this share of the width
# Every pan takes as long and turns the camera as far to each side: one speed for a lone thing that stays where it is,
# half of it where things fill the width or cross it. What is behind then moves alike in all clips, and can be learned.
PAN_SECONDS = 4.8
PAN_FAR, PAN_NEAR = float(np.deg2rad(13.5)), float(np.deg2rad(6.75))
M = {name: i for i, name in enumerate(MOTIONS)}
C = {name: i for i, name in enumerate(CAMERAS)}


def ease(u):
    u = np.clip(u, 0.0, 1.0)
    return u * u * (3 - 2 * u)


def camera_distance(scenes, home, r_BK) -> np.ndarray:
    """(B,) far enough for everything to be in view."""
    present = np.arange(3) < scenes.count_B[:, None]
    high = (np.isin(scenes.motion_BK, lay.VERTICAL) & present).any(1)
    near = np.where(present, -home[..., 1], 0).max(1)  # what stands in front looks larger
    base = 6.3 + 0.5 * scenes.dice_BD[:, lay.DISTANCE] + 0.7 * high + 0.45 * near
    need = np.where(present, (np.abs(home[..., 0]) + r_BK) / SAFE_X - home[..., 1], 0).max(1)
    orbit = scenes.motion_BK[:, 0] == M["orbits"]
    reach = orbit_radius(r_BK) + r_BK[:, 0]
    return np.maximum(base, np.maximum(need, np.where(orbit, reach / SAFE_X + 0.3, 0)))


def orbit_radius(r_BK):
    return 1.15 * (r_BK[:, 0] + r_BK[:, 1]) + 0.35


def camera_view(scenes, t, distance, r_BK, follow):
    """Eye (B,T,3) and axes (B,T,3,3) of the camera; it looks at the middle of the scene."""
    dice, camera = scenes.dice_BD, scenes.camera_B[:, None]
    present = np.arange(3) < scenes.count_B[:, None]
    high = (np.isin(scenes.motion_BK, lay.VERTICAL) & present).any(1)
    biggest = np.where(present, r_BK, 0).max(1)
    target_z = np.where(high, 1.42, 0.55 + 0.4 * biggest)[:, None]
    gone = ease(t / (4.8 + 1.2 * dice[:, lay.CAMERA_PERIOD, None]))

    crowded = (scenes.count_B > 1)[:, None]
    elevation = np.deg2rad(np.where(crowded, 10.0, 6.5) + 5 * dice[:, lay.ELEVATION, None])
    elevation = np.where(camera == C["rising"], np.deg2rad(5 + 24 * gone), elevation)
    zoom = np.select(
        [camera == C["zooming in"], camera == C["zooming out"]], [1.28 - 0.38 * gone, 0.90 + 0.38 * gone], 1.0
    )

    # A lone object that goes nowhere is orbited all the way round; others from side to side, so that left stays left.
    travels = np.isin(scenes.motion_BK[:, :1], lay.TRAVELS)
    side = np.where(dice[:, lay.CAMERA_TURN, None] < 0.5, -1.0, 1.0)
    pace = 2 * np.pi * t / (24 + 8 * dice[:, lay.CAMERA_PERIOD, None])
    swing = np.where(travels, 0.35, 0.6) * np.sin(1.8 * pace)
    azimuth = np.where(camera == C["orbiting"], side * np.where(crowded | travels, swing, pace), 0.0)
    azimuth = azimuth + 0.16 * (dice[:, lay.AZIMUTH, None] - 0.5)

    orbits = scenes.motion_BK[:, :1] == M["orbits"]
    swept = np.clip(t / PAN_SECONDS, 0.0, 1.0)
    pan = np.select(
        [camera == C["panning left"], camera == C["panning right"]], [1 - 2 * swept, 2 * swept - 1], 0.0
    ) * np.where(crowded | travels | orbits, PAN_NEAR, PAN_FAR)

    def direction(az):
        return np.stack(
            [np.sin(az) * np.cos(elevation), -np.cos(az) * np.cos(elevation), np.sin(elevation) + 0 * az], -1
        )

    zeros = np.zeros_like(t)
    target = np.stack([follow + zeros, zeros, target_z + zeros], -1)
    eye = target + direction(azimuth + zeros) * (distance[:, None] * zoom + zeros)[..., None]
    forward = -direction(azimuth - pan + zeros)
    right = np.stack([np.cos(azimuth - pan), np.sin(azimuth - pan), zeros], -1)
    up = np.cross(right, forward)
    return eye, np.stack([right, up, forward], -2)
