"""The driving world at any time: what stands beside the road and who drives on it, placed by a hash of its index.

Metres and seconds. u is the distance from the middle of the road (right is positive), depth the way ahead. The road
bends with a constant curvature, so seen from the car it has the same shape at all times.
"""

import numpy as np

from vldm_cli.toyland import layout as lay
from vldm_cli.toyland.looks import FIRST_COLOURS, SKY_TABLE
from vldm_cli.toyland.world import COLOURS, COURSES, ROADSIDES, TRAFFIC, WEATHERS

EYE_HEIGHT = 1.5
LANE = 1.75
BESIDE, STREAM, AHEAD = 6, 4, 2  # slots on each side of the road, in the other lane, in our own
PARTS = 8
# Parts of a billboard: middle x, z, half width, half height, corner radius, taper; then the colour slot.
# Colour slots: 0 body, 1 second, 2 dark, 3 glass, 4 lamp, 5 shadow, 6 trunk, 7 roof.
NOTHING = (0, 0, 0.01, 0.01, 0.0, 0.0, 2)
TREE = [
    (0, 0.05, 1.3, 0.12, 0.1, 0, 5), (0, 1.1, 0.24, 1.1, 0.05, 0.3, 6), (-0.75, 2.7, 1.05, 1.05, 1.05, 0, 0),
    (0.8, 2.8, 1.0, 1.0, 1.0, 0, 0), (0, 3.7, 1.25, 1.25, 1.25, 0, 0), NOTHING, NOTHING, NOTHING,
]  # fmt: skip
HOUSE = [
    (0, 0.05, 3.1, 0.12, 0.1, 0, 5), (0, 1.5, 2.6, 1.5, 0.03, 0, 0), (0, 3.9, 3.0, 1.0, 0.02, 0.92, 7),
    (-0.1, 0.85, 0.5, 0.85, 0.05, 0, 6), (-1.6, 1.75, 0.5, 0.5, 0.05, 0, 3), (1.4, 1.75, 0.5, 0.5, 0.05, 0, 3),
    NOTHING, NOTHING,
]  # fmt: skip
CACTUS = [
    (0, 0.05, 0.9, 0.1, 0.1, 0, 5), (0, 1.6, 0.38, 1.7, 0.38, 0, 0), (-0.62, 1.45, 0.62, 0.24, 0.24, 0, 0),
    (-1.0, 1.95, 0.25, 0.72, 0.25, 0, 0), (0.6, 1.85, 0.6, 0.22, 0.22, 0, 0), (0.95, 2.3, 0.23, 0.66, 0.23, 0, 0),
    NOTHING, NOTHING,
]  # fmt: skip
CAR = [
    (0, 0.06, 1.1, 0.14, 0.14, 0, 5), (-0.66, 0.27, 0.2, 0.27, 0.08, 0, 2), (0.66, 0.27, 0.2, 0.27, 0.08, 0, 2),
    (0, 0.70, 0.94, 0.40, 0.16, 0, 0), (0, 1.26, 0.76, 0.34, 0.12, 0.3, 0), (0, 1.25, 0.62, 0.21, 0.06, 0.3, 3),
    (-0.68, 0.76, 0.19, 0.11, 0.08, 0, 4), (0.68, 0.76, 0.19, 0.11, 0.08, 0, 4),
]  # fmt: skip
KINDS = np.array([TREE, HOUSE, CACTUS, CAR], float)
WALLS = np.array(
    [(0.93, 0.87, 0.74), (0.85, 0.60, 0.50), (0.72, 0.80, 0.88), (0.95, 0.80, 0.50), (0.88, 0.88, 0.86)]
)
ROOFS = np.array([(0.62, 0.22, 0.16), (0.45, 0.28, 0.20), (0.35, 0.37, 0.45)])
PAINTS = FIRST_COLOURS[
    [list(COLOURS).index(c) for c in ("red", "yellow", "blue", "white", "orange", "green", "purple")]
]
VERGES = np.array([(0.36, 0.60, 0.25), (0.50, 0.68, 0.36), (0.88, 0.74, 0.49)])
# How light falls: multiplier by time, and the fog's colour.
TINTS = np.array([(1.0, 1.0, 1.0), (0.98, 0.74, 0.62), (0.30, 0.33, 0.50)])
FOGS = np.array([(0.84, 0.87, 0.90), (0.90, 0.68, 0.56), (0.22, 0.25, 0.36)])


