"""Who a text is about: what noun phrases name, new things or those that were mentioned before."""

from vldm_cli.toyland.reading.description import Description, Unread
from vldm_cli.toyland.reading.lexer import STOP
from vldm_cli.toyland.reading.lexicon import Item
from vldm_cli.toyland.reading.phrases import BETWEEN, OPEN, Phrase, Spec, named


class Mentions:
    """What has been read so far, and of whom.

    subject: the objects that the clause is about; spread: each by a phrase of its own; predicate: something has been
    said of them; focus: the subject of the sentence before. last: the objects of the noun phrase before. main: those
    that "it" is in "with a cube behind it". pool: a group whose members "one" and "the other" name, `named` of them
    have been. known: how many things there were before the last noun phrase; count: how many there are to be. copula:
    "is" waits for what is; moving: "rolls" of `movers` waits for a side; side, standing: "on the left", "stands" wait
    for who. before: the kind of the item before.
    """

    def __init__(self, found: list[Item]) -> None:
        self.items = [*found, STOP]
        self.found = Description()
        self.i = 0
        self.subject: list[int] = []
        self.focus: list[int] = []
        self.last: list[int] = []
        self.main: list[int] = []
        self.pool: list[int] = []
        self.movers: list[int] = []
        self.named, self.known = 0, 0
        self.predicate, self.copula, self.relative, self.in_with, self.spread = (False,) * 5
        self.copula_form = 0
        self.count: int | None = None
        self.moving = ""
        self.side = ""
        self.standing = False
        self.sides: dict[int, str] = {}
        self.before = "start"

    def about(self, form: int = 0) -> list[int]:
        """The objects that what follows is said of; form: of the verb."""
        if self.relative:
            return self._those(form)
        if self.in_with and form:
            raise Unread("a verb after with")
        if not self.subject:
            raise Unread("a verb without a subject")
        if len(self.subject) > 1 and self.spread:
            if form == 1:
                return self.last
            if form == 0:
                raise Unread("several that it may be said of")
        return self._all_named(form) or self.subject

    def _those(self, form: int) -> list[int]:
        """Whom "that …" tells of: the last noun, or of one a plural verb, all of the subject: "a ball and a cube that
        roll"."""
        if form != 2 or len(self.last) > 1:
            return self.last
        if not set(self.last) <= set(self.subject):
            raise Unread("which of them")
        return self.subject

    def _all_named(self, form: int) -> list[int]:
        """The group of which each has been named, where what follows is of all: "two balls, one red and one blue,
        bounce"; else none."""
        of_all = form == 2 or (form == 0 and self.before == "separator")
        last = len(self.subject) == 1 and self.subject[0] in self.pool
        if not (of_all and last and self.named == len(self.pool) > 1):
            return []
        return [] if any(self.found.things[k].motion for k in self.pool) else self.pool

    def others_motion(self) -> str:
        """The last motion said of others than the subject; "" for none."""
        return next(
            (
                t.motion
                for k, t in reversed([*enumerate(self.found.things)])
                if k not in self.subject and t.motion
            ),
            "",
        )

    @property
    def of_other(self) -> bool:
        """Whether the noun before is not of the subject: "a ball behind a cube …"."""
        return self.before == "noun" and not set(self.last) <= set(self.subject)

    def mention(self, ids: list[int], alone: bool = False, after_noun: bool = False) -> None:
        """They are the subject from now on, with those before them if nothing has been said of these yet."""
        if self.copula:
            raise Unread("is a thing")
        if self.side:
            for k in ids:
                self.sides[k] = self.side
            self.side = ""
        if self.standing:
            self.standing = False
            for k in ids:
                self.found.things[k].say("motion", "stands still")
        again = set(ids) & set(self.subject) or (self.before == "separator" and ids and min(ids) < self.known)
        self.known = len(self.found.things)
        joined = (
            self.subject
            and not alone
            and not again
            and not self.predicate
            and not self.in_with
            and (self.before in BETWEEN or after_noun)
        )
        if self.subject and not joined and self.before not in OPEN and not after_noun:
            raise Unread("two things side by side")
        if joined:
            self.subject = [*self.subject, *(k for k in ids if k not in self.subject)]
            self.spread = True
            self.pool_of(self.subject)
        else:
            self.subject, self.spread, self.predicate = list(ids), False, False
            if len(ids) > 1:
                self.pool_of(ids)
        self.last = list(ids)
        self.relative = False
        if self.before != "with" and not joined:
            self.in_with = False

    def pool_of(self, ids: list[int]) -> None:
        if not set(ids) <= set(self.pool):
            self.pool, self.named = list(ids), 0

    def things(self, phrase: Phrase, subject: list[int], end: int | None = None) -> list[int]:
        """The numbers of what a noun phrase names: known things or new ones. subject: which "it" is not; end: of the
        phrase that is a subject itself."""
        things = self.found.things
        if phrase.pronoun == "it" and end is not None and self.subject:
            if len(self.subject) > 1 or not set(self.last) <= set(self.subject):
                raise Unread("it")
            return self.subject
        if phrase.pronoun == "it":
            groups = (self.main, self.focus, list(range(len(things))))
            others = ([k for k in group if k not in subject] for group in groups)
            known = next(filter(None, others), [])
            if len(set(known)) != 1:
                raise Unread("it")
            return known[:1]
        if phrase.pronoun == "all":
            every = [k for k, t in enumerate(things) if phrase.shape in (None, t.shape)]
            if len(every) < 2:
                raise Unread("all of one")
            return every
        first = phrase.specs[0] if phrase.specs else Spec()
        if phrase.shape is None and not phrase.ones:
            return self._one_of_pool(first)
        if phrase.ones and first.article != "known":
            rest = self.pool[self.named :]
            if rest and len(phrase.specs) <= len(rest) and not any(things[k].colour for k in rest):
                return [k for spec in phrase.specs for k in self._one_of_pool(Spec(said=spec.said))]
            if not things:
                raise Unread("one of nothing")
            phrase.shape = things[self.last[-1] if self.last else -1].shape
        if first.article == "known" or (not first.article and self._is_known(phrase, end)):
            found = self._known(phrase)
            if found:
                return found
        if phrase.shape is None:
            raise Unread("one of nothing")
        new = named(phrase)
        things.extend(new)
        return list(range(len(things) - len(new), len(things)))

    def _one_of_pool(self, spec: Spec) -> list[int]:
        """ "one red", "the other": the next of a group."""
        if not self.pool or (spec.number or 1) > len(self.pool) - self.named:
            raise Unread("one of nothing")
        count = len(self.pool) - self.named if spec.other else spec.number or 1
        if spec.other and (count != 1 or not self.named):
            raise Unread("the other")
        ids = self.pool[self.named : self.named + count]
        self.named += count
        for k in ids:
            for attribute, value in spec.said.items():
                self.found.things[k].say(attribute, value)
        self.subject, self.predicate = [], False
        return ids

    def of_pool(self) -> bool:
        """ "one red", where members of a group have no colour yet."""
        item, i = self.items[self.i], self.i + 1
        rest = self.pool[self.named :]
        if not (item.kind == "other" or (item.kind == "number" and item.value == "1")) or not rest:
            return False
        said: dict[str, str] = {}
        while self.items[i].kind == "adjective" and not self.items[i].form and self.items[i].of not in said:
            said[self.items[i].of] = self.items[i].value
            i += 1
        colours = [self.found.things[k].colour for k in rest]
        if not said or self.items[i].kind in ("noun", "ones") or any(colours):
            return False
        self.i = i
        self.mention(self._one_of_pool(Spec(number=1, other=item.kind == "other", said=said)))
        return True

    def _is_known(self, phrase: Phrase, end: int | None) -> bool:
        """Whether a phrase without an article repeats one with the same colour and noun."""
        if (
            not phrase.specs
            and not phrase.several
            and end
            and (self.before == "stop" or self.items[end].form == 1)
        ):
            return any(thing.shape == phrase.shape for thing in self.found.things)
        said = phrase.specs[0].said if len(phrase.specs) == 1 else {}
        same = (said.get("colour"), phrase.shape)
        return None not in same and any((t.colour, t.shape) == same for t in self.found.things)

    def _known(self, phrase: Phrase) -> list[int]:
        """The thing that "the red ball" has been said of; none where there is no such thing yet. Raises Unread where
        there are several."""
        said = phrase.specs[0].said if phrase.specs else {}
        shaped = [k for k, thing in enumerate(self.found.things) if phrase.shape in (None, thing.shape)]
        same = [k for k in shaped if all(getattr(self.found.things[k], a) == v for a, v in said.items())]
        same = same or [
            k
            for k in shaped
            if said.get("colour")
            and all(getattr(self.found.things[k], a) in (None, v) for a, v in said.items())
        ]
        wanted = (phrase.specs[0].number if phrase.specs else 1) or 1
        if not same or len(phrase.specs) > 1:
            return []
        if phrase.several:
            return same if len(same) > 1 else []
        if len(same) != wanted:
            raise Unread("which of them")
        for attribute, value in said.items():
            self.found.things[same[0]].say(attribute, value)
        return same
