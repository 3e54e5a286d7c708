"""What a sentence says of a scene: only what it says, the rest is left open."""

from dataclasses import dataclass, field

from vldm_cli.toyland.world import INVERSE

MOST = 3  # objects of a scene


class Unread(Exception):
    """The sentence, or a word of it, is not understood, or it contradicts itself."""


class Contradiction(Unread):
    """Two values are said of one attribute."""

    def __init__(self, attribute: str, *values: str | int) -> None:
        super().__init__(f"{attribute} {' and '.join(map(str, values))}")
        self.attribute, self.values = attribute, values


class TooMany(Unread):
    """More objects than a scene has."""


class Said:
    """Attributes, each of which is None until it is said."""

    def say(self, attribute: str, value: str | int) -> None:
        """Raises Contradiction where it has been said to be otherwise."""
        if getattr(self, attribute) not in (None, value):
            raise Contradiction(attribute, getattr(self, attribute), value)
        setattr(self, attribute, value)


@dataclass
class Thing(Said):
    """An object by the names of `world`; None: not said. around: the number of the one that it orbits."""

    colour: str | None = None
    shape: str | None = None
    material: str | None = None
    size: str | None = None
    motion: str | None = None
    around: int | None = None

    @property
    def told(self) -> tuple:
        """Equal for those that nothing tells apart."""
        return self.colour, self.shape, self.material, self.size, self.motion, self.around


@dataclass
class Description(Said):
    """relations: (number of an object, relation, number of another), "beside" among them."""

    things: list[Thing] = field(default_factory=list)
    relations: list[tuple[int, str, int]] = field(default_factory=list)
    ground: str | None = None
    sky: str | None = None
    camera: str | None = None

    def relate(self, a: int, relation: str, b: int) -> None:
        """Raises Unread for what cannot be."""
        if a == b:
            raise Unread("an object and itself")
        for x, known, y in self.relations:
            if (x, y) == (b, a):
                known = INVERSE.get(known, known)
            if {x, y} != {a, b}:
                continue
            if known == "beside" and relation in ("left of", "right of"):
                self.relations.remove((x, known, y))
                break
            if known != relation and not (relation == "beside" and known in ("left of", "right of")):
                raise Unread("two relations of one pair")
            return
        self.relations.append((a, relation, b))

    def check(self) -> None:
        """Raises Unread for what is no scene of Toyland's."""
        if not self.things:
            raise Unread("no objects")
        if len(self.things) > MOST:
            raise TooMany(f"{len(self.things)} objects")
        if any(thing.shape is None for thing in self.things):
            raise Unread("an object of no shape")
        if any(thing.size and thing.motion in ("grows", "shrinks") for thing in self.things):
            raise Unread("a size that changes")
        if any(thing.motion == "orbits" and thing.around is None for thing in self.things):
            raise Unread("around nothing")