def _hash(seed, index, salt: int) -> np.ndarray:
    """Uniform numbers in [0,1) from (seed, index, salt): the same on every machine, for any index."""
    x = (np.asarray(seed, np.uint64) * np.uint64(0x9E3779B97F4A7C15)) ^ (
        np.asarray(index, np.int64).astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F) + np.uint64(salt)
    )
    for _ in range(2):
        x = (x ^ (x >> np.uint64(31))) * np.uint64(0xD6E8FEB86659FD93)
    return (x >> np.uint64(40)).astype(np.float64) / 2**24


def road_view(scenes, times_BT: np.ndarray) -> dict[str, np.ndarray]:
    """Per-frame arrays (N = B·T rows) for `road.drive`: the road, and its billboards from far to near."""
    t = np.asarray(times_BT, np.float64)
    B, T = t.shape
    dice, seed = scenes.dice_BD, scenes.seed_B[:, None, None]
    overtaking = scenes.course_B == COURSES.index("overtaking")
    speed = 4.6 + 1.2 * dice[:, lay.SPEED]
    bend = np.select(
        [scenes.course_B == COURSES.index(c) for c in ("bending left", "bending right")], [-1.0, 1.0], 0.0
    )
    curve = bend / (62 + 30 * dice[:, lay.BEND])
    way = speed[:, None] * t + 500 * dice[:, lay.ROAD_PHASE, None]

    # Beside the road: one slot for each index and side; nearest first.
    houses = scenes.roadside_B == ROADSIDES.index("houses")
    gap = np.where(houses, 12.0, 10.0)[:, None, None]
    slot = np.arange(BESIDE)
    side_items = []
    for side in (-1, 1):
        index = np.floor(way[..., None] / gap).astype(np.int64) + slot
        key = 2 * index + (side > 0)
        depth = (index + 0.55 * _hash(seed, key, 1)) * gap - way[..., None]
        near = np.array([6.3, 8.6, 6.0])[scenes.roadside_B][:, None, None]
        u = side * (near + np.array([2.6, 1.2, 3.5])[scenes.roadside_B][:, None, None] * _hash(seed, key, 2))
        size = 0.85 + 0.35 * _hash(seed, key, 3)
        die = _hash(seed, key, 4)
        kind = np.broadcast_to(scenes.roadside_B[:, None, None], depth.shape)
        side_items.append((depth, u, size, die, kind, np.zeros_like(depth), np.ones_like(depth)))

    # The other lane: oncoming cars, or the slower ones that we overtake (then the camera is in the left lane).
    heavy = (scenes.traffic_B == TRAFFIC.index("heavy"))[:, None, None]
    some = (scenes.traffic_B > 0)[:, None, None].astype(float)
    over = overtaking[:, None, None]
    spacing = np.where(heavy, np.where(over, 12.0, 17.0), np.where(over, 21.0, 42.0))
    closing = np.where(over, 3.3, 8.0)
    travelled = closing * t[..., None] + spacing * 7 * dice[:, lay.PHASE, None, None]
    index = np.floor(travelled / spacing).astype(np.int64) + 1 + np.arange(STREAM)
    depth = (index + 0.3 * _hash(seed, index, 5)) * spacing - travelled
    ones = np.ones_like(depth)
    stream = (
        depth,
        np.where(over, LANE, -LANE) * ones,
        ones,
        _hash(seed, index, 6),
        3 * ones,
        np.where(over, 0.0, 1.0) * ones,
        some * ones,
    )
    # Our own lane: one car ahead, two in heavy traffic; none when overtaking.
    ahead = np.arange(AHEAD)
    lead = (
        np.where(heavy, 8.5, 11.5)
        + 15 * ahead
        + 1.2 * np.sin(2 * np.pi * t[..., None] / (9 + 2 * ahead) + 6 * dice[:, lay.SIDE, None, None])
    )
    shown = some * ~over * np.where(heavy, 1.0, ahead == 0)
    ones = np.ones_like(lead)
    leaders = (
        lead,
        LANE * ones,
        ones,
        _hash(seed, ahead + 0 * lead.astype(np.int64), 7),
        3 * ones,
        0 * ones,
        shown * ones,
    )

    items = [np.concatenate(parts, -1) for parts in zip(*side_items, stream, leaders, strict=True)]
    order = np.argsort(-items[0], -1)
    depth, u, size, die, kind, oncoming, alpha = (
        np.take_along_axis(v, order, -1).reshape(B * T, -1) for v in items
    )
    kind = kind.astype(int)
    alpha = alpha * (depth > 1.2)
    shape = KINDS[kind]  # (N,I,PARTS,7)
    rep = lambda v: np.repeat(v, T, 0)  # noqa: E731
    foggy = scenes.weather_B == WEATHERS.index("foggy")
    night = scenes.time_B == 2
    item_night = rep(night)[:, None]
    out = {
        "depth": np.maximum(depth, 1.2),
        "u": u,
        "alpha": alpha,
        "part": shape[..., :6]
        * np.concatenate(
            [
                np.broadcast_to(size[..., None, None], (*size.shape, PARTS, 5)),
                np.ones((*size.shape, PARTS, 1)),
            ],
            -1,
        ),
        "part_alpha": np.where(shape[..., 6] == 5, 0.4, 1.0) * (shape[..., 2] > 0.02),
        "part_colour": _colours(kind, shape[..., 6].astype(int), die, oncoming, item_night),
        "part_glow": (
            (shape[..., 6] == 4) | ((shape[..., 6] == 3) & (kind == 1)[..., None] & (die > 0.4)[..., None])
        )
        * item_night[..., None]
        * 1.0,
        "curve": rep(curve),
        "camera": rep(np.where(overtaking, -LANE, LANE)),
        "way": np.mod(way, 12 * 3600).reshape(-1),
        "heading": np.mod(curve[:, None] * speed[:, None] * t, 2 * np.pi).reshape(-1),
        "fog_length": rep(np.where(foggy, 26.0, 260.0)),
        "fog": rep(np.where(foggy, 1.0, 0.0)),
        "tint": rep(TINTS[scenes.time_B]),
        "night": rep(night * 1.0),
        "fog_colour": rep(np.where(foggy[:, None], FOGS[scenes.time_B], SKY_TABLE["horizon"][scenes.time_B])),
        "verge": rep(VERGES[scenes.roadside_B]),
    }
    return out


