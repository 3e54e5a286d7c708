"""Where objects and camera are at any time t ∈ (−∞, ∞).

Every motion is periodic, settles, or goes on for ever with the camera following, so that a long video never has to
start a motion over; and all are slow against the distance of two keyframes (0.67 s). Settling motions begin at
t = 0. x right, y away, z up.
"""

from dataclasses import dataclass

import numpy as np

from vldm_cli.toyland import layout as lay
from vldm_cli.toyland.camera import TAN_X, C, M, camera_distance, camera_view, ease, orbit_radius
from vldm_cli.toyland.world import SHAPES

TOP = 3.5  # the top of an object never leaves this height
CYLINDER_RADIUS = 0.8
S = {name: i for i, name in enumerate(SHAPES)}
PERIODIC = np.array([M[m] for m in ("stands still", "bounces", "spins", "jumps", "orbits")])
PERIODIC_CAMERAS = np.array([C[c] for c in ("still", "orbiting")])


@dataclass
class Poses:
    """Objects: `center_BTK3` and `linear_BTK33` (world = center + linear @ local). Camera: `eye_BT3`, `axes_BT33`
    (rows: right, up, forward)."""

    center_BTK3: np.ndarray
    linear_BTK33: np.ndarray
    eye_BT3: np.ndarray
    axes_BT33: np.ndarray


def settles(scenes) -> np.ndarray:
    """(B,) bool: whether anything in the scene has a beginning at t = 0."""
    present = np.arange(3) < scenes.count_B[:, None]
    objects = (~np.isin(scenes.motion_BK, PERIODIC) & present).any(1)
    camera = ~np.isin(scenes.camera_B, PERIODIC_CAMERAS)
    return (scenes.family_B == 0) & (objects | camera)


def _rotation(angle, axis):
    """Rotation matrices (...,3,3) about axis 0 (x), 1 (y) or 2 (z)."""
    c, s = np.cos(angle), np.sin(angle)
    one, zero = np.ones_like(c), np.zeros_like(c)
    rows = {
        0: (one, zero, zero, zero, c, -s, zero, s, c),
        1: (c, zero, s, zero, one, zero, -s, zero, c),
        2: (c, -s, zero, s, c, zero, zero, zero, one),
    }[axis]
    return np.stack(rows, -1).reshape(*c.shape, 3, 3)


def _support(shape, angle):
    """How far below its centre a unit shape reaches when it is turned by `angle` about the y axis."""
    c, s = np.cos(angle), np.sin(angle)
    base = np.maximum(s + c, -s + c)
    return np.select(
        [shape == S["cube"], shape == S["cylinder"], (shape == S["cone"]) | (shape == S["pyramid"])],
        [np.abs(c) + np.abs(s), CYLINDER_RADIUS, np.maximum(base, -c)],
        1.0,
    )


