"""A description as a caption: one clause for each object, the attributes' own names, place, light and camera."""

from vldm_cli.toyland import plain_words as p
from vldm_cli.toyland import words as w
from vldm_cli.toyland.inflection import plural, with_article
from vldm_cli.toyland.reading.description import Description, Thing, Unread
from vldm_cli.toyland.world import INVERSE


def said(found: Description) -> str:
    """The caption. Raises Unread for what captions have no words for."""
    groups = _alike(found.things)
    if len(groups) < len(found.things):
        text = _counted(found, groups)
        camera = ". "
    else:
        text = _clauses(found)
        camera = ", "
    if found.ground:
        text += f" {w.GROUND_PLACES[found.ground][0]}"
    if found.sky:
        text += f" {w.SKY_PLACES[found.sky][0]}"
    if found.camera:
        text += f"{camera}{w.CAMERA_WORDS[found.camera][0][0]}"
    return text


def _alike(things: list[Thing]) -> list[list[Thing]]:
    """The things, those together that nothing tells apart."""
    groups: list[list[Thing]] = []
    for thing in things:
        same = next((group for group in groups if group[0].told == thing.told), None)
        if same is None:
            groups.append([thing])
        else:
            same.append(thing)
    return groups


def _counted(found: Description, groups: list[list[Thing]]) -> str:
    """ "two red cubes spin", "two red cubes and a blue ball"."""
    if any(relation != "beside" for _, relation, _ in found.relations):
        raise Unread("relations of what is alike")
    names = [
        with_article(_name(group[0]))
        if len(group) == 1
        else f"{p.NUMBERS[len(group)][0]} {_name(group[0], many=True)}"
        for group in groups
    ]
    motions = {thing.motion for thing in found.things}
    if motions == {None}:
        return " and ".join(names)
    if len(motions) > 1:
        raise Unread("motions of what is alike")
    return f"{' and '.join(names)} {_verb(found.things[0], 2)}"


def _clauses(found: Description) -> str:
    things = found.things
    if len({(t.colour, t.shape) for t in things}) < len(things):
        raise Unread("things of one colour and shape")  # no caption tells them apart
    told = _from_one(found)
    # in scenes it is mostly the first object that moves, and what others are to another is said of them
    order = sorted(
        range(len(things)),
        key=lambda k: (things[k].motion != "orbits", not _moves(things[k]), k not in told, k),
    )
    moving = any(map(_moves, things))
    clauses: list[str] = []
    mentioned: set[int] = set()

    def who(k: int) -> str:
        known = k in mentioned
        mentioned.add(k)
        return _short(things[k]) if known else with_article(_name(things[k]))

    for k in order:
        thing, before = things[k], k in mentioned
        if before and thing.motion in (None, "stands still") and k not in told:
            continue
        clause, verb = who(k), thing.motion == "orbits"
        if thing.motion == "orbits" and thing.around is not None:
            clause += f" {_verb(thing, 0).replace('{b}', who(thing.around))}"
        elif thing.motion and (moving or thing.motion != "stands still" or len(things) == 1):
            clause += f" {_verb(thing, 0)}"
            verb = True
        elif len(things) == 1:
            clause += " stands"
        if k in told:
            relation, other = told[k]
            clause += f"{'' if verb else ' is'} {w.RELATION_WORDS[relation][0]} {who(other)}"
        clauses.append(clause)
    return clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])} and {clauses[-1]}"


def _moves(thing: Thing) -> bool:
    return thing.motion not in (None, "stands still")


def _from_one(found: Description) -> dict[int, tuple[str, int]]:
    """For each object what it is to another, as scenes have it: of three, two to one and the same. Raises Unread for
    other relations. Where objects are side by side only, the first is on the left, and so it is of three of which
    nothing is said."""
    told: dict[int, tuple[str, int]] = {}
    relations = []
    for a, relation, b in found.relations:
        if relation == "beside":
            a, relation, b = (b, "left of", a) if _bystands(found, a, b) else (a, "left of", b)
        elif len(found.relations) == 1 and _bystands(found, a, b):
            a, relation, b = b, INVERSE[relation], a
        relations.append((a, relation, b))
    if not relations and len(found.things) == 3 and all(thing.motion != "orbits" for thing in found.things):
        # captions of three nearly always tell this, and more of what is asked comes out where it is told
        hub = next((k for k in (1, 0, 2) if not _moves(found.things[k])), 1)
        one, other = (k for k in range(3) if k != hub)
        return {one: ("left of", hub), other: ("right of", hub)}
    if len(relations) > 2:
        raise Unread("many relations")
    hub = relations[0][2] if relations else 0
    if len(relations) == 2:
        shared = {relations[0][0], relations[0][2]} & {relations[1][0], relations[1][2]}
        if len(shared) != 1:
            raise Unread("relations apart")
        (hub,) = shared
    for a, relation, b in relations:
        if b != hub:
            a, relation, b = b, INVERSE[relation], a
        told[a] = (relation, b)
    return told


def _bystands(found: Description, a: int, b: int) -> bool:
    """Whether b moves and a does not."""
    return _moves(found.things[b]) and not _moves(found.things[a])


def _name(thing: Thing, many: bool = False) -> str:
    """ "large shiny blue cube"."""
    shape = thing.shape or ""
    adjectives = filter(None, (thing.size, thing.material, thing.colour))
    return " ".join([*adjectives, plural(shape) if many else shape])


def _short(thing: Thing) -> str:
    return " ".join(filter(None, ("the", thing.colour, thing.shape)))


def _verb(thing: Thing, form: int) -> str:
    return w.MOTION_WORDS[thing.motion or ""][0][form]
