"""The tables of Toyland's words turned round: from what is said to what it means."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from vldm_cli.toyland import plain_words as p
from vldm_cli.toyland import words as w
from vldm_cli.toyland.inflection import plural
from vldm_cli.toyland.reading import english as e
from vldm_cli.toyland.reading import synonyms as s


@dataclass(frozen=True)
class Item:
    """A word or a phrase. kind: what it is for the grammar; value: what it means; form: 1 for one thing (third person,
    a noun's singular), 2 for several, 0 for neither (-ing). apart: harmless words stood before it."""

    kind: str
    value: str = ""
    of: str = ""
    form: int = 0
    apart: bool = False


Entry = tuple[str, Item]


@cache
def lexicon() -> dict[tuple[str, ...], Item]:
    """Phrases, as words, and what they are. What comes first goes before what comes later."""
    found: dict[tuple[str, ...], Item] = {}
    for part in (_openings, _camera, _motions, _relations, _attributes, _places, _function_words):
        for phrase, item in part():
            found.setdefault(tuple(phrase.split()), item)
    for words, item in list(found.items()):
        hasty = tuple(word for word in words if word not in ("a", "an", "the"))
        if len(hasty) > 1 or (hasty and item.kind != "harmless"):
            found.setdefault(hasty, item)
    return found


@cache
def known_words() -> frozenset[str]:
    """Every word of a phrase."""
    return frozenset(word for words in lexicon() for word in words)


@cache
def worth_mending() -> frozenset[str]:
    """Words that a typing error may have been meant as: those that say something of a scene."""
    return frozenset(
        word
        for words, item in lexicon().items()
        if item.kind in ("adjective", "noun", "motion", "moving", "ground", "sky", "camera")
        for word in words
        if word.isalpha() and word not in _FUNCTION
    )


_FUNCTION = {
    *e.HARMLESS.split(),
    *e.MANNER,
    *e.DETERMINERS,
    *e.COPULAS,
    *e.PREPOSITIONS,
    *e.JOINING,
    *e.PRONOUNS,
    *e.RELATIVE,
    *e.WITH,
}


def _groups(*tables: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    for table in tables:
        for name, phrases in table.items():
            yield from ((name, phrase) for phrase in phrases)


def _openings() -> Iterator[Entry]:
    for phrase in (*w.OPENINGS, *p.OPENINGS):
        yield phrase, Item("harmless")
    for name in e.PICTURES:
        for link in ("of", "with", "where", "in which", "that shows", "showing"):
            for article in ("", "a ", "an ", "the ", "a short "):
                yield f"{article}{name} {link}", Item("harmless")


def _attributes() -> Iterator[Entry]:
    for attribute, tables in (
        ("colour", (w.COLOUR_WORDS, p.COLOURS)),
        ("material", (w.MATERIAL_WORDS, p.MATERIALS, s.MATERIALS)),
        ("size", (w.SIZE_WORDS, p.SIZES, s.SIZES)),
    ):
        for value, phrase in _groups(*tables):
            yield phrase, Item("adjective", value, attribute)
            if attribute == "colour":
                yield f"bright {phrase}", Item("adjective", value, attribute)
    for value, phrase in _groups(p.PATTERNS, s.PATTERNS):
        yield phrase, Item("adjective", value, "material", 1)  # form: behind its noun alone
    for colour, phrase in _groups(w.COLOUR_WORDS, p.COLOURS):
        for behind in (f"of {phrase} colour", f"of {phrase} color", f"in {phrase}", f"of a {phrase} colour"):
            yield behind, Item("adjective", colour, "colour", 1)
    for size, phrase in _groups(w.SIZE_WORDS, p.SIZES):
        yield f"of {phrase} size", Item("adjective", size, "size", 1)
    for value, phrase in _groups(w.SHAPE_WORDS, p.SHAPES):
        yield phrase, Item("noun", value, form=1)
        yield plural(phrase), Item("noun", value, form=2)


def _relations() -> Iterator[Entry]:
    for value, phrase in _groups(w.RELATION_WORDS, s.RELATIONS, {"beside": p.BESIDE, "behind": p.BEHIND}):
        yield phrase, Item("relation", value)
    for phrase in p.FRONT:
        yield phrase, Item("relation", "in front of")
    for phrase in ("between", "in between", "in the middle between"):
        yield phrase, Item("between")
    for value, phrase in _groups(s.OF_IT):
        yield phrase, Item("of it", value)
    for value, phrase in _groups(s.SIDES):
        yield phrase, Item("side", value)
    for value, phrase in _groups(s.DIRECTIONS):
        yield phrase, Item("direction", value)


def _motions() -> Iterator[Entry]:
    for table in (w.MOTION_WORDS, p.MOTIONS, s.MOTIONS):
        for motion, group in table.items():
            for one, ing, several in group:
                kind = "orbit" if motion == "orbits" else "motion"
                for form, said in ((0, ing), (1, one), (2, several)):
                    # "is bouncing" is put together by the grammar, so that words may stand between
                    if not said.startswith(("is ", "are ", "keeps ", "keep ")):
                        yield said.replace(" {b}", ""), Item(kind, motion, form=form)
    for motion, group in s.MOVING.items():
        for one, ing, several in group:
            for form, said in ((0, ing), (1, one), (2, several)):
                yield said, Item("moving", motion, form=form)


def _camera() -> Iterator[Entry]:
    for camera, pairs in w.CAMERA_WORDS.items():
        for clause, noun in pairs:
            yield clause, Item("camera", camera)
            yield noun, Item("camera", camera)
    for camera, phrase in _groups(p.CAMERAS):
        yield phrase, Item("camera", camera)
    for camera, phrase in _groups(s.CAMERAS):
        for side in ("", "to the ", "towards the ", "toward the "):
            said = phrase.format(s=side)
            for name in s.CAMERA_NAMES:
                yield f"{name} {said}", Item("camera", camera)
                yield f"{name} is {said}", Item("camera", camera)
            if said.startswith(s.ALONE):
                yield said, Item("camera", camera)


def _places() -> Iterator[Entry]:
    for ground, phrase in _groups(p.GROUNDS, s.GROUNDS):
        yield _bare(phrase), Item("ground", ground)
    for ground, phrase in _groups(w.GROUND_PLACES):
        yield _bare(phrase.partition(" ")[2]), Item("ground", ground)
    for word, ground in s.MADE_OF.items():
        for floor in s.FLOORS:
            yield f"{word} {floor}", Item("ground", ground)
        yield word, Item("made of", ground)
    for floor in s.FLOORS:
        yield floor, Item("the ground")
    yield "sky", Item("the sky")
    for sky, phrase in _groups(w.SKY_PLACES, p.SKIES):
        yield phrase, Item("sky", sky, form=1)
    for sky, phrase in _groups(s.SKIES):
        yield _bare(phrase), Item("sky", sky, form=1)
    for sky, phrase in _groups(p.LIGHTS, p.SCENES):
        yield _bare(phrase), Item("sky", sky)
    for word, sky in s.SKY_IS.items():
        yield word, Item("sky is", sky)


def _bare(phrase: str) -> str:
    first, _, rest = phrase.partition(" ")
    return rest if first in ("a", "an", "the") and rest else phrase


def _function_words() -> Iterator[Entry]:
    for phrase in (*e.HARMLESS_PHRASES, *e.HARMLESS.split()):
        yield phrase, Item("harmless", "also" if phrase in e.ALSO else "made" if phrase in e.MADE else "")
    for phrase in e.LIKENESS:
        yield phrase, Item("likeness")  # which has no handler: whose it is like is not read
    yield "as", Item("as")
    for phrase in ("look like", "looks like"):
        yield phrase, Item("at the end")
    for word, kind in e.DETERMINERS.items():
        yield word, Item("determiner", kind)
    for word, number in e.NUMBERS.items():
        yield word, Item("number", str(number))
    for two in ("a pair of", "a couple of", "pair of", "couple of"):
        yield two, Item("number", "2")
    for word, form in e.COPULAS.items():
        yield word, Item("copula", form=form)
    for word, who in e.PRONOUNS.items():
        yield word, Item("pronoun", who)
    for phrase in ("the other one", "the other", "the second one", "the last one", "the third one"):
        yield phrase, Item("other")
    for phrase in ("the first one", "the first"):
        yield phrase, Item("number", "1")
    yield "ones", Item("ones")
    for count in ("2", "two", "3", "three"):
        for things in ("objects", "things", "toys", "solids", "shapes"):
            yield f"{count} {things}", Item("count", str(e.NUMBERS[count]))
    for phrase in ("its colour", "its color", "their colour", "their color"):
        yield phrase, Item("pronoun", "it" if phrase.startswith("its") else "all")
    for phrase in e.WITH:
        yield phrase, Item("with")
    for word in e.JOINING:
        yield word, Item("joining")
    for phrase in e.RELATIVE:
        yield phrase, Item("relative", phrase)
    for word in e.PREPOSITIONS:
        yield word, Item("preposition", word)
