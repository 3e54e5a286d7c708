"""Plain English: sentences written by hand, as people type them, that no template of captions made.

They stand in english.tsv, each with what it asks for; they are frozen, and training never sees them. Objects are
divided by semicolons, what is said of one by commas: its colour first, "2" where there are two of them; scenes name
ground, sky and camera; relations are "red left of blue". What a sentence leaves open is not judged.
"""

import csv
from functools import cache
from importlib.resources import files

import numpy as np

from vldm_cli.measure.probe.attributes import COLOUR_NAMES, OBJECT
from vldm_cli.measure.probe.prompts import ASPECT, KEYFRAME_TIMES, ONE, TWO, Prompt, PromptSet
from vldm_cli.measure.probe.truth import truth
from vldm_cli.toyland.batch import joined
from vldm_cli.toyland.scene import from_attributes
from vldm_cli.toyland.sight import sight
from vldm_cli.toyland.world import CAMERAS, GROUNDS, INVERSE, RELATIONS, SKIES

SEED = 20_233
THREE = "three or counted"
COUNT = "count"
SCENE_VALUES = {"ground": GROUNDS, "sky": SKIES, "camera": CAMERAS}
# Scenes that are drawn for a sentence; the first one that shows all that it asks for is taken.
DRAWN = 24
SEEN = 0.5  # of an object, over the clip


@cache
def english() -> tuple[Prompt, ...]:
    """The sentences, in the order of the file: of one object, of two, of three or counted ones."""
    text = files("vldm_cli.measure.probe").joinpath("english.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return tuple(_prompt(**row) for row in rows)


def english_prompts(n: int) -> PromptSet:
    """n of the sentences, spread over all of them, with scenes that show what they ask for."""
    chosen = [english()[i] for i in np.linspace(0, len(english()) - 1, n).astype(int)]
    rng = np.random.default_rng(SEED)
    return PromptSet(chosen, joined([_shown(prompt, rng) for prompt in chosen]))


def _prompt(text: str, objects: str, scene: str, relations: str) -> Prompt:
    things = tuple(_thing(said.split(", ")) for said in objects.split("; "))
    counted = any(name == COUNT for _, named in things for name, _ in named)
    group = THREE if counted or len(things) > 2 else (ONE, TWO)[len(things) - 1]
    told = tuple((_attribute(value, SCENE_VALUES), value) for value in filter(None, scene.split(", ")))
    return Prompt(text, group, told, things, tuple(_relation(said) for said in relations.split("; ") if said))


def _thing(values: list[str]) -> tuple[str, tuple[tuple[str, str], ...]]:
    colour, *rest = values
    assert colour in COLOUR_NAMES, colour
    named = [(COUNT if value.isdigit() else _attribute(value, OBJECT), value) for value in rest]
    order = list(OBJECT)
    return colour, tuple(sorted(named, key=lambda pair: order.index(pair[0]) if pair[0] in order else -1))


def _relation(said: str) -> tuple[str, str, str]:
    name = next(name for name in RELATIONS if f" {name} " in said)
    one, other = said.split(f" {name} ")
    return one, name, other


def _attribute(value: str, values: dict[str, tuple[str, ...]]) -> str:
    return next(name for name, known in values.items() if value in known)


def _shown(prompt: Prompt, rng: np.random.Generator):
    """One scene that shows what is asked for."""
    objects = []
    for colour, named in prompt.objects:
        thing = {"colour": colour, **{name: value for name, value in named if name != COUNT}}
        objects += [thing] * int(dict(named).get(COUNT, 1))
    colours = [thing["colour"] for thing in objects]
    attributes = {
        **dict(prompt.scene),
        "objects": objects,
        "relations": _placed(prompt, colours),
    }
    scenes = from_attributes([attributes] * DRAWN, rng)
    times = np.tile(KEYFRAME_TIMES, (DRAWN, 1))
    answers = truth(scenes, times, ASPECT)["objects"]
    visible = sight(scenes, times, ASPECT).visible_BTK.mean(1)
    good = (visible[:, : len(objects)] > SEEN).all(1)
    for colour, named in prompt.objects:
        codes = answers[:, COLOUR_NAMES.index(colour), 1:]
        for name, _ in named:
            if colours.count(colour) == 1:
                good &= (codes[:, list(OBJECT).index(name)] >= 0).numpy()
    i = int(good.argmax()) if good.any() else int(visible.min(1).argmax())
    return scenes[i : i + 1]


def _placed(prompt: Prompt, colours: list[str]) -> list[tuple[int, str, int]]:
    """Relations as scenes have them: of the first object to the second."""
    out = []
    for one, name, other in prompt.relations:
        a, b = colours.index(one), colours.index(other)
        out.append((a, name, b) if a < b else (b, INVERSE[name], a))
    return out
