"""Noun phrases: "a big red ball", "two blue ones", "a red and a green cube", "it", "the other"."""

from dataclasses import dataclass, field

from vldm_cli.toyland.reading.description import Thing, Unread
from vldm_cli.toyland.reading.lexicon import Item

# What may stand between the parts of a list.
BETWEEN = ("separator", "joining")
# Behind which another clause may begin.
OPEN = ("start", "stop", "with", *BETWEEN)


@dataclass
class Spec:
    """What is said in front of a noun: the article's kind, a number, attributes."""

    article: str = ""
    number: int | None = None
    other: bool = False
    said: dict[str, str] = field(default_factory=dict)


@dataclass
class Phrase:
    """A noun phrase as it stands: before its noun `specs`, several of "a red and a blue ball"; shape: None without a
    noun; several: the noun's number; pronoun: "it" or "all"; ones: "ones" or "one" for a noun."""

    specs: list[Spec]
    shape: str | None = None
    several: bool = False
    pronoun: str = ""
    ones: bool = False

    @property
    def bare(self) -> bool:
        """Nothing but adjectives, as in "red and shiny"."""
        return self.shape is None and not self.pronoun and not self.ones and not self.numbered

    @property
    def numbered(self) -> bool:
        """ "one red", "the other"."""
        first = self.specs[0] if self.specs else Spec()
        return first.other or first.number is not None


def scan(items: list[Item], start: int) -> tuple[Phrase, int] | None:
    """The noun phrase that begins there, and where it ends; None where none does."""
    if start >= len(items):
        return None
    if items[start].kind == "pronoun":
        following = scan(items, start + 1) if items[start].value == "all" else None
        if following and following[0].shape and not following[0].several:
            return following  # "both a ball and a cube"
        if following and following[0].shape and not (following[0].specs or [Spec()])[0].number:
            return Phrase([Spec("known")], following[0].shape, True, "all"), following[1]
        return Phrase([], pronoun=items[start].value), start + 1
    specs, i = [Spec()], start
    end = start
    while i < len(items):
        item, spec = items[i], specs[-1]
        if item.kind == "determiner" or (item.value == "that" and i == start):
            if spec.said or spec.article:
                break
            spec.article = item.value if item.kind == "determiner" else "known"
        elif item.kind == "number":
            if spec.said or spec.number:
                # "the one", "this one": a noun
                break
            spec.number = int(item.value)
        elif item.kind == "other":
            if spec != Spec():
                break
            spec.other = True
        elif item.kind == "adjective" and not item.form:
            if item.of in spec.said and spec.said[item.of] != item.value:
                break
            spec.said[item.of] = item.value
        elif item.kind == "motion" and not item.form and _next_to_noun(items, i + 1):
            spec.said["motion"] = item.value
        elif item.kind == "noun":
            specs = [spec for spec in specs if spec != Spec()]
            return Phrase(specs, item.value, item.form == 2), i + 1
        elif item.kind == "ones":
            return Phrase(specs, several=True, ones=True), i + 1
        elif item.kind in BETWEEN and spec.said:
            more = _after(items, i)
            if items[more].kind == "noun" or not _leads_to_noun(items, more):
                break
            if items[more].kind in ("determiner", "number") and not (specs[0].article or specs[0].number):
                break  # "a cube, red, and a ball"
            if items[more].kind != "adjective" or items[more].of in spec.said:
                specs.append(Spec())
            i = more
            continue
        else:
            break
        i += 1
        end = i
        if spec.said and i < len(items) and items[i].kind == "number" and items[i].value == "1":
            return Phrase(specs, ones=True), i + 1  # "a blue one"
    if end == start:
        return None
    specs = [spec for spec in specs if spec != Spec()]
    if specs[0].article == "known" and specs[0].number == 1 and not specs[0].said:
        return Phrase(specs, ones=True), end  # "this one"
    return Phrase(specs), end


def _after(items: list[Item], i: int) -> int:
    while i < len(items) and items[i].kind in BETWEEN:
        i += 1
    return i


def _leads_to_noun(items: list[Item], i: int) -> bool:
    """Whether a noun (or what stands for one) follows in the same phrase."""
    comma = False
    seen = i
    while i < len(items):
        item = items[i]
        if item.kind == "noun":
            return not (comma and i == seen)
        if item.kind in BETWEEN:
            i = seen = _after(items, i)
            comma = True
            continue
        if item.kind == "number" and item.value == "1" and i and items[i - 1].kind == "adjective":
            return True
        if item.kind == "ones":
            return True
        allowed = item.kind in ("adjective", "determiner", "number")
        allowed |= item.kind == "motion" and not item.form and _next_to_noun(items, i + 1)
        if not allowed or (item.kind == "adjective" and item.form):
            return False
        if comma and item.kind == "number" and item.value != "1":
            return False
        if (
            comma
            and item.kind == "determiner"
            and items[seen - 1].kind in BETWEEN
            and _noun_next(items, i + 1)
        ):
            # "a red, a cube": the noun is another one's
            return False
        i += 1
    return False


def _next_to_noun(items: list[Item], i: int) -> bool:
    """Whether only adjectives come before a noun."""
    while items[i].kind == "adjective" and not items[i].form:
        i += 1
    return items[i].kind in ("noun", "ones")


def _noun_next(items: list[Item], i: int) -> bool:
    return i < len(items) and items[i].kind == "noun"


def named(phrase: Phrase) -> list[Thing]:
    """New things of the phrase. Raises Unread where their number is not said."""
    specs = phrase.specs or [Spec()]
    shared = {key: value for spec in specs[:1] for key, value in spec.said.items() if key != "colour"}
    number = specs[0].number
    if any(spec.article == "some" for spec in specs):
        raise Unread("some")
    if len(specs) == 1:
        count = number or 1
        if phrase.several != (count > 1) and not (phrase.several and number):
            raise Unread("a number and a noun")
        if phrase.several and number == 1:
            raise Unread("a number and a noun")
        said = [specs[0].said] * count
    else:
        each = all(spec.article or spec.number == 1 for spec in specs[1:])
        if not phrase.several and not each:
            raise Unread("two colours of one thing")
        if phrase.several and number not in (None, len(specs)):
            raise Unread("a number and its parts")
        if not all("colour" in spec.said for spec in specs):
            raise Unread("parts without colours")
        said = [{**(shared if phrase.several else {}), **spec.said} for spec in specs]
    things = [Thing(shape=phrase.shape) for _ in said]
    for thing, one in zip(things, said, strict=True):
        for attribute, value in one.items():
            thing.say(attribute, value)
    return things
