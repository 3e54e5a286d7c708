"""Clauses: what is said of which object, one item after the other, with what was mentioned before in mind."""

from dataclasses import replace

from vldm_cli.toyland.reading.description import Description, Unread
from vldm_cli.toyland.reading.lexer import items
from vldm_cli.toyland.reading.lexicon import Item
from vldm_cli.toyland.reading.phrases import BETWEEN, scan
from vldm_cli.toyland.reading.sides import placed
from vldm_cli.toyland.reading.surroundings import Surroundings

# What "which" may be followed by.
RELATED = ("copula", "motion", "moving", "orbit", "relation", "of it", "side")


def described(text: str) -> Description:
    """What the text says. Raises Unread where it is not understood."""
    reader = Reader(_without_harmless(items(text)))
    reader.read()
    return reader.found


class Reader(Surroundings):
    """One reading of one text: each kind of item has a method of its name, and the others begin noun phrases."""

    def read(self) -> None:
        """All items. Raises Unread."""
        while self.i < len(self.items):
            item, at = self.items[self.i], self.i
            self.step(item)
            assert self.i > at
            self.before = self.items[self.i - 1].kind
        if self.moving or self.side:
            raise Unread("an end in the middle")
        if self.count not in (None, len(self.found.things)):
            raise Unread("another number of things")
        placed(self.found, self.sides)
        self.found.check()

    def step(self, item: Item) -> None:
        handle = getattr(self, f"_{item.kind.replace(' ', '_')}", None)
        phrase = None if handle else scan(self.items, self.i)
        if self.of_pool():
            return
        if handle:
            handle(item)
        elif phrase:
            self._phrase(*phrase)
        else:
            raise Unread(item.kind)

    def _count(self, item: Item) -> None:
        """ "two objects": what they are is told elsewhere."""
        if self.count is not None or self.subject:
            raise Unread("numbers of things")
        self.count = int(item.value)
        self.i += 1
        if self.items[self.i].value == "stands still":
            self.i += 1  # "two things stand on the lawn: …"

    def _stop(self, item: Item) -> None:
        if self.moving or self.side or self.copula:
            raise Unread("an end in the middle")
        self.i += 1
        self.focus = self.subject or self.focus
        self.subject, self.main = [], []
        self.in_with = self.relative = self.predicate = self.spread = self.standing = False

    def _separator(self, item: Item) -> None:
        self.i += 1
        self.relative = False

    def _joining(self, item: Item) -> None:
        if self.copula:
            raise Unread("and after is")
        self.i += 1

    def _as(self, item: Item) -> None:
        """ "as the ball rolls": no comparison, which has no verb."""
        phrase = scan(self.items, self.i + 1)
        camera = self.items[self.i + 1].kind == "camera"
        if not camera and (
            not phrase or not self.items[phrase[1]].form or self.items[phrase[1]].kind == "noun"
        ):
            raise Unread("as")
        self.items[self.i] = Item("joining")
        self.i += 1

    def _with(self, item: Item) -> None:
        self.i += 1
        self.main = self.subject or self.focus
        self.in_with = bool(self.subject)

    def _relative(self, item: Item) -> None:
        following = self.items[self.i + 1].kind
        if not self.last or following not in RELATED:
            phrase = scan(self.items, self.i)
            if not phrase:
                raise Unread("that")
            return self._phrase(*phrase)
        self.i += 1
        self.relative = True

    def _also(self, item: Item) -> None:
        """ "a ball bounces and a cube does too": what was said last of another; nothing behind a verb."""
        self.i += 1
        if self.predicate or self.relative or not self.subject:
            return
        motion = self.others_motion()
        if self.moving or motion == "orbits":
            raise Unread("too")
        for k in self.subject if motion else ():
            self.found.things[k].say("motion", motion)
        self.predicate = bool(motion)

    def _copula(self, item: Item) -> None:
        self.i += 1
        following = self.items[self.i]
        if not self.subject and not self.relative:
            if self.side or self.standing or following.kind in ("sky", "ground"):
                return  # "on the left is a ball"; "it is night" comes here without "it"
            raise Unread("is, of nothing")
        self.copula, self.copula_form = True, item.form
        self._predicate()


def _without_harmless(found: list[Item]) -> list[Item]:
    """What says something; an article of nothing but harmless words goes with them ("a nice video: …")."""
    kept: list[Item] = []
    for i, item in enumerate(found):
        rest = next((j for j in range(i + 1, len(found)) if found[j].kind != "harmless"), len(found))
        after = found[rest].kind if rest < len(found) else "stop"
        stray = (
            item.kind == "determiner"
            and rest > i + 1
            and after not in ("adjective", "noun", "number", "motion", "ones")
        )
        if item.kind == "at the end" and after == "stop":
            continue  # "what does a ball look like"
        if item.value == "made" and item.kind == "harmless" and after in ("ground", "made of"):
            raise Unread("a thing made of it")
        if item.value == "also" and item.kind == "harmless" and after in ("stop", *BETWEEN):
            kept.append(Item("also"))
        if item.kind != "harmless" and not stray:
            kept.append(replace(item, apart=True) if i and found[i - 1].kind == "harmless" else item)
    return kept
