"""A batch of scenes, as NumPy structure-of-arrays, and what there is to be said of each."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from vldm_cli.toyland.world import (
    CAMERAS,
    COLOURS,
    COURSES,
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
)

COLOUR_NAMES = tuple(COLOURS)


@dataclass
class SceneBatch:
    """B scenes. Integer codes index the tuples of `world`; object arrays are padded to three objects."""

    family_B: np.ndarray
    count_B: np.ndarray
    colour_BK: np.ndarray
    shape_BK: np.ndarray
    material_BK: np.ndarray
    size_BK: np.ndarray
    motion_BK: np.ndarray
    relation_BR: np.ndarray  # of object 0, and of object 2, to object 1; -1: none
    ground_B: np.ndarray
    sky_B: np.ndarray
    camera_B: np.ndarray
    time_B: np.ndarray
    traffic_B: np.ndarray
    roadside_B: np.ndarray
    weather_B: np.ndarray
    course_B: np.ndarray
    dice_BD: np.ndarray  # uniform numbers in [0, 1) from which every continuous property is made
    seed_B: np.ndarray  # for everything placed by index along a road

    def __len__(self):
        return len(self.family_B)

    def __getitem__(self, index) -> "SceneBatch":
        """The scenes at `index` (slice, integer or boolean array)."""
        return SceneBatch(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def describe(self, i: int) -> dict:
        """The attributes of scene i by name: the ground truth that captions speak of."""
        if self.family_B[i]:
            return {
                "family": "driving",
                "time": TIMES[self.time_B[i]],
                "traffic": TRAFFIC[self.traffic_B[i]],
                "roadside": ROADSIDES[self.roadside_B[i]],
                "weather": WEATHERS[self.weather_B[i]],
                "course": COURSES[self.course_B[i]],
            }
        count = int(self.count_B[i])
        objects = [
            {
                "colour": COLOUR_NAMES[self.colour_BK[i, k]],
                "shape": SHAPES[self.shape_BK[i, k]],
                "material": MATERIALS[self.material_BK[i, k]],
                "size": SIZES[self.size_BK[i, k]],
                "motion": MOTIONS[self.motion_BK[i, k]],
            }
            for k in range(count)
        ]
        pairs = [(0, 1)] * (count > 1) + [(2, 1)] * (count > 2)
        relations = [
            (a, RELATIONS[r], b) for (a, b), r in zip(pairs, self.relation_BR[i], strict=False) if r >= 0
        ]
        return {
            "family": "objects",
            "objects": objects,
            "relations": relations,
            "ground": GROUNDS[self.ground_B[i]],
            "sky": SKIES[self.sky_B[i]],
            "camera": CAMERAS[self.camera_B[i]],
        }


def joined(parts: Sequence[SceneBatch]) -> SceneBatch:
    """Batches of scenes, one after the other, as one."""
    return SceneBatch(
        **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(SceneBatch)}
    )
