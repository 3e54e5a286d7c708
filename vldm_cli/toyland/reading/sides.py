"""Sides of the picture ("on the left a ball") as relations of its objects."""

from vldm_cli.toyland.reading.description import Description, Unread


def placed(found: Description, sides: dict[int, str]) -> None:
    """Adds what objects that stand on these sides are to each other. Raises Unread where that is nothing."""
    everyone = range(len(found.things))
    if not sides or (set(sides.values()) == {"middle"} and len(found.things) == 1):
        return
    for ends, relations in (
        (("left", "right"), ("left of", "right of")),
        (("back", "front"), ("behind", "in front of")),
    ):
        at = {end: [k for k in everyone if sides.get(k) == end] for end in ends}
        named = at[ends[0]] + at[ends[1]]
        if not named:
            continue
        rest = [k for k in everyone if k not in named]
        if any(len(ids) > 1 for ids in at.values()) or len(rest) > 1 or len(everyone) < 2:
            raise Unread("sides")
        for end, relation in zip(ends, relations, strict=True):
            for k in at[end]:
                others = rest or [other for other in named if other != k]
                if rest or end == ends[0]:
                    found.relate(k, relation, others[0])
    if "middle" in sides.values() and len(everyone) == 2:
        raise Unread("the middle of two")
