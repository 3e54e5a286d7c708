"""A sentence as items of the lexicon."""

import re
from functools import cache

from vldm_cli.toyland.reading import english as e
from vldm_cli.toyland.reading.description import Unread
from vldm_cli.toyland.reading.lexicon import Item, known_words, lexicon, worth_mending
from vldm_cli.toyland.reading.spelling import mended

_MEANT = frozenset(e.MEANT.split())
LONGEST = 400  # characters: nobody describes three objects in more
STOP, SEPARATOR = Item("stop"), Item("separator")


class UnknownWord(Unread):
    """A word that no item has."""

    def __init__(self, word: str) -> None:
        super().__init__(f"the word {word}")
        self.word = word


def items(text: str) -> list[Item]:
    """What the words mean, the longest phrases first. Raises UnknownWord for one that is not known."""
    words = _words(text)
    table, longest = lexicon(), _longest()
    found: list[Item] = []
    i = 0
    while i < len(words):
        if words[i] in e.STOPS or words[i] in e.SEPARATORS:
            found.append(STOP if words[i] in e.STOPS else SEPARATOR)
            i += 1
            continue
        for length in range(min(longest, len(words) - i), 0, -1):
            item = table.get(tuple(words[i : i + length]))
            if item is not None:
                found.append(item)
                i += length
                break
        else:
            raise UnknownWord(words[i])
    return found


@cache
def _longest() -> int:
    return max(map(len, lexicon()))


def _words(text: str) -> list[str]:
    if len(text) > LONGEST:
        raise Unread("so many words")
    plain = text.lower().replace("’", "'")
    for said, whole in e.CONTRACTIONS.items():
        plain = re.sub(rf"\b{said}\b", whole, plain)
    plain = re.sub(r"(?<=[a-z])-(?=[a-z])", " ", plain)
    found = []
    for word in re.findall(r"[^\W_]+|[^\w\s]|_|\n", plain):
        if word in known_words() or not word.isalpha():
            found.append(word)
            continue
        meant = mended(word, worth_mending(), _MEANT)
        if meant is None:
            raise UnknownWord(word)
        found.append(meant)
    # words that say how, and may stand between the words of a phrase
    return [word for word in found if word not in e.MANNER]
