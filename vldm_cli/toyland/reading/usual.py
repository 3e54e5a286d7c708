"""Whether a text is said as captions say it."""

import re
from collections.abc import Iterable
from functools import cache

from vldm_cli.toyland import words as w


@cache
def _pattern() -> re.Pattern[str]:
    def any_of(phrases: Iterable[str]) -> str:
        return f"(?:{'|'.join(sorted(map(re.escape, phrases), key=len, reverse=True))})"

    def flat(table) -> list[str]:
        return [phrase for group in table.values() for phrase in group]

    adjective = any_of([*flat(w.COLOUR_WORDS), *flat(w.MATERIAL_WORDS), *flat(w.SIZE_WORDS)])
    noun = any_of(flat(w.SHAPE_WORDS))
    thing = rf"(?:an?|the) (?:{adjective} ){{0,3}}{noun}"
    simple = [forms for name, group in w.MOTION_WORDS.items() if name != "orbits" for forms in group]
    verb = any_of(form for forms in simple for form in forms[:2])
    orbits = any_of(
        form.replace("{b}", "").strip() for forms in w.MOTION_WORDS["orbits"] for form in forms[:2]
    )
    relation = any_of(flat(w.RELATION_WORDS))
    clause = rf"{thing}(?: {verb}| {orbits} {thing})?(?:(?: is)? {relation} {thing})?"
    scene = rf"(?:{any_of(w.OPENINGS)} )?{clause}(?:(?:,| and|, and| while) {clause})*"
    place = any_of([*flat(w.GROUND_PLACES), *flat(w.SKY_PLACES)])
    cameras = [phrase for group in w.CAMERA_WORDS.values() for pair in group for phrase in pair]
    camera = any_of(cameras)
    return re.compile(rf"(?:{camera}, )?(?:{place}, )?{scene}(?: {place}){{0,2}}(?:[.,] {camera})?\.?")


def is_usual(text: str) -> bool:
    """Whether a template of captions makes it, whatever its capitals and spaces."""
    return _pattern().fullmatch(" ".join(text.lower().split())) is not None
