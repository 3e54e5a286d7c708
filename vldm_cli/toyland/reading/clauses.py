"""Clauses: what is said of which object, one item after the other, with what was mentioned before in mind."""

from vldm_cli.toyland.reading import synonyms as s
from vldm_cli.toyland.reading.description import Description, Thing, Unread
from vldm_cli.toyland.reading.lexer import STOP, items
from vldm_cli.toyland.reading.lexicon import Item
from vldm_cli.toyland.reading.phrases import ATTRIBUTES, BETWEEN, Phrase, Spec, named, scan
from vldm_cli.toyland.reading.sides import placed

# Before a noun phrase, "with all of this between": "behind it you see a ball".
PASSED_OVER = ("harmless", "copula")
OPEN = ("start", "stop", "separator", "joining", "with")


def described(text: str) -> Description:
    """What the text says. Raises Unread where it is not understood."""
    reader = Reader(items(text))
    reader.read()
    return reader.found


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
        if item.kind != "harmless" and not stray:
            kept.append(item)
    return kept


class Reader:
    """One reading of one text.

    subject: the objects that the clause is about; last: those of the noun phrase before; pool: a group whose members
    "one" and "the other" name, and how many of them have been named.
    """

    def __init__(self, found: list[Item]) -> None:
        self.items = _without_harmless(found) + [STOP]
        self.found = Description()
        self.i = 0
        self.subject: list[int] = []
        self.focus: list[int] = []
        self.last: list[int] = []
        self.main: list[int] = []
        self.pool: list[int] = []
        self.named = self.known = 0
        self.predicate = self.copula = self.relative = self.in_with = self.spread = False
        self.copula_form = 0
        self.count: int | None = None
        self.moving = ""
        self.side = ""
        self.standing = False
        self.sides: dict[int, str] = {}
        self.before = "start"

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
        if self._of_pool():
            return
        if handle:
            handle(item)
        elif phrase:
            self._phrase(*phrase)
        else:
            raise Unread(item.kind)

    def _of_pool(self) -> bool:
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

    def _count(self, item: Item) -> None:
        """ "two objects": what they are is told elsewhere."""
        if self.count is not None or self.subject:
            raise Unread("numbers of things")
        self.count = int(item.value)
        self.i += 1
        if self.items[self.i].kind in ("motion", "copula", "preposition"):
            self.i += self.items[self.i].kind == "motion"

    # --- what ends and joins clauses

    def _stop(self, item: Item) -> None:
        if self.moving or self.side or self.copula:
            raise Unread("an end in the middle")
        self.i += 1
        self.focus = self.subject or self.focus
        self.subject, self.in_with, self.relative, self.predicate, self.spread = (
            [],
            False,
            False,
            False,
            False,
        )
        self.standing, self.main = False, []

    def _separator(self, item: Item) -> None:
        self.i += 1
        self.relative = False

    def _joining(self, item: Item) -> None:
        if self.copula:
            raise Unread("and after is")
        self.i += 1

    def _with(self, item: Item) -> None:
        self.i += 1
        self.main = self.subject or self.focus
        self.in_with = bool(self.subject)

    def _relative(self, item: Item) -> None:
        following = self.items[self.i + 1].kind
        if not self.last or following not in (
            "copula",
            "motion",
            "moving",
            "orbit",
            "relation",
            "of it",
            "side",
        ):
            phrase = scan(self.items, self.i)
            if not phrase:
                raise Unread("that")
            return self._phrase(*phrase)
        self.i += 1
        self.relative = True

    def _copula(self, item: Item) -> None:
        self.i += 1
        following = self.items[self.i]
        if not self.subject and not self.relative:
            if self.side or self.standing or following.kind in ("sky", "ground"):
                return  # "on the left is a ball"; "it is night" comes here without "it"
            raise Unread("is, of nothing")
        self.copula, self.copula_form = True, item.form
        self._predicate()

    # --- who it is about

    def about(self, form: int = 0) -> list[int]:
        """The objects that what follows is said of; form: of the verb."""
        if self.relative:
            return self.last
        if self.in_with and form:
            raise Unread("a verb after with")
        if not self.subject:
            raise Unread("a verb without a subject")
        if len(self.subject) > 1 and self.spread:
            if form == 1:
                return self.last
            if form == 0:
                raise Unread("several that it may be said of")
        return self.subject

    def _phrase(self, phrase: Phrase, end: int) -> None:
        if phrase.bare:
            if phrase.specs and phrase.specs[0].article == "known" and not phrase.specs[0].said:
                if self.items[end].kind in ("sky", "ground", "the sky", "the ground", "made of", "side"):
                    self.i = end
                    return
                raise Unread("an article")
            if len(phrase.specs) == 1 and not phrase.specs[0].said:
                if self.items[end].kind in ("sky", "ground", "camera", "the ground", "the sky", "made of"):
                    self.i = end
                    return
                raise Unread("an article")
            return self._adjectives()
        if phrase.pronoun == "it" and self._impersonal(end):
            return
        ids = self.things(phrase, self.subject if self.before not in ("start", "stop") else [], end)
        self.i = end
        hasty = self.before == "noun" and bool(phrase.specs) and phrase.specs[0].article == "new"
        self.mention(ids, alone=phrase.pronoun == "all", after_noun=hasty)

    def _impersonal(self, end: int) -> bool:
        """ "it is night"."""
        if self.items[end].kind != "copula":
            return False
        after = end + 1
        while self.items[after].kind == "determiner":
            after += 1
        if self.items[after].kind != "sky":
            return False
        self.i = after
        return True

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
        if phrase.pronoun == "it":
            known = [k for k in (self.main or self.focus or self.subject) if k not in subject] or self.subject
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

    # --- what is said of it

    def _adjective(self, item: Item) -> None:
        if item.form and not self.copula:
            if not self.last:
                raise Unread("an adjective of nothing")
            for k in self.last:
                self.found.things[k].say(item.of, item.value)
            self.i += 1
            return None
        phrase = scan(self.items, self.i)
        if phrase and not phrase[0].bare:
            return self._phrase(*phrase)
        return self._adjectives()

    def _adjectives(self) -> None:
        """ "red and shiny" behind what it is said of; "red, green and blue" of three."""
        everyone, listed, i = False, [], self.i
        while True:
            said, start = {}, i
            while True:
                item = self.items[i]
                if item.kind == "pronoun" and item.value == "all" and not said:
                    everyone = True
                elif item.kind == "determiner" and item.value == "new" and not said and i == start:
                    pass
                elif item.kind == "adjective" and item.of not in said:
                    said[item.of] = item.value
                else:
                    break
                i += 1
            if not said:
                raise Unread("no adjective")
            listed.append(said)
            following = i
            while self.items[following].kind in BETWEEN:
                following += 1
            phrase = scan(self.items, following)
            if following == i or not phrase or not phrase[0].bare or not phrase[0].specs[0].said:
                break
            i = following
        self.i = i
        self._say(listed, everyone)

    def _say(self, listed: list[dict[str, str]], everyone: bool) -> None:
        things, copula = self.found.things, self.copula
        self.copula = False
        group = self.last if self.relative else self.subject
        if not group:
            raise Unread("an adjective of nothing")
        if not copula and not set(self.last) <= set(group):
            raise Unread("an adjective of one of them")
        coloured = [said for said in listed if "colour" in said]
        if len(listed) > 1 and len(coloured) == len(listed) == len(group):
            targets = [[k] for k in group]
        elif len(coloured) <= 1 and len({key for said in listed for key in said}) == sum(map(len, listed)):
            listed = [{key: value for said in listed for key, value in said.items()}]
            if not everyone and not copula and self.spread:
                if any(
                    getattr(things[k], key) is None for k in group if k not in self.last for key in listed[0]
                ):
                    raise Unread("an adjective of one of them")
                targets = [self.last]
            elif self.spread and copula and self.copula_form == 1:
                targets = [self.last]
            else:
                targets = [group]
        else:
            raise Unread("adjectives")
        for ids, said in zip(targets, listed, strict=True):
            for k in ids:
                for attribute, value in said.items():
                    things[k].say(attribute, value)
        self.predicate = self.predicate or copula

    def _predicate(self) -> None:
        """What stands behind "is"; what is no adjective goes its own way."""
        kind = self.items[self.i].kind
        if kind == "copula":
            self.i += 1
            return self._predicate()
        if kind in ("adjective", "determiner", "pronoun"):
            return self._adjectives()
        if kind == "side":
            ids = self.about(self.copula_form)
            self.copula, self.predicate = False, True
            for k in ids:
                self.sides[k] = self.items[self.i].value
            self.i += 1
            return None
        if kind == "preposition" and self.items[self.i + 1].kind in ("ground", "determiner", "sky"):
            self.copula, self.predicate = False, True
            return None
        if kind not in ("motion", "moving", "orbit", "relation", "of it"):
            raise Unread("is")
        return None

    def verb(self, item: Item) -> list[int]:
        form = self.copula_form if self.copula else item.form
        self.copula = False
        ids = self.about(form if item.form or form else 0)
        self.predicate = True
        self.i += 1
        return ids

    def _motion(self, item: Item) -> None:
        phrase = scan(self.items, self.i)
        if not item.form and not self.copula and phrase and phrase[0].shape:
            return self._phrase(*phrase)  # "a bouncing ball", its article left out
        if item.value == "stands still" and (not self.subject or self.predicate) and not self.relative:
            self.standing = True  # "on the grass stands a ball"
            self.i += 1
            return
        for k in self.verb(item):
            self.found.things[k].say("motion", item.value)

    def _moving(self, item: Item) -> None:
        if self.moving:
            raise Unread("two ways of moving")
        self.movers = self.verb(item)
        self.moving = item.value

    def _orbit(self, item: Item) -> None:
        ids = self.verb(item)
        phrase = scan(self.items, self.i)
        if len(ids) != 1 or not phrase:
            raise Unread("around what")
        self.i = phrase[1]
        around = self.things(phrase[0], ids)
        if len(around) != 1 or around == ids:
            raise Unread("around what")
        self.found.things[ids[0]].say("motion", "orbits")
        self.found.things[ids[0]].say("around", around[0])
        self.last = around

    def _direction(self, item: Item) -> None:
        if not self.moving:
            raise Unread("a direction")
        for k in self.movers:
            self.found.things[k].say("motion", f"{self.moving} {item.value}")
        self.moving = ""
        self.i += 1

    def _side(self, item: Item) -> None:
        if self.moving:
            return self._direction(item)
        following = self.i + 1
        separated = self.items[following].kind in BETWEEN
        while self.items[following].kind in ("separator", "copula") or (
            self.items[following].kind == "motion" and self.items[following].value == "stands still"
        ):
            following += 1
        ahead = scan(self.items, following)
        fronted = self.before in OPEN and ahead is not None and not ahead[0].bare
        if fronted and (not separated or self.before in ("start", "stop")):
            self.side = item.value
            self.subject, self.predicate = [], False
        elif item.value == "middle" and not self.last:
            pass
        else:
            for k in self.last:
                if self.sides.setdefault(k, item.value) != item.value:
                    raise Unread("two sides")
        self.i += 1

    def _of_it(self, item: Item) -> None:
        self.relation(item.value, Phrase([], pronoun="it"), self.i + 1)

    def _relation(self, item: Item) -> None:
        phrase = scan(self.items, self.i + 1)
        if not phrase or phrase[0].bare:
            raise Unread("next to what")
        self.relation(item.value, *phrase)

    def relation(self, relation: str, anchor: Phrase, end: int) -> None:
        """ "a ball behind a cube", and the other way round, "behind the cube a ball"."""
        following = end
        while self.items[following].kind == "copula" or (
            self.items[following].kind == "motion" and self.items[following].value == "stands still"
        ):
            following += 1
        if self.items[following].kind == "separator" and self.before in ("start", "stop"):
            following += 1
        ahead = scan(self.items, following)
        fronted = self.before in OPEN and ahead is not None and not ahead[0].bare and not self.copula
        if fronted and ahead:
            if self.subject:
                self.focus = self.subject
            other = self.things(anchor, [])
            stands = any(item.kind == "motion" for item in self.items[end:following])
            ids = self.things(ahead[0], other)
            for k in ids if stands else ():
                self.found.things[k].say("motion", "stands still")
            self.i = ahead[1]
            self.relate(ids, relation, other)
            self.subject, self.last, self.predicate, self.spread = ids, ids, False, False
            self.in_with = False
            return
        if anchor.pronoun == "it" and self.spread and not self.copula:
            # "a ball, a cube behind it"
            self.main = [k for k in self.subject if k not in self.last]
            ids = self.last
        else:
            ids = self.about(self.copula_form if self.copula else 0)
        self.copula, self.predicate = False, True
        self.i = end
        other = self.things(anchor, ids)
        self.relate(ids, relation, other)
        if anchor.pronoun != "it":
            self.last = other

    def _between(self, item: Item) -> None:
        """ "a ball between a cube and a cone", and the other way round."""
        fronted = self.before in OPEN and not self.subject
        ids = [] if fronted else self.about(self.copula_form if self.copula else 0)
        self.copula, self.i = False, self.i + 1
        ends: list[int] = []
        for joined in (False, True):
            self.i += joined and self.items[self.i].kind == "joining"
            phrase = scan(self.items, self.i)
            if not phrase or phrase[0].bare:
                raise Unread("between what")
            ends += self.things(phrase[0], ids)
            self.i = phrase[1]
        if fronted:
            while self.items[self.i].kind in ("copula", "separator"):
                self.i += 1
            phrase = scan(self.items, self.i)
            if not phrase or phrase[0].bare:
                raise Unread("what is between")
            ids, self.i = self.things(phrase[0], ends), phrase[1]
        if len(ids) != 1 or len(ends) != 2:
            raise Unread("between")
        self.relate(ends[:1], "left of", ids)
        self.relate(ends[1:], "right of", ids)
        self.subject, self.last, self.predicate, self.spread = ids, ids, True, False

    def relate(self, ids: list[int], relation: str, other: list[int]) -> None:
        if len(other) != 1:
            raise Unread("next to which")
        for k in ids:
            self.found.relate(k, relation, other[0])

    # --- the scene

    def _preposition(self, item: Item) -> None:
        following = self.i + 1
        while self.items[following].kind == "determiner":
            following += 1
        kind = self.items[following].kind
        if kind in ("ground", "made of"):
            self.i = following
        elif kind == "the ground":
            self.i = following + 1  # "on the ground", whatever that is
        elif kind == "sky" and item.value in (
            "in",
            "at",
            "under",
            "by",
            "on",
            "of",
            "during",
            "for",
            "below",
            "beneath",
        ):
            self.i = following
        elif self.before in ("camera", "sky") or (self.before == "side" and item.value == "of"):
            self.i += 1  # "zoom in on a ball", "clouds over a ball"
        elif kind == "pronoun" and self.found.ground and item.value in ("on", "in", "over"):
            self.i = following + 1  # "a lake and on it a ball"
            self.before = "separator"
        elif item.value == "below" and kind in ("stop", "separator"):
            self.i += 1
        else:
            raise Unread(item.value)

    def _ground(self, item: Item) -> None:
        self.place("ground", item)

    def _made_of(self, item: Item) -> None:
        raise Unread("made of it")

    def _sky(self, item: Item) -> None:
        self.place("sky", item)

    def place(self, attribute: str, item: Item) -> None:
        """Ground or sky. An object of that name, such as a "snow ball", is none of Toyland's."""
        self.i += 1
        following = self.items[self.i].kind
        if following in ("adjective", "noun") and not (item.form and attribute == "sky"):
            raise Unread("a thing made of it")
        self.found.say(attribute, item.value)

    def _camera(self, item: Item) -> None:
        self.i += 1
        self.found.say("camera", item.value)
        if item.value == "orbiting" and self.items[self.i].kind == "pronoun":
            self.i += 1
        if self.items[self.i].kind == "preposition" and self.items[self.i + 1].kind == "pronoun":
            self.i += 2
        self.copula = False
        if self.before not in ("start", "stop") or self.items[self.i].kind != "stop":
            self.subject = self.subject if self.items[self.i].kind in BETWEEN else []

    def _the_sky(self, item: Item) -> None:
        """ "the sky is dark"."""
        self.i += 1
        if self.items[self.i].kind != "copula":
            raise Unread("a sky")
        said = self.items[self.i + 1]
        sky = said.value if said.kind in ("sky", "sky is") else s.SKY_IS.get(said.value)
        if sky is None:
            raise Unread("a sky")
        self.found.say("sky", sky)
        self.i += 2
        self.subject = []

    def _the_ground(self, item: Item) -> None:
        """ "the floor is wood"."""
        self.i += 1
        if self.items[self.i].kind != "copula":
            raise Unread("a ground")
        self.i += 1
        while self.items[self.i].kind in ("determiner", "preposition"):
            self.i += 1
        said = self.items[self.i]
        ground = said.value if said.kind in ("ground", "made of") else s.MADE_OF.get(said.value)
        if ground is None:
            raise Unread("a ground")
        self.found.say("ground", ground)
        self.i += 1
        self.subject = []


__all__ = ["ATTRIBUTES", "Reader", "Thing", "described"]
