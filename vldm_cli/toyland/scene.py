"""Sample Toyland scenes, a whole batch at a time.

A scene is what does not change over time; `motion.poses` and `traffic.road_view` say where everything is at
time t, for any t. Units: one world unit is about the radius of a large object; x right, y away, z up; seconds.
"""

import numpy as np

from vldm_cli.errors import RequestError
from vldm_cli.toyland import layout
from vldm_cli.toyland.batch import COLOUR_NAMES, SceneBatch
from vldm_cli.toyland.world import (
    CAMERAS,
    COLOURS,
    COURSES,
    FAMILIES,
    GROUNDS,
    MATERIALS,
    MOTIONS,
    RELATIONS,
    ROADSIDES,
    SHAPES,
    SIZES,
    SKIES,
    TIMES,
    TRAFFIC,
    WEATHERS,
    is_withheld,
)

__all__ = ["MAX_OBJECTS", "from_attributes", "is_withheld", "sample_scenes"]

MAX_OBJECTS = 3
DRIVING_SHARE = 0.2
OBJECT_SHARES = (0.50, 0.38, 0.12)
WITHHELD = np.array([[[is_withheld(c, s, m) for m in MOTIONS] for s in SHAPES] for c in COLOUR_NAMES])

# How often each motion and camera is drawn; standing still and a still camera are the defaults of a caption.
MOTION_SHARES = np.array([2.0, 2.0, 1.6, 1.6, 1.2, 1.2, 1.6, 1.5, 1.4, 1.4, 0.0, 1.2, 1.2])
BYSTANDER_SHARES = np.array([7.0, 0.8, 0, 0, 0, 0, 1.0, 0.6, 0.6, 0.8, 0, 0.5, 0.5])
CAMERA_SHARES = np.array([4.0, 1.2, 1.0, 1.0, 0.9, 0.9, 0.9])
# In training, pans are drawn more often: the whole picture moves, which is learnt last.
TRAINED_CAMERA_SHARES = np.array([3.4, 1.0, 1.2, 1.1, 1.6, 1.6, 0.9])


def sample_scenes(
    n: int,
    rng: np.random.Generator,
    family: str | None = None,
    withheld: bool = False,
    objects: int | None = None,
    driving: float = DRIVING_SHARE,
    camera_shares: np.ndarray = CAMERA_SHARES,
    rolling: float = 1.0,
    spinning: float = 1.0,
    repeated: float = 0.0,
) -> SceneBatch:
    """Draw n scenes; `driving` is the share of the road family among them.

    `family`: only "objects" or only "driving" (default: the training mix). `objects`: 1, 2 or 3 in every object
    scene. `withheld=True`: the first object of every object scene is a withheld (colour, shape, motion) triple;
    otherwise no object of any scene is one. `camera_shares`: how often each camera is drawn. `rolling`: how many times
    as often as usual a first object rolls; `spinning`: any object spins. `repeated`: the share of scenes of several
    objects in which these are alike but for their colour, or in it too ("two red cubes").
    """
    if family not in (None, *FAMILIES):
        raise RequestError(f"there is no Toyland family {family!r}: {' or '.join(FAMILIES)}")
    if objects not in (None, 1, 2, 3):
        raise RequestError("a Toyland scene has 1, 2 or 3 objects")

    def pick(k, shares=None, size=(n,)):
        p = None if shares is None else np.asarray(shares) / np.sum(shares)
        return rng.choice(k, size=size, p=p)

    K = MAX_OBJECTS
    spins = np.where([m == "spins" for m in MOTIONS], spinning, 1.0)
    motion_shares = MOTION_SHARES * spins * np.where([m.startswith("rolls") for m in MOTIONS], rolling, 1.0)
    scenes = SceneBatch(
        family_B=(rng.random(n) < driving).astype(int)
        if family is None
        else np.full(n, FAMILIES.index(family)),
        count_B=1 + pick(3, OBJECT_SHARES) if objects is None else np.full(n, objects),
        colour_BK=pick(len(COLOURS), size=(n, K)),
        shape_BK=pick(len(SHAPES), size=(n, K)),
        material_BK=pick(len(MATERIALS), (1.6, 1, 1, 1), size=(n, K)),
        size_BK=pick(2, (0.4, 0.6), size=(n, K)),
        motion_BK=np.concatenate(
            [
                pick(len(MOTIONS), motion_shares, (n, 1)),
                pick(len(MOTIONS), BYSTANDER_SHARES * spins, (n, K - 1)),
            ],
            1,
        ),
        relation_BR=np.full((n, 2), -1),
        ground_B=pick(len(GROUNDS)),
        sky_B=pick(len(SKIES), (1.3, 1, 1, 0.8)),
        camera_B=pick(len(CAMERAS), camera_shares),
        time_B=pick(len(TIMES)),
        traffic_B=pick(len(TRAFFIC)),
        roadside_B=pick(len(ROADSIDES)),
        weather_B=pick(2, (0.7, 0.3)),
        course_B=pick(len(COURSES), (1.2, 1, 1, 1)),
        dice_BD=rng.random((n, layout.DICE)),
        seed_B=rng.integers(0, 2**31, n),
    )
    # One two-object scene in seven is an orbit.
    orbit = (scenes.count_B == 2) & (rng.random(n) < 0.15)
    scenes.motion_BK[orbit, 0] = layout.ORBITS
    layout.make_consistent(scenes, rng)
    _settle_triples(scenes, rng, withheld)
    if repeated:
        _repeat(scenes, rng, repeated)
    layout.choose_relations(scenes, rng)
    return scenes


