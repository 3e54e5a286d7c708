"""What a prompt asks for that no scene of Toyland can have, so that nobody wonders at what comes out."""

import re

from vldm_cli.toyland import road_words
from vldm_cli.toyland.reading.clauses import described
from vldm_cli.toyland.reading.description import MOST, Contradiction, TooMany, Unread
from vldm_cli.toyland.reading.lexer import UnknownWord

NEGATIONS = ("no", "not", "without", "nor", "neither", "except")
_ROADS = frozenset(" ".join([*road_words.ROADS, "roads streets highways"]).split()) - {"a", "the", "country"}


def doubted(text: str) -> str | None:
    """In words for whoever typed it; None where nothing contradicts itself, whether it is understood or not."""
    try:
        described(text)
    except Contradiction as error:
        if all(isinstance(value, str) for value in error.values):
            first, second = error.values
            return f"the prompt has two for one {error.attribute}: {first} and {second}"
    except TooMany:
        return f"the prompt has more than {MOST} objects, the most that a scene has"
    except UnknownWord as error:
        if error.word in NEGATIONS and not _harmless(error.word, text.lower()):
            return f'what the prompt names is drawn, "{error.word}" or not; say what is there instead'
    except Unread:
        pass
    return None


def _harmless(negation: str, text: str) -> bool:
    """ "not one but two"; and roads have phrases of their own, such as "without cars"."""
    if _ROADS & set(re.findall("[a-z]+", text)):
        return True
    return re.search(rf"\b{negation} (only|just|one|merely)\b", text) is not None
