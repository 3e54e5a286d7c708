"""What objects are to each other, and on which side of the picture they are."""

from vldm_cli.toyland.reading.description import Unread
from vldm_cli.toyland.reading.lexicon import Item
from vldm_cli.toyland.reading.phrases import BETWEEN, OPEN, Phrase, scan
from vldm_cli.toyland.reading.predicates import Predicates


class Relating(Predicates):
    """Relations and sides."""

    def _side(self, item: Item) -> None:
        if self.moving:
            return self._direction(item)
        if self._gapped(item):
            return None
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

    def _gapped(self, item: Item) -> bool:
        """ "a red ball rolls left, a blue one right": the verb before, its side told anew."""
        verb, _, side = self.others_motion().partition(" ")
        behind = self.before in ("noun", "ones", "number") and self.last == self.subject != []
        ends = self.items[self.i + 1].kind in ("stop", *BETWEEN)
        if self.predicate or not behind or not ends or not {side, item.value} <= {"left", "right"}:
            return False
        for k in self.subject:
            self.found.things[k].say("motion", f"{verb} {item.value}")
        self.i, self.predicate = self.i + 1, True
        return True

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
        elif self.of_other and not self.copula:
            ids = self.last  # "a ball behind a cube behind a cone"
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
