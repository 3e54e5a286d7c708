"""Where the objects of a scene stand, how large they are, and which of their attributes go together.

Every continuous property of a scene comes from its row of dice (`SceneBatch.dice_BD`), so a scene is complete
once it is drawn and the same at every time it is rendered for.
"""

import numpy as np

from vldm_cli.toyland.world import COURSES, MOTIONS, RELATIONS, SIZES, TRAFFIC

# The columns of the dice, so that no two properties share one by accident.
(
    SIZE_0, SIZE_1, SIZE_2, YAW_0, YAW_1, YAW_2, PERIOD_0, PERIOD_1, PERIOD_2, HEIGHT_0, HEIGHT_1, HEIGHT_2,
    SIDE, STRAY, DISTANCE, ELEVATION, AZIMUTH, CAMERA_PERIOD, CAMERA_TURN, SUN, GROUND_X, GROUND_Y, GROUND_TURN,
    WAVES, HILLS, CLOUDS, SPEED, BEND, ROAD_PHASE, TRAVEL, DISC, PHASE, DICE,
) = range(33)  # fmt: skip

LEFT, RIGHT, BEHIND, FRONT = range(4)
ORBITS = MOTIONS.index("orbits")
TRAVELS = [MOTIONS.index(m) for m in ("rolls left", "rolls right", "slides left", "slides right")]
VERTICAL = [MOTIONS.index(m) for m in ("bounces", "falls", "rises", "jumps")]
RESIZES = [MOTIONS.index(m) for m in ("grows", "shrinks")]


def make_consistent(scenes, rng) -> None:
    """Change, in place, what cannot be together."""
    present = np.arange(3) < scenes.count_B[:, None]
    # Only the first of several objects may travel or orbit; an orbit needs exactly one partner, and it is small.
    for k in (1, 2):
        moving = np.isin(scenes.motion_BK[:, k], [*TRAVELS, ORBITS])
        scenes.motion_BK[moving, k] = 0
    orbit = scenes.motion_BK[:, 0] == ORBITS
    scenes.count_B[orbit] = 2
    scenes.size_BK[orbit, 0] = SIZES.index("small")
    tall = orbit & np.isin(scenes.motion_BK[:, 1], [*VERTICAL, *RESIZES])
    scenes.motion_BK[tall, 1] = 0
    # What grows ends large, what shrinks begins large.
    scenes.size_BK[np.isin(scenes.motion_BK, RESIZES) & present] = SIZES.index("large")
    # An empty road has nobody to overtake.
    lonely = (scenes.course_B == COURSES.index("overtaking")) & (scenes.traffic_B == TRAFFIC.index("empty"))
    scenes.traffic_B[lonely] = rng.integers(1, 3, int(lonely.sum()))


def choose_relations(scenes, rng, fixed: list[dict] | None = None) -> None:
    """Draw the relations of object 0 and of object 2 to object 1, in place; `fixed[i]` maps 0/1 to a given one."""
    n = len(scenes)
    first = rng.choice(4, n, p=(0.3, 0.3, 0.2, 0.2))
    second = rng.choice(4, n, p=(0.3, 0.3, 0.2, 0.2))
    travels = np.isin(scenes.motion_BK[:, 0], TRAVELS)
    lane = np.where(rng.random(n) < 0.65, FRONT, BEHIND)
    first = np.where(travels, lane, first)  # a traveller needs a lane of its own
    for i, given in enumerate(fixed or ()):
        first[i] = given.get(0, first[i])
        second[i] = given.get(1, second[i])
    clash = (first == second) | (travels & (second >= BEHIND))
    second = np.where(
        clash, np.where(first == LEFT, RIGHT, np.where(first == RIGHT, LEFT, rng.integers(0, 2, n))), second
    )
    orbit = scenes.motion_BK[:, 0] == ORBITS
    scenes.relation_BR[:, 0] = np.where((scenes.count_B > 1) & ~orbit, first, -1)
    scenes.relation_BR[:, 1] = np.where(scenes.count_B > 2, second, -1)
    assert len(RELATIONS) == 4


def radii(scenes) -> np.ndarray:
    """Half-heights (B,3) in world units."""
    dice = scenes.dice_BD[:, SIZE_0 : SIZE_2 + 1]
    small = 0.61 + 0.05 * dice
    large = 0.98 + 0.10 * dice
    r_BK = np.where(scenes.size_BK == 1, large, small)
    return r_BK * np.where(scenes.count_B > 1, 0.94, 1.0)[:, None]


def homes(scenes, r_BK: np.ndarray) -> np.ndarray:
    """Where each object stands on the ground, (B,3,2): object 1 in the middle, the others around it."""
    n = len(scenes)
    side = np.where(scenes.dice_BD[:, SIDE] < 0.5, -1.0, 1.0)
    home = np.zeros((n, 3, 2))
    for column, k in ((0, 0), (1, 2)):
        relation = scenes.relation_BR[:, column]
        other = scenes.relation_BR[:, 1 - column]
        reach = r_BK[:, k] + r_BK[:, 1]
        # A neighbour in depth steps aside, away from a third object, so that both can be seen.
        flip = side if column == 0 else -side
        aside = np.where(other == LEFT, 1.0, np.where(other == RIGHT, -1.0, flip))
        x = np.select(
            [relation == LEFT, relation == RIGHT, relation >= BEHIND],
            [-(reach + 0.35), reach + 0.35, aside * 0.78 * reach],
            0.0,
        )
        y = np.select([relation == BEHIND, relation == FRONT], [reach + 0.5, -(reach + 0.25)], 0.0)
        home[:, k, 0], home[:, k, 1] = x, y
    present = np.arange(3) < scenes.count_B[:, None]
    orbit = scenes.motion_BK[:, 0] == ORBITS
    low = np.where(present, home[..., 0] - r_BK, np.inf).min(1)
    high = np.where(present, home[..., 0] + r_BK, -np.inf).max(1)
    home[..., 0] -= np.where(orbit | (scenes.count_B == 1), 0.0, (low + high) / 2)[:, None]
    middle = (
        np.where(present, home[..., 1], np.inf).min(1) + np.where(present, home[..., 1], -np.inf).max(1)
    ) / 2
    home[..., 1] -= np.where(scenes.count_B > 1, middle, 0.0)[:, None]
    return home
