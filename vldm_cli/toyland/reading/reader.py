"""From a prompt to the caption that says the same."""

from functools import lru_cache

from vldm_cli.toyland.captions import MAX_WORDS, tokens
from vldm_cli.toyland.reading.clauses import described
from vldm_cli.toyland.reading.description import Description, Unread
from vldm_cli.toyland.reading.saying import said
from vldm_cli.toyland.reading.usual import is_usual


def read(text: str) -> Description | None:
    """What the text says of a scene; None where it is not understood to the last word, or contradicts itself."""
    try:
        return described(text)
    except Unread:
        return None


@lru_cache(maxsize=256)
def rewritten(text: str) -> str | None:
    """The text as captions say it; None where it is one already, or is not understood: it stays as it is then."""
    if is_usual(text):
        return None
    try:
        caption = said(described(text))
    except Unread:
        return None
    return None if len(tokens(caption)) > MAX_WORDS or tokens(caption) == tokens(text) else caption