def _colours(kind, slot, die, oncoming, night) -> np.ndarray:
    """Colour (N,I,PARTS,3) of every part from its kind, its colour slot and the item's die."""

    def choose(table):
        return table[(die * len(table)).astype(int)]

    leaf = np.stack([0.10 + 0.14 * die, 0.44 + 0.14 * die, 0.14 + 0.06 * die], -1)
    cactus = np.stack([0.16 + 0.08 * die, 0.50 + 0.10 * die, 0.24 + 0.06 * die], -1)
    k = kind[..., None]
    body = np.select([k == 0, k == 1, k == 2], [leaf, choose(WALLS), cactus], choose(PAINTS))
    lamp = np.where(oncoming[..., None] > 0, [1.0, 0.96, 0.80], [0.86, 0.07, 0.07])
    glass = np.where(
        (k == 1) & (night[..., None] > 0) & (die[..., None] > 0.4), [1.0, 0.84, 0.45], [0.20, 0.26, 0.34]
    )
    fixed = np.array([(0.09, 0.09, 0.10), (0.06, 0.07, 0.08), (0.36, 0.23, 0.13)])
    slots = np.stack(
        np.broadcast_arrays(body, body, fixed[0], glass, lamp, fixed[1], fixed[2], choose(ROOFS)), -2
    )
    return np.take_along_axis(slots, slot[..., None], -2)
