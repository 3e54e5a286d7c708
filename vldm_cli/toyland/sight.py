"""Where things are in the picture: what a renderer knows and a viewer has to find out. NumPy, no torch."""

from dataclasses import dataclass

import numpy as np

from vldm_cli.toyland.batch import SceneBatch
from vldm_cli.toyland.camera import TAN_Y
from vldm_cli.toyland.motion import PERIODIC, PERIODIC_CAMERAS, poses
from vldm_cli.toyland.scene import MAX_OBJECTS

# Points of a disc that are looked for, in units of its radius.
_TURN = np.arange(24) * 2.399963
POINTS_P2 = np.sqrt((np.arange(24) + 0.5) / 24)[:, None] * np.stack([np.cos(_TURN), np.sin(_TURN)], -1)
# An object's disc is drawn a little smaller than the sphere around it: cones and pyramids do not fill theirs.
FILLED = 0.85
# A settling motion that begins this late (seconds) may be over before a clip begins.
LATE = 1.5


@dataclass(frozen=True)
class Sight:
    """Of B object scenes at T times; of roads everything is zero, and nothing is visible.

    place_BTK2: middle of each object, x to the right and y down, the frame's edges at ±1. radius_BTK: of the disc that
    it covers, in half heights of the frame. visible_BTK: share of that disc which is in the frame and not behind
    another object. camera_BT5: the camera's turn to the right and upwards (radians), and its way right, up and forward
    (world units) since the first of the times.
    """

    place_BTK2: np.ndarray
    radius_BTK: np.ndarray
    visible_BTK: np.ndarray
    camera_BT5: np.ndarray


def sight(scenes: SceneBatch, times_BT: np.ndarray, aspect: float) -> Sight:
    """Where everything is at these times (seconds), in frames `aspect` times as wide as high."""
    pose = poses(scenes, np.asarray(times_BT, float))
    way = pose.center_BTK3 - pose.eye_BT3[:, :, None]
    right, up, forward = (np.einsum("btkc,btc->btk", way, pose.axes_BT33[:, :, i]) for i in range(3))
    depth = np.maximum(forward, 1e-3)
    place = np.stack([right / depth / (TAN_Y * aspect), -up / depth / TAN_Y], -1)
    radius = np.sqrt((pose.linear_BTK33**2).sum((-1, -2)) / 3) / depth / TAN_Y
    there = (np.arange(MAX_OBJECTS) < scenes.count_B[:, None]) & (scenes.family_B == 0)[:, None]
    visible = _visible(place, radius, depth, there, aspect) * there[:, None]
    roads = (scenes.family_B == 1)[:, None, None]
    return Sight(
        np.where(roads[..., None], 0.0, place),
        np.where(roads, 0.0, radius),
        visible,
        np.where(roads, 0.0, _camera(pose.eye_BT3, pose.axes_BT33)),
    )


def settled(scenes: SceneBatch, start_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(B, 3) and (B,) bool: whose motion, and which camera's, may be over in a clip that begins at start_B seconds."""
    late = np.asarray(start_B) > LATE
    objects = ~np.isin(scenes.motion_BK, PERIODIC)
    camera = ~np.isin(scenes.camera_B, PERIODIC_CAMERAS)
    return objects & late[:, None], camera & late


def _visible(place, radius, depth, there, aspect) -> np.ndarray:
    """Share (B,T,K) of each disc's points that are in the frame and in front of the other discs."""
    wide = np.array([aspect, 1.0])
    # (B,T,K,P,2) in half heights
    points = (place * wide)[..., None, :] + FILLED * radius[..., None, None] * POINTS_P2
    seen = (np.abs(points) < wide).all(-1)
    for j in range(MAX_OBJECTS):
        away = np.square(points - (place[:, :, j] * wide)[:, :, None, None]).sum(-1)
        covered = away < np.square(FILLED * radius[:, :, j])[:, :, None, None]
        nearer = (depth[:, :, j, None] < depth) & there[:, None, j, None]
        seen &= ~(covered & nearer[..., None])
    return seen.mean(-1)


def _camera(eye_BT3: np.ndarray, axes_BT33: np.ndarray) -> np.ndarray:
    """(B,T,5): turns and way of the camera since its first frame."""
    moved = np.einsum("btc,bic->bti", eye_BT3 - eye_BT3[:, :1], axes_BT33[:, 0])
    forward = np.einsum("btc,bic->bti", axes_BT33[:, :, 2], axes_BT33[:, 0])
    turn = np.arctan2(forward[..., 0], forward[..., 2])
    rise = np.arcsin(np.clip(forward[..., 1], -1, 1))
    return np.concatenate([turn[..., None], rise[..., None], moved], -1)
