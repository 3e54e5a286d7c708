"""The fixed test prompts: a small grammar that notes which attributes it names, so that only those are judged.

The sentences are not drawn from the captions' templates; words and paraphrases are the captions' own, for what a pack
was never taught to read says nothing about its video layers. Every prompt comes with a rendered scene that shows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vldm_cli.measure.probe.truth import CAMERA, truth
from vldm_cli.toyland import road_words as rw
from vldm_cli.toyland import words as w
from vldm_cli.toyland.batch import SceneBatch, joined
from vldm_cli.toyland.inflection import with_article
from vldm_cli.toyland.scene import sample_scenes

SEED = 20_230
# The clips in which the probe is to read: 8 frames, two thirds of a second apart, 256×160.
KEYFRAME_TIMES, ASPECT = np.arange(8) * 16 / 24, 1.6
# Shares of the three groups among the fixed prompts: one object, two objects, roads.
ONE, TWO, DRIVING = "one object", "two objects", "driving"
SHARES = {ONE: 0.4, TWO: 0.4, DRIVING: 0.2}


@dataclass(frozen=True)
class Prompt:
    """A prompt, its group, and what it names: (attribute, value) of the scene, for each object its colour with the
    (attribute, value) pairs named of it, and (colour, relation, colour) of two objects."""

    text: str
    group: str
    scene: tuple[tuple[str, str], ...]
    objects: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    relations: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class PromptSet:
    """Prompts and, row by row, scenes that show them."""

    prompts: list[Prompt]
    scenes: SceneBatch

    def some(self, index: Sequence[int] | np.ndarray) -> "PromptSet":
        """Those at `index`."""
        return PromptSet([self.prompts[i] for i in index], self.scenes[np.asarray(index, int)])


def fixed_prompts(n: int, seed: int = SEED) -> PromptSet:
    """n prompts over one object, two objects and roads; no withheld triples."""
    rng = np.random.default_rng(seed)
    counts = {group: round(n * share) for group, share in SHARES.items()}
    counts[ONE] += n - sum(counts.values())
    parts = [
        _distinct(counts[ONE], rng, objects=1),
        _distinct(counts[TWO], rng, objects=2),
        sample_scenes(counts[DRIVING], rng, family="driving"),
    ]
    return _prompts([part for part in parts if len(part)], rng)


def withheld_prompts(n: int, seed: int = SEED + 1) -> PromptSet:
    """n prompts whose first object is a (colour, shape, motion) triple that training never shows; half of them have
    a second object."""
    rng = np.random.default_rng(seed)
    parts = [
        _distinct(n - n // 2, rng, objects=1, withheld=True),
        _distinct(n // 2, rng, objects=2, withheld=True),
    ]
    return _prompts([part for part in parts if len(part)], rng)


def lone_prompts(n: int, seed: int) -> PromptSet:
    """n prompts over one object; no withheld triples."""
    rng = np.random.default_rng(seed)
    return _prompts([_distinct(n, rng, objects=1)], rng)


def everything(n: int, seed: int = SEED + 2) -> PromptSet:
    """n fresh scenes of each group with all that there is to read in them named: what the probe itself is held to.
    (They are no prompts for a pack: their texts are the groups' names.)"""
    rng = np.random.default_rng(seed)
    scenes = joined(
        [_distinct(n, rng, objects=1), _distinct(n, rng, objects=2), sample_scenes(n, rng, family="driving")]
    )
    prompts = []
    for i, group in enumerate([ONE] * n + [TWO] * n + [DRIVING] * n):
        attributes = scenes.describe(i)
        scene = tuple((k, v) for k, v in attributes.items() if k not in ("family", "objects", "relations"))
        objects = tuple(
            (thing["colour"], tuple((k, v) for k, v in thing.items() if k != "colour"))
            for thing in attributes.get("objects", ())
        )
        relations = tuple(
            (objects[a][0], name, objects[b][0]) for a, name, b in attributes.get("relations", ())
        )
        prompts.append(Prompt(group, group, scene, objects, relations))
    return PromptSet(prompts, scenes)


def _distinct(n: int, rng, objects: int, withheld: bool = False) -> SceneBatch:
    """n scenes of that many objects, all of different colours, for the probe asks by colour, and of which the rendered
    clip shows all that there is to ask."""
    kept = None
    while kept is None or len(kept) < n:
        scenes = sample_scenes(max(2 * n, 8), rng, family="objects", objects=objects, withheld=withheld)
        codes = truth(scenes, np.tile(KEYFRAME_TIMES, (len(scenes), 1)), ASPECT)
        answered = (codes["objects"] >= 0).all(-1).sum(1) == objects
        good = (scenes.count_B == objects) & (answered & (codes["scene"][:, CAMERA] >= 0)).numpy()
        kept = scenes[good] if kept is None else joined([kept, scenes[good]])
    return kept[:n]


def _prompts(parts: list[SceneBatch], rng) -> PromptSet:
    scenes = joined(parts)
    make = {"objects": _object_prompt, "driving": _road_prompt}
    described = [scenes.describe(i) for i in range(len(scenes))]
    return PromptSet([make[d["family"]](d, rng) for d in described], scenes)


def _said(rng, phrases):
    """The attribute's own name, or half of the time a paraphrase."""
    return phrases[0] if rng.random() < 0.5 else phrases[int(rng.integers(len(phrases)))]


def _object_prompt(attributes: dict, rng) -> Prompt:
    things = attributes["objects"]
    phrases, values = zip(*(_thing(thing, rng) for thing in things), strict=True)
    verbs = [_said(rng, w.MOTION_WORDS[thing["motion"]])[0] for thing in things]
    told = [("motion", thing["motion"]) for thing in things]
    sentence = f"{phrases[0]} {verbs[0].replace('{b}', phrases[-1])}"
    if len(things) > 1:
        relation = next((r for a, r, b in attributes["relations"] if (a, b) == (0, 1)), None)
        if relation is None and things[0]["motion"] != "orbits":
            sentence = f"{sentence} and {phrases[1]} {verbs[1]}"
        else:  # the second object has its name already
            if relation is not None:
                sentence = f"{sentence} {_said(rng, w.RELATION_WORDS[relation])} {phrases[1]}"
            if things[1]["motion"] != "stands still":
                sentence = f"{sentence} and the {things[1]['colour']} {things[1]['shape']} {verbs[1]}"
            else:  # and standing still goes without saying
                told.pop()
    named = [(*pairs, *told[k : k + 1]) for k, pairs in enumerate(values)]
    relations = [
        (things[a]["colour"], name, things[b]["colour"]) for a, name, b in attributes["relations"] if b == 1
    ]
    scene = [("ground", attributes["ground"]), ("sky", attributes["sky"])]
    ground = _said(rng, w.GROUND_PLACES[attributes["ground"]])
    sky = _said(rng, w.SKY_PLACES[attributes["sky"]])
    text = f"{ground}, {sentence} {sky}" if rng.random() < 0.25 else f"{sentence} {ground} {sky}"
    camera = attributes["camera"]
    if camera != "still" or rng.random() < 0.3:
        text = f"{text}, {_said(rng, w.CAMERA_WORDS[camera])[0]}"
        scene.append(("camera", camera))
    group = ONE if len(things) == 1 else TWO
    colours = [thing["colour"] for thing in things]
    return Prompt(text, group, tuple(scene), tuple(zip(colours, named, strict=True)), tuple(relations))


def _thing(thing: dict, rng) -> tuple[str, tuple[tuple[str, str], ...]]:
    """ "a large shiny blue cube" and what that names, beside the colour."""
    named = [("shape", thing["shape"])]
    adjectives = []
    if thing["motion"] not in ("grows", "shrinks") and rng.random() < 0.7:
        adjectives.append(_said(rng, w.SIZE_WORDS[thing["size"]]))
        named.append(("size", thing["size"]))
    if thing["material"] != "matte" or rng.random() < 0.5:
        adjectives.append(_said(rng, w.MATERIAL_WORDS[thing["material"]]))
        named.append(("material", thing["material"]))
    colour, shape = _said(rng, w.COLOUR_WORDS[thing["colour"]]), _said(rng, w.SHAPE_WORDS[thing["shape"]])
    return with_article(" ".join([*adjectives, colour, shape])), tuple(named)


def _road_prompt(attributes: dict, rng) -> Prompt:
    parts = [
        f"driving on {_said(rng, rw.TRAFFIC_ROADS[attributes['traffic']])}",
        _said(rng, rw.ROADSIDE_WORDS[attributes["roadside"]]),
        _said(rng, rw.TIME_WORDS[attributes["time"]]),
    ]
    scene = [(name, attributes[name]) for name in ("traffic", "roadside", "time")]
    if attributes["weather"] == "foggy" or rng.random() < 0.4:
        parts.append(_said(rng, rw.WEATHER_WORDS[attributes["weather"]]))
        scene.append(("weather", attributes["weather"]))
    text = " ".join(parts)
    if attributes["course"] != "straight" or rng.random() < 0.4:
        text = f"{text}, {_said(rng, rw.COURSE_WORDS[attributes['course']])}"
        scene.append(("course", attributes["course"]))
    return Prompt(text, DRIVING, tuple(scene), ())
