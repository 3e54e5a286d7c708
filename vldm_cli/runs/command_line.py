"""The command that this process was told to run, kept with a run so that anybody can go on with it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_words: tuple[str, ...] = ()


@contextmanager
def told(arguments: Sequence[str]) -> Iterator[None]:
    """Within this, the process does what `vldm` with these arguments does."""
    global _words
    before, _words = _words, ("vldm", *arguments)
    try:
        yield
    finally:
        _words = before


def words() -> tuple[str, ...]:
    """The words of that command as they were given; none in a program that uses vldm as a library."""
    return _words


def place() -> str:
    """The folder that names in it are relative to; empty where that is gone."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""
