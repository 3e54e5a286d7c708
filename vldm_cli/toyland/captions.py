"""Describe a Toyland scene in free English: many templates, synonyms, any order, parts left out.

A caption never says anything that is not so. What it leaves out is left to chance in the scene, except that a
standing object, a still camera, a matte surface, clear weather and a straight road are what goes without saying.
"""

import re
from collections.abc import Mapping
from functools import cache

import numpy as np

from vldm_cli.toyland import road_words as rw
from vldm_cli.toyland import words as w
from vldm_cli.toyland.inflection import with_article
from vldm_cli.toyland.plain import alike, sentence
from vldm_cli.toyland.plain import vocabulary as plain_vocabulary

MAX_WORDS = 44
SYNONYMS = {
    word: name
    for table in (w.COLOUR_WORDS, w.SHAPE_WORDS, w.MATERIAL_WORDS, w.SIZE_WORDS)
    for name, phrases in table.items()
    for word in phrases
}


def tokens(text: str) -> list[str]:
    """The words and punctuation marks of a text, lower case."""
    return re.findall(r"[a-z0-9]+(?:'[a-z]+)?|[^\sa-z0-9]", text.lower())


def caption(attributes: dict, rng: np.random.Generator) -> str:
    """One caption of at most 44 words for `SceneBatch.describe`'s attributes."""
    make = _driving if attributes["family"] == "driving" else _objects
    return _short_enough(make, attributes, rng)


def _short_enough(make, attributes: dict, rng: np.random.Generator) -> str:
    for _ in range(50):
        text = make(attributes, rng)
        if len(tokens(text)) <= MAX_WORDS:
            return text
    raise AssertionError("50 captions in a row were too long")


def captions(scenes, rng: np.random.Generator, plain: float = 0.0) -> list[str]:
    """A caption for each scene of the batch; `plain`: that share of them, and those of scenes whose objects cannot be
    told apart, in plain English (`plain.sentence`)."""
    texts = []
    for i in range(len(scenes)):
        attributes = scenes.describe(i)
        # no number is drawn where nothing is plain: the captions of a seed stay what they were
        if plain and (rng.random() < plain or alike(attributes)):
            texts.append(_short_enough(sentence, attributes, rng))
        else:
            texts.append(caption(attributes, rng))
    return texts


@cache
def vocabulary() -> list[str]:
    """Every word and punctuation mark a caption can hold, and common words that people type; sorted."""
    phrases = [*w.OPENINGS, *rw.ROADS, *rw.DRIVE_VERBS, w.EXTRA_WORDS, *CONNECTIVES, *plain_vocabulary()]
    for table in (
        w.COLOUR_WORDS, w.SHAPE_WORDS, w.MATERIAL_WORDS, w.SIZE_WORDS, w.RELATION_WORDS, w.GROUND_PLACES, w.SKY_PLACES,
        rw.TIME_WORDS, rw.TRAFFIC_ROADS, rw.ROADSIDE_WORDS, rw.WEATHER_WORDS, rw.COURSE_WORDS,
    ):  # fmt: skip
        phrases += [*table, *(phrase for group in table.values() for phrase in group)]
    moving: Mapping[str, tuple[tuple[str, ...], ...]]
    for moving in (w.MOTION_WORDS, w.CAMERA_WORDS):
        phrases += [form.replace("{b}", "") for group in moving.values() for forms in group for form in forms]
    plurals = [word + "s" for group in w.SHAPE_WORDS.values() for word in group]
    return sorted({token for phrase in [*phrases, *plurals] for token in tokens(phrase)} | set(".,!?-';:"))


CONNECTIVES = (
    "and",
    "while",
    "with",
    "that is",
    "which",
    "is",
    "scene",
    "the",
    "a",
    "an",
    "one",
    "two",
    "three",
    "it",
)


def _pick(rng, items):
    """An item, the first (the attribute's own name) about half of the time."""
    return items[0] if rng.random() < 0.45 else items[int(rng.integers(len(items)))]


def _thing(thing: dict, rng) -> str:
    """ "a large shiny blue cube": size and material only sometimes."""
    adjectives = []
    resizes = thing["motion"] in ("grows", "shrinks")
    if not resizes and rng.random() < 0.55:
        adjectives.append(_pick(rng, w.SIZE_WORDS[thing["size"]]))
    likely = 0.15 if thing["material"] == "matte" else 0.85
    if rng.random() < likely:
        adjectives.append(_pick(rng, w.MATERIAL_WORDS[thing["material"]]))
    colour = _pick(rng, w.COLOUR_WORDS[thing["colour"]])
    if rng.random() < 0.85:
        adjectives.append(colour)
    else:
        adjectives.insert(0, colour)
    phrase = " ".join([*adjectives, _pick(rng, w.SHAPE_WORDS[thing["shape"]])])
    return f"the {phrase}" if rng.random() < 0.06 else with_article(phrase)


