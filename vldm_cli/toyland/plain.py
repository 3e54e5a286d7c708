"""Describe a Toyland scene as people write to a machine: wishes, lists, counts, several sentences, left-out articles.

`captions` is one careful narrator; these are many hasty ones. Neither says what is not so.
"""

import re

import numpy as np

from vldm_cli.toyland import plain_words as p
from vldm_cli.toyland import words as w
from vldm_cli.toyland.inflection import plural, with_article
from vldm_cli.toyland.plain_road import any_of, road

# Shares of sentences in which articles are left out, and in which things are listed rather than told.
BARE, LISTED = 0.15, 0.15


def alike(attributes: dict) -> bool:
    """Whether two objects of the scene have one colour and one shape, so that no caption can tell them apart."""
    things = [(t["colour"], t["shape"]) for t in attributes.get("objects", ())]
    return len(set(things)) < len(things)


def sentence(attributes: dict, rng: np.random.Generator) -> str:
    """A description of `SceneBatch.describe`'s attributes."""
    if attributes["family"] == "driving":
        text = road(attributes, rng)
    elif rng.random() < LISTED:
        text = _list(attributes, rng)
    else:
        text = _told(attributes, rng)
    if rng.random() < BARE:
        text = re.sub(r"\b(a|an|the) ", "", text)
    text = text.replace(" ,", ",")
    return text + "." if rng.random() < 0.3 else text


def vocabulary() -> set[str]:
    """Every phrase that `words` does not have."""
    found = {*p.OPENINGS, *p.BESIDE, *p.TOGETHER, *p.BEHIND, *p.FRONT, p.WORDS, *p.PLURALS.values()}
    tables = (
        p.COLOURS,
        p.SHAPES,
        p.MATERIALS,
        p.PATTERNS,
        p.SIZES,
        p.GROUNDS,
        p.SKIES,
        p.LIGHTS,
        p.SCENES,
        p.CAMERAS,
        p.NUMBERS,
    )
    for table in tables:
        found |= {phrase for group in table.values() for phrase in group}
    found |= {form.replace("{b}", "") for group in p.MOTIONS.values() for forms in group for form in forms}
    return found | {plural(shape) for group in p.SHAPES.values() for shape in group}


def _colour(thing, rng) -> str:
    return any_of(rng, w.COLOUR_WORDS[thing["colour"]], p.COLOURS.get(thing["colour"]))


def _noun(thing, rng) -> str:
    return any_of(rng, w.SHAPE_WORDS[thing["shape"]], p.SHAPES.get(thing["shape"]))


def _manner(thing, rng) -> list[str]:
    """Size and material as adjectives, sometimes."""
    found = []
    if thing["motion"] not in ("grows", "shrinks") and rng.random() < 0.35:
        found.append(any_of(rng, w.SIZE_WORDS[thing["size"]], p.SIZES[thing["size"]]))
    if rng.random() < (0.1 if thing["material"] == "matte" else 0.8):
        found.append(any_of(rng, w.MATERIAL_WORDS[thing["material"]], p.MATERIALS[thing["material"]]))
    return found


def _phrase(thing, rng) -> str:
    """ "big shiny blue cube", or "blue cube with stripes"; no article."""
    manner = _manner(thing, rng)
    words = [*manner, _colour(thing, rng), _noun(thing, rng)]
    if thing["material"] in p.PATTERNS and rng.random() < 0.2:
        words = [_colour(thing, rng), _noun(thing, rng), any_of(rng, p.PATTERNS[thing["material"]])]
    elif manner and rng.random() < 0.2:
        words = [words[-2], *manner, words[-1]]
    return " ".join(words)


def _short(thing) -> str:
    return f"{thing['colour']} {thing['shape']}"


def _verb(thing, rng, form: int) -> str:
    return any_of(rng, w.MOTION_WORDS[thing["motion"]], p.MOTIONS[thing["motion"]])[form]