def _repeat(scenes: SceneBatch, rng, share: float) -> None:
    """Make the objects of that share of the scenes of several alike, in place: like the second one, for the first may
    move as only one can; half of these in colour too. Where that would make a withheld triple, nothing is changed."""
    wanted = (scenes.count_B > 1) & (scenes.family_B == 0) & (rng.random(len(scenes)) < share)
    wanted &= scenes.motion_BK[:, 0] != layout.ORBITS
    alike_in_colour = wanted & (rng.random(len(scenes)) < 0.5)
    colour_BK = np.where(alike_in_colour[:, None], scenes.colour_BK[:, 1:2], scenes.colour_BK)
    shape_BK, motion_BK = (
        np.broadcast_to(codes[:, 1:2], codes.shape) for codes in (scenes.shape_BK, scenes.motion_BK)
    )
    present = np.arange(MAX_OBJECTS) < scenes.count_B[:, None]
    wanted &= ~(WITHHELD[colour_BK, shape_BK, motion_BK] & present).any(1)
    for name in ("shape", "material", "size", "motion"):
        codes = getattr(scenes, f"{name}_BK")
        codes[wanted] = codes[wanted][:, 1:2]
    scenes.colour_BK[wanted] = colour_BK[wanted]


def _settle_triples(scenes: SceneBatch, rng, withheld: bool) -> None:
    """Redraw colours until no triple is withheld, or until each first object is one."""
    wanted = np.zeros(scenes.colour_BK.shape, bool)
    if withheld:
        wanted[:, 0] = True
    for _ in range(1000):
        wrong = WITHHELD[scenes.colour_BK, scenes.shape_BK, scenes.motion_BK] != wanted
        # Neighbours of one colour and shape cannot be told apart in a caption.
        for a, b in ((0, 1), (1, 2), (0, 2)):
            same = (scenes.colour_BK[:, a] == scenes.colour_BK[:, b]) & (
                scenes.shape_BK[:, a] == scenes.shape_BK[:, b]
            )
            wrong[:, b] |= same
        if not wrong.any():
            return
        scenes.colour_BK[wrong] = rng.integers(0, len(COLOURS), int(wrong.sum()))
        if withheld:  # a shape may have no withheld colour for this motion
            scenes.shape_BK[wrong] = rng.integers(0, len(SHAPES), int(wrong.sum()))
    raise AssertionError("no permitted colours were found in 1000 draws")


def from_attributes(dicts: list[dict], rng: np.random.Generator) -> SceneBatch:
    """Scenes that show the given attributes (the form of `describe`). Whatever is left out is drawn, but for the
    motion of a given object, which then stands still, and the family, which then is "objects".

    Raises RequestError for a name that Toyland does not have.
    """
    scenes = sample_scenes(len(dicts), rng, family="objects")
    names = {"ground": GROUNDS, "sky": SKIES, "camera": CAMERAS}
    road = {"time": TIMES, "traffic": TRAFFIC, "roadside": ROADSIDES, "weather": WEATHERS, "course": COURSES}
    per_object = {
        "colour": COLOUR_NAMES,
        "shape": SHAPES,
        "material": MATERIALS,
        "size": SIZES,
        "motion": MOTIONS,
    }
    fixed: list[dict] = []
    for i, given in enumerate(dicts):
        driving = given.get("family", "objects") == "driving"
        scenes.family_B[i] = int(driving)
        for key, values in (road if driving else names).items():
            if key in given:
                getattr(scenes, f"{key}_B")[i] = _code(key, given[key], values)
        if driving:
            fixed.append({})
            continue
        if given.get("objects"):
            scenes.count_B[i] = len(given["objects"])
        for k, thing in enumerate(given.get("objects", ())):
            scenes.motion_BK[i, k] = 0
            for key, value in thing.items():
                getattr(scenes, f"{key}_BK")[i, k] = _code(key, value, per_object[key])
        fixed.append({0 if a == 0 else 1: RELATIONS.index(r) for a, r, _ in given.get("relations", ())})
    layout.make_consistent(scenes, rng)
    layout.choose_relations(scenes, rng, fixed)
    return scenes


def _code(key: str, value: str, values: tuple) -> int:
    if value not in values:
        raise RequestError(f"Toyland has no {key} {value!r}: it has {', '.join(values)}")
    return values.index(value)