def poses(scenes, times_BT: np.ndarray) -> Poses:
    """Poses of B object scenes at T times each (seconds)."""
    t = np.asarray(times_BT, np.float64)[:, :, None]  # (B,T,1)
    dice = scenes.dice_BD
    r_BK = lay.radii(scenes)
    home = lay.homes(scenes, r_BK)
    distance = camera_distance(scenes, home, r_BK)
    motion, shape = scenes.motion_BK[:, None], scenes.shape_BK[:, None]  # (B,1,3)
    r = r_BK[:, None]
    period_die = dice[:, None, lay.PERIOD_0 : lay.PERIOD_2 + 1]
    height_die = dice[:, None, lay.HEIGHT_0 : lay.HEIGHT_2 + 1]
    headroom = TOP - 2 * r

    # Heights: a bounce, a leap after a crouch, a fall with two small bounces, a smooth rise.
    u = np.mod(t / (2.7 + 0.8 * period_die), 1.0)
    bounce = headroom * (0.8 + 0.2 * height_die) * (1 - (2 * u - 1) ** 2)
    v = np.mod(t / (3.2 + 0.7 * period_die), 1.0)
    leap = headroom * (0.55 + 0.2 * height_die) * (1 - (2 * np.clip((v - 0.3) / 0.5, 0, 1) - 1) ** 2)
    fall_time = 1.7 + 0.4 * period_die
    drop = headroom * (1 - (np.clip(t, 0, None) / fall_time) ** 2)
    fall, start = np.maximum(drop, 0), fall_time
    for e in (0.45, 0.2):
        w = np.clip((t - start) / (2 * e * fall_time), 0, 1)
        fall = fall + headroom * e * e * (1 - (2 * w - 1) ** 2)
        start = start + 2 * e * fall_time
    rise = headroom * (0.75 + 0.2 * height_die) * ease(t / (4.2 + period_die))
    lift = np.select(
        [motion == M[m] for m in ("bounces", "jumps", "falls", "rises")], [bounce, leap, fall, rise], 0.0
    )

    # Squash: soft where a bounce touches, deeper in the crouch before a leap.
    touch = 1 - 0.12 * np.exp(-((bounce / (0.25 * r)) ** 2))
    crouch = (
        1
        - 0.2 * np.sin(np.pi * np.clip(v / 0.3, 0, 1)) ** 2
        - 0.1 * np.sin(np.pi * np.clip((v - 0.8) / 0.2, 0, 1)) ** 2
    )
    squash = np.select([motion == M["bounces"], motion == M["jumps"]], [touch, crouch], 1.0)

    # Sizes.
    grown = ease(t / (4.2 + period_die))
    scale = np.select(
        [motion == M["grows"], motion == M["shrinks"]], [0.48 + 0.52 * grown, 1 - 0.52 * grown], 1.0
    )
    radius = r * scale

    # Travel. A slide settles; a roll goes on for ever with the camera following when nothing else is in the scene.
    left = (motion == M["rolls left"]) | (motion == M["slides left"])
    sign = np.where(left, -1.0, 1.0)
    rolls = (motion == M["rolls left"]) | (motion == M["rolls right"])
    travels = rolls | (motion == M["slides left"]) | (motion == M["slides right"])
    alone = (scenes.count_B == 1)[:, None, None]
    panning = np.isin(scenes.camera_B, [C["panning left"], C["panning right"]])[:, None, None]
    zooming = np.isin(scenes.camera_B, [C["zooming in"], C["zooming out"]])[:, None, None]
    depth = distance[:, None, None] + home[:, None, :, 1]
    reach = np.clip(np.where(panning, 0.68, np.where(zooming, 0.8, 0.9)) * TAN_X * depth - r - 0.15, 0.6, 2.6)
    rim = radius * np.where(shape == S["cylinder"], CYLINDER_RADIUS, 1.0)
    pace = 4.6 + 1.2 * dice[:, None, lay.TRAVEL, None]
    # A small thing rolls across more slowly, so that it never turns by more than about 70° between keyframes.
    pace = np.where(rolls & ~alone, np.maximum(pace, 1.5 * 1.9 * reach / (1.75 * rim)), pace)
    along = ease(t / pace)
    in_frame = sign * reach * np.where(rolls & alone, 1.5 * along - 1, 1.9 * along - 1)
    endless = sign * (0.78 + 0.12 * height_die) * t
    x = np.where(rolls & alone, endless, in_frame)
    follow = np.where(rolls & alone, endless - in_frame, 0.0)[..., 0]  # (B,T)
    roll = np.where(rolls, x / rim, 0.0)

    place = np.broadcast_to(home[:, None], (*np.broadcast(t, r).shape, 2)).copy()
    place[..., 0] = np.where(travels, x, place[..., 0])
    # Object 0 around object 1.
    turn = np.where(dice[:, lay.SIDE] < 0.5, 1.0, -1.0)[:, None]
    phi = turn * 2 * np.pi * (t[..., 0] / (6.2 + 1.6 * period_die[..., 0]) + dice[:, None, lay.PHASE])
    ring = orbit_radius(r_BK)[:, None]
    orbits = motion[..., 0] == M["orbits"]
    place[:, :, 0, 0] = np.where(orbits, place[:, :, 1, 0] + ring * np.cos(phi), place[:, :, 0, 0])
    place[:, :, 0, 1] = np.where(orbits, place[:, :, 1, 1] + ring * np.sin(phi), place[:, :, 0, 1])

    # A cylinder stands unless it rolls; a ring always stands on its rim.
    low = np.where((shape == S["cylinder"]) & ~rolls, 1.0, _support(shape, roll))
    height = low * radius * squash + lift
    center = np.concatenate([place, height[..., None]], -1)

    spin = np.where(motion == M["spins"], 2 * np.pi * t / (7.0 + 2.0 * period_die), 0.0)
    rest = (dice[:, None, lay.YAW_0 : lay.YAW_2 + 1] - 0.5) * np.where(shape == S["ring"], 1.0, 1.7)
    yaw = np.where(rolls & (shape != S["ball"]), 0.0, rest) + spin
    lying = (shape == S["ring"]) | ((shape == S["cylinder"]) & rolls)
    tilt = np.where(lying, np.pi / 2, 0.0) + np.zeros_like(yaw)
    turned = _rotation(roll + np.zeros_like(yaw), 1) @ _rotation(yaw, 2) @ _rotation(tilt, 0)
    wide = 1 / np.sqrt(squash)
    stretch = (
        np.stack(np.broadcast_arrays(wide, wide, squash), -1)
        * np.broadcast_to(radius, squash.shape)[..., None]
    )
    linear = stretch[..., None] * turned
    eye, axes = camera_view(scenes, t[..., 0], distance, r_BK, follow)
    return Poses(center, np.broadcast_to(linear, (*center.shape, 3)), eye, axes)