def _and(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _uniform(things, *keys) -> bool:
    return all(len({t[key] for t in things}) == 1 for key in keys)


def _counted(things, rng) -> str:
    """ "two red cubes", "three balls: red, green and blue"."""
    first, number = things[0], any_of(rng, p.NUMBERS[len(things)])
    manner, noun = _manner(first, rng), plural(_noun(first, rng))
    if _uniform(things, "colour"):
        colour = _colour(first, rng)
        if rng.random() < 0.15:
            return " ".join([number, *manner, f"{noun}, {'both' if len(things) == 2 else 'all'} {colour}"])
        return " ".join([number, *manner, colour, noun])
    colours = [t["colour"] for t in things]
    kind = rng.random()
    if kind < 0.4:
        return " ".join([number, *manner, noun]) + f": {_and(colours)}"
    if kind < 0.7:
        return " ".join([number, *manner, noun]) + f", {_and([f'one {c}' for c in colours])}"
    return " ".join([number, *manner, _and(colours), noun])


def _group(attributes, rng) -> tuple[str, bool]:
    """All things of the scene as one phrase, and whether it is a plural that says their relations already."""
    things = attributes["objects"]
    kind = len(things) > 1 and _uniform(things, "shape", "material", "size", "motion")
    if kind and (alike(attributes) or rng.random() < 0.7):
        return _counted(things, rng), True
    order = rng.permutation(len(things))
    names = [with_article(_phrase(things[i], rng)) for i in order]
    if len(things) == 2 and rng.random() < 0.3:
        beside = any(r in ("left of", "right of") for _, r, _ in attributes["relations"])
        return f"{names[0]} {any_of(rng, p.BESIDE if beside else p.TOGETHER)} {names[1]}", True
    return _and(names), len(things) > 1


def _told(attributes, rng) -> str:
    things = attributes["objects"]
    group, several = _group(attributes, rng)
    sentences = []
    orbit = things[0]["motion"] == "orbits"
    together = not orbit and _uniform(things, "motion")
    moves = [t for t in things if t["motion"] != "stands still"]
    place, light = _ground(attributes, rng), _light(attributes, rng)
    opening = rng.random() < 0.55
    start = group
    if opening:
        start = f"{_opening(several, rng)} {group}"
    if orbit:
        a, b = (with_article(_phrase(t, rng)) for t in things[:2])
        start = f"{a} {_verb(things[0], rng, 1 if opening else 0).replace('{b}', b)}"
        start = f"{_opening(False, rng)} {start}" if opening else start
    elif together and (moves or rng.random() < 0.2) and rng.random() < 0.6:
        start += " " + _verb(things[0], rng, 1 if opening or rng.random() < 0.3 else 2 if several else 0)
    elif together and moves:
        one = "it" if rng.random() < 0.6 else f"the {things[0]['shape']}"
        who = one if len(things) == 1 else "both" if len(things) == 2 else "all"
        sentences.append(f"{who} {_verb(things[0], rng, 2 if several else 0)}")
    elif not together:
        told = [f"the {_short(t)} {_verb(t, rng, 0)}" for t in moves]
        sentences.append(_and(told) if rng.random() < 0.5 else ". ".join(told))
    apart = [(a, r, b) for a, r, b in attributes["relations"]] if not alike(attributes) else []
    if apart and rng.random() < 0.45:
        a, relation, b = apart[int(rng.integers(len(apart)))]
        sentences.append(
            f"the {_short(things[a])} is {any_of(rng, w.RELATION_WORDS[relation])} the {_short(things[b])}"
        )
    text = _placed(start, place, light, rng, sentences)
    camera = attributes["camera"]
    if rng.random() < (0.05 if camera == "still" else 0.85):
        clause = w.CAMERA_WORDS[camera][int(rng.integers(len(w.CAMERA_WORDS[camera])))][0]
        sentences.append(clause if rng.random() < 0.5 else any_of(rng, p.CAMERAS[camera]))
    return (". " if rng.random() < 0.7 else ", ").join([text, *sentences])


def _opening(several: bool, rng) -> str:
    if rng.random() < 0.25:
        return p.SEVERAL if several else p.ONE
    openings = [o for o in (*p.OPENINGS, *w.OPENINGS) if o not in (p.ONE, p.SEVERAL)]
    return openings[int(rng.integers(len(openings)))]


def _ground(attributes, rng) -> str:
    """Where: mostly "on grass", or nothing."""
    ground = attributes["ground"]
    if rng.random() < 0.15:
        return ""
    if rng.random() < 0.5:
        return any_of(rng, w.GROUND_PLACES[ground])
    return f"on {any_of(rng, p.GROUNDS[ground])}"


def _light(attributes, rng) -> str:
    sky = attributes["sky"]
    if rng.random() < 0.3:
        return ""
    return any_of(rng, w.SKY_PLACES[sky], p.SKIES[sky])


def _placed(start: str, place: str, light: str, rng, sentences: list[str]) -> str:
    """Place and light behind the things, before them, or as sentences of their own."""
    kind = rng.random()
    if kind < 0.55:
        both = [place, light] if rng.random() < 0.7 else [light, place]
        return " ".join([start, *filter(None, both)])
    if kind < 0.75:
        before = " ".join(filter(None, [place, light]))
        return f"{before}, {start}" if before else start
    if kind < 0.9 and light:
        return " ".join(filter(None, [f"{light},", start, place]))
    if place.startswith("on "):
        sentences.append(f"the ground is {place.removeprefix('on ')}")
        place = ""
    return " ".join(filter(None, [start, place, light]))


def _list(attributes, rng) -> str:
    """ "red ball, bouncing, grass, sunset"."""
    things = attributes["objects"]
    items = []
    if alike(attributes) or (len(things) > 1 and _uniform(things, "shape", "material", "size", "motion")):
        items.append(_counted(things, rng))
        if things[0]["motion"] != "stands still":
            items[0] += " " + _verb(things[0], rng, 1)
    else:
        for thing in things:
            name = _phrase(thing, rng)
            if thing["motion"] == "orbits":
                name += " " + _verb(thing, rng, 1).replace("{b}", _short(things[1]))
            elif thing["motion"] != "stands still":
                name += (", " if len(things) == 1 and rng.random() < 0.4 else " ") + _verb(thing, rng, 1)
            items.append(name)
    around = [any_of(rng, p.GROUNDS[attributes["ground"]])]
    sky = attributes["sky"]
    around.append(any_of(rng, p.LIGHTS[sky], p.SCENES[sky]))
    rng.shuffle(around)
    around = around[: 1 + (rng.random() < 0.7)]
    items = [*around, *items] if rng.random() < 0.25 else [*items, *around]
    if attributes["camera"] != "still" and rng.random() < 0.85:
        camera = attributes["camera"]
        items.append(any_of(rng, [noun for _, noun in w.CAMERA_WORDS[camera]], p.CAMERAS[camera]))
    return ", ".join(items)
