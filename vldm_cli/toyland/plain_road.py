"""Roads in plain English, as `plain` has scenes of solids."""

from vldm_cli.toyland import plain_words as p
from vldm_cli.toyland import road_words as rw


def any_of(rng, *groups):
    """One of the first group 0.6 of the time, else one of the second, where there is one; of a group 0.4 of the time
    its first, else any of it."""
    items = groups[0] if len(groups) == 1 or not groups[1] or rng.random() < 0.6 else groups[1]
    return items[0] if rng.random() < 0.4 else items[int(rng.integers(len(items)))]


def road(attributes: dict, rng) -> str:
    """A description of a road: a phrase, then what else there is, in any order."""
    phrase = any_of(rng, rw.TRAFFIC_ROADS[attributes["traffic"]])
    head = phrase if rng.random() < 0.4 else f"{any_of(rng, rw.DRIVE_VERBS)} {phrase}"
    if head is phrase and rng.random() < 0.6:
        head = f"{any_of(rng, [o for o in p.OPENINGS if o != p.SEVERAL])} {phrase}"
    parts = []
    if rng.random() < 0.85:
        parts.append(any_of(rng, rw.TIME_WORDS[attributes["time"]], p.SKIES[attributes["time"]][:6]))
    if rng.random() < 0.85:
        parts.append(any_of(rng, rw.ROADSIDE_WORDS[attributes["roadside"]]))
    if rng.random() < (0.15 if attributes["weather"] == "clear" else 0.9):
        parts.append(any_of(rng, rw.WEATHER_WORDS[attributes["weather"]]))
    rng.shuffle(parts)
    join = ", " if rng.random() < 0.3 else " "
    text = join.join([head, *parts])
    if parts and rng.random() < 0.2:
        text = f"{parts[0]}, " + join.join([head, *parts[1:]])
    if rng.random() < (0.2 if attributes["course"] == "straight" else 0.9):
        text += (". " if rng.random() < 0.5 else ", ") + any_of(rng, rw.COURSE_WORDS[attributes["course"]])
    return text
