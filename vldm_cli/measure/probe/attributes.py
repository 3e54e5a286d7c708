"""The attributes of Toyland as numbers: what the probe is taught, and what it answers with.

Objects are asked for by colour, so an answer never depends on an order of objects: row k of every object array is
"the object of colour k". Where a scene has two objects of one colour only what they share has a single answer. How one
object stands to another is asked by the two colours.
"""

import torch
from torch import Tensor

from vldm_cli.toyland.batch import COLOUR_NAMES
from vldm_cli.toyland.world import (
    CAMERAS,
    COURSES,
    FAMILIES,
    GROUNDS,
    INVERSE,
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

SCENE = {
    "family": FAMILIES,
    "ground": GROUNDS,
    "sky": SKIES,
    "camera": CAMERAS,
    "time": TIMES,
    "traffic": TRAFFIC,
    "roadside": ROADSIDES,
    "weather": WEATHERS,
    "course": COURSES,
}
OBJECT = {"shape": SHAPES, "material": MATERIALS, "size": SIZES, "motion": MOTIONS}
# What a mirrored clip shows.
MIRRORED = {"left": "right", "right": "left"}


def encode(attributes: list[dict]) -> tuple[Tensor, Tensor]:
    """Dictionaries of `SceneBatch.describe` → (scene (B, 9), objects (B, 10, 5)), int8.

    scene: one code for each entry of SCENE, −1 where the family has no such attribute. objects: for each colour its
    presence (0/1) and the codes of OBJECT, −1 where there is no such object, or several that differ in it.
    """
    scene = torch.full((len(attributes), len(SCENE)), -1, dtype=torch.int8)
    objects = torch.full((len(attributes), len(COLOUR_NAMES), 1 + len(OBJECT)), -1, dtype=torch.int8)
    objects[:, :, 0] = 0
    for row, codes, given in zip(scene, objects, attributes, strict=True):
        for column, (name, values) in enumerate(SCENE.items()):
            if name in given:
                row[column] = values.index(given[name])
        things = given.get("objects", [])
        for colour in {thing["colour"] for thing in things}:
            mine = codes[COLOUR_NAMES.index(colour)]
            mine[0] = 1
            for column, (name, values) in enumerate(OBJECT.items(), 1):
                found = {thing[name] for thing in things if thing["colour"] == colour}
                if len(found) == 1:
                    mine[column] = values.index(found.pop())
    return scene, objects


def encode_relations(attributes: list[dict]) -> Tensor:
    """(B, 10, 10) int8: what the object of the row's colour is to that of the column's, a code of RELATIONS; −1 where
    nothing is told, or where a colour is not that of one object."""
    codes = torch.full((len(attributes), len(COLOUR_NAMES), len(COLOUR_NAMES)), -1, dtype=torch.int8)
    for table, given in zip(codes, attributes, strict=True):
        colours = [thing["colour"] for thing in given.get("objects", [])]
        for a, name, b in given.get("relations", []):
            if colours.count(colours[a]) == colours.count(colours[b]) == 1:
                i, j = (COLOUR_NAMES.index(colours[k]) for k in (a, b))
                table[i, j] = RELATIONS.index(name)
                table[j, i] = RELATIONS.index(INVERSE[name])
    return codes


def _mirror_table(values: tuple[str, ...]) -> list[int]:
    def mirrored(value: str) -> str:
        return " ".join(MIRRORED.get(word, word) for word in value.split())

    return [values.index(mirrored(value)) for value in values]


MIRROR_SCENE = {name: _mirror_table(values) for name, values in SCENE.items()}
MIRROR_OBJECT = {name: _mirror_table(values) for name, values in OBJECT.items()}
MIRROR_RELATION = _mirror_table(RELATIONS)


def mirror(scene: Tensor, objects: Tensor) -> tuple[Tensor, Tensor]:
    """The codes of the mirrored clips: left and right change places."""
    scene, objects = scene.clone(), objects.clone()
    for column, table in enumerate(MIRROR_SCENE.values()):
        scene[:, column] = _looked_up(scene[:, column], table)
    for column, table in enumerate(MIRROR_OBJECT.values(), 1):
        objects[:, :, column] = _looked_up(objects[:, :, column], table)
    return scene, objects


def mirror_relations(codes: Tensor) -> Tensor:
    """The codes of `encode_relations` of the mirrored clips."""
    return _looked_up(codes, MIRROR_RELATION)


def _looked_up(codes: Tensor, table: list[int]) -> Tensor:
    # the last entry of the table answers −1
    return torch.tensor([*table, -1], dtype=codes.dtype, device=codes.device)[codes.long()]
