"""Ground, sky and camera."""

from vldm_cli.toyland.reading import synonyms as s
from vldm_cli.toyland.reading.description import Unread
from vldm_cli.toyland.reading.lexicon import Item
from vldm_cli.toyland.reading.phrases import BETWEEN
from vldm_cli.toyland.reading.relating import Relating

# What may stand before a sky or a time of day.
UNDER = ("in", "at", "under", "by", "on", "of", "during", "for", "below", "beneath")


class Surroundings(Relating):
    """What is around the objects."""

    def _preposition(self, item: Item) -> None:
        following = self.i + 1
        while self.items[following].kind == "determiner":
            following += 1
        kind = self.items[following].kind
        if kind in ("ground", "made of"):
            if item.value == "of" and self.before == "noun":
                raise Unread("a thing made of it")
            self.i = following
        elif kind == "the ground":
            self.i = following + 1  # "on the ground", whatever that is
        elif kind == "sky" and item.value in UNDER:
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
        self._told("sky", ("sky", "sky is"), s.SKY_IS)

    def _the_ground(self, item: Item) -> None:
        """ "the floor is wood"."""
        self._told("ground", ("ground", "made of"), s.MADE_OF)

    def _told(self, attribute: str, kinds: tuple[str, str], adjectives: dict[str, str]) -> None:
        self.i += 1
        if self.items[self.i].kind != "copula":
            raise Unread(f"a {attribute}")
        self.i += 1
        while self.items[self.i].kind in ("determiner", "preposition"):
            self.i += 1
        said = self.items[self.i]
        value = said.value if said.kind in kinds else adjectives.get(said.value)
        if value is None:
            raise Unread(f"a {attribute}")
        self.found.say(attribute, value)
        self.i += 1
        self.subject = []
