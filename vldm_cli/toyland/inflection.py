"""Articles and plurals of Toyland's nouns."""

from vldm_cli.toyland.plain_words import PLURALS


def with_article(phrase: str) -> str:
    """ "a ball", "an orange ball"."""
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def plural(noun: str) -> str:
    """ "cubes", "boxes"."""
    return PLURALS.get(noun, f"{noun}s")
