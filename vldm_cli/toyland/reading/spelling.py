"""Typing errors: a word that nobody knows, one letter away from a single one of Toyland's."""

from collections.abc import Container, Iterator
from string import ascii_lowercase

SHORTEST, LONGEST, SHORTEST_MEANT = 3, 20, 4


def neighbours(word: str) -> Iterator[set[str]]:
    """All that a doubled letter, one too few or two swapped, one too many, and another one make of it: what happens
    more often first."""
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    yield {word[:i] + word[i + 1 :] for i in range(len(word) - 1) if word[i] == word[i + 1]}
    more = {a + letter + b for a, b in cuts for letter in ascii_lowercase}
    yield more | {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    yield {a + b[1:] for a, b in cuts if b}
    yield {a + letter + b[1:] for a, b in cuts if b for letter in ascii_lowercase}


def mended(word: str, known: Container[str], meant: Container[str]) -> str | None:
    """The one of `known` that is meant by a word that is none of them nor of `meant`; None: it is not clear."""
    if not SHORTEST <= len(word) <= LONGEST or not word.isalpha() or word in meant:
        return None
    for near in neighbours(word):
        # short words have neighbours that mean something else
        meant_by = [
            one for one in near if one in known and (len(one) >= SHORTEST_MEANT or len(word) > len(one))
        ]
        if meant_by:
            return meant_by[0] if len(meant_by) == 1 else None
    return None
