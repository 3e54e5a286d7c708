"""What is said of whom: adjectives behind their noun, and verbs."""

from vldm_cli.toyland.reading.description import Unread
from vldm_cli.toyland.reading.lexicon import Item
from vldm_cli.toyland.reading.mentions import Mentions
from vldm_cli.toyland.reading.phrases import BETWEEN, Phrase, scan


class Predicates(Mentions):
    """Adjectives and verbs."""

    def _phrase(self, phrase: Phrase, end: int) -> None:
        if phrase.bare:
            if phrase.specs[0].said:
                return self._adjectives()
            if self.items[end].kind not in ("sky", "ground", "camera", "the ground", "the sky", "made of"):
                raise Unread("an article")
            self.i = end
            return
        if phrase.pronoun == "it" and self._impersonal(end):
            return
        apart = self.items[self.i].apart
        ids = self.things(phrase, self.subject if self.before not in ("start", "stop") else [], end)
        self.i = end
        new = bool(phrase.specs) and phrase.specs[0].article == "new"
        hasty = new and self.before == "noun" and not apart
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
            said: dict[str, str] = {}
            start = i
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
        form = self.copula_form if copula else 0
        if self.relative:
            group = self._those(2 if everyone else form)
        else:
            group = (self._all_named(2) if form == 2 else []) or self.subject
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
        if not form and not self.copula and not self.relative and self.of_other:
            raise Unread("whose verb it is")  # "a ball behind a cube spinning"
        self.copula = False
        ids = self.about(form)
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
