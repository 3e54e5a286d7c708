"""The command that this process was told to run, kept with a run so that anybody can go on with it; and how a person
types it into a shell."""

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

# Of this thread: many videos may be made side by side, each as by a command of its own.
_words: ContextVar[tuple[str, ...]] = ContextVar("words", default=())


@contextmanager
def told(arguments: Sequence[str]) -> Iterator[None]:
    """Within this, what is done in this thread is what `vldm` with these arguments does."""
    token = _words.set(("vldm", *arguments))
    try:
        yield
    finally:
        _words.reset(token)


def words() -> tuple[str, ...]:
    """The words of that command as they were given; none in a program that uses vldm as a library."""
    return _words.get()


def place() -> str:
    """The folder that names in it are relative to; empty where that is gone."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


def typed(words: Sequence[str], encoding: str = "utf-8") -> str:
    """The line that a shell reads as just these words. Where `encoding`, in which it is shown, has not all of a word's
    letters, or these are bytes of a name that are no text, the word stands in bash's and zsh's `$'…'`."""
    return " ".join(_word(word, encoding) for word in words)


def _word(word: str, encoding: str) -> str:
    try:
        word.encode(encoding)
    except UnicodeEncodeError:
        return "$'" + re.sub(r"[^ -&(-\[\]-~]", _escaped, word) + "'"
    return shlex.quote(word)


def _escaped(letter: re.Match[str]) -> str:
    code = ord(letter.group())
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, as Python keeps it
        return f"\\x{code - 0xDC00:02x}"
    return (
        f"\\u{code:04x}"
        if code > 0x7F and code <= 0xFFFF
        else f"\\U{code:08x}"
        if code > 0xFFFF
        else f"\\{code:03o}"
    )