def _objects(attributes: dict, rng) -> str:
    things = attributes["objects"]
    names = [_thing(thing, rng) for thing in things]
    fragment = rng.random() < 0.25  # "a video of a red ball bouncing"
    clauses = _clauses(things, names, attributes["relations"], rng, form=1 if fragment else 0)
    scene = _join(clauses, rng, all(thing["motion"] != "stands still" for thing in things))
    if fragment and rng.random() < 0.7:
        scene = f"{_pick(rng, w.OPENINGS)} {scene}"
    places = []
    if rng.random() < 0.85:
        places.append(_pick(rng, w.GROUND_PLACES[attributes["ground"]]))
    if rng.random() < 0.7:
        places.append(_pick(rng, w.SKY_PLACES[attributes["sky"]]))
    if rng.random() < 0.25:
        places.reverse()
    if places and rng.random() < 0.2:
        text = f"{places[0]}, {scene}" + "".join(f" {p}" for p in places[1:])
    else:
        text = " ".join([scene, *places])
    camera = attributes["camera"]
    if rng.random() < (0.12 if camera == "still" else 0.9):
        clause, noun = w.CAMERA_WORDS[camera][int(rng.integers(len(w.CAMERA_WORDS[camera])))]
        kind = rng.random()
        if kind < 0.6:
            text = f"{text}, {clause}"
        elif kind < 0.75:
            text = f"{text}. {clause}"
        elif kind < 0.85:
            text = f"{clause}, {text}"
        else:
            text = f"{text}, {noun}"
    return _finish(text, rng)


def _join(clauses: list[str], rng, all_move: bool) -> str:
    if len(clauses) == 1:
        return clauses[0]
    last = ", and " if rng.random() < 0.2 else " and "
    return ", ".join(clauses[:-1]) + (" while " if all_move and rng.random() < 0.3 else last) + clauses[-1]


def _clauses(things, names, relations, rng, form: int) -> list[str]:
    """One clause an object; relations and the default motion only sometimes."""
    told = {a: (r, b) for a, r, b in relations if rng.random() < 0.85}
    definite = [f"the {things[k]['colour']} {things[k]['shape']}" for k in range(len(things))]
    clauses, mentioned = [], set()
    for k in sorted(range(len(things)), key=lambda k: (k != 0, rng.random())):
        thing, used = things[k], False
        clause = names[k]
        partner = 1
        if thing["motion"] == "orbits":
            verb = _pick(rng, w.MOTION_WORDS["orbits"])[form]
            clause += " " + verb.replace("{b}", definite[partner] if partner in mentioned else names[partner])
            mentioned.add(partner)
            used = True
        elif thing["motion"] != "stands still" or (
            k not in mentioned and rng.random() < (0.25 if len(things) > 1 else 0.55)
        ):
            clause += " " + _pick(rng, w.MOTION_WORDS[thing["motion"]])[form]
            used = True
        if k in told:
            relation, other = told[k]
            target = definite[other] if other in mentioned else names[other]
            link = "" if used or form or rng.random() < 0.5 else " is"
            clause += f"{link} {_pick(rng, w.RELATION_WORDS[relation])} {target}"
            mentioned.add(other)
            used = True
        if k in mentioned:
            # Named inside another clause already: worth one of its own only when it moves.
            if thing["motion"] == "stands still":
                continue
            clause = f"{definite[k]} {_pick(rng, w.MOTION_WORDS[thing['motion']])[form]}"
        mentioned.add(k)
        clauses.append(clause)
    return clauses


def _driving(attributes: dict, rng) -> str:
    road = _pick(rng, rw.TRAFFIC_ROADS[attributes["traffic"]]) if rng.random() < 0.8 else _pick(rng, rw.ROADS)
    head = f"{_pick(rng, rw.DRIVE_VERBS)} {road}" if rng.random() < 0.85 else road
    places = []
    for key, table, likely in (
        ("time", rw.TIME_WORDS, 0.85),
        ("roadside", rw.ROADSIDE_WORDS, 0.85),
        ("weather", rw.WEATHER_WORDS, 0.2 if attributes["weather"] == "clear" else 0.92),
    ):
        if rng.random() < likely:
            places.append(_pick(rng, table[attributes[key]]))
    rng.shuffle(places)
    text = " ".join([head, *places])
    if rng.random() < (0.3 if attributes["course"] == "straight" else 0.92):
        text = f"{text}, {_pick(rng, rw.COURSE_WORDS[attributes['course']])}"
    if rng.random() < 0.1:
        text = (
            f"{w.OPENINGS[int(rng.integers(6))]} {text}"
            if text.startswith(("a ", "an ", "driving"))
            else text
        )
    return _finish(text, rng)


def _finish(text: str, rng) -> str:
    if rng.random() < 0.2:
        text += "."
    return text
