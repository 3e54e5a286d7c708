"""The two ways in which a command fails, and what each means to the person who typed it."""

import re
from collections.abc import Iterator, Sequence


class _Failure(Exception):
    """The message is one sentence; `again` the words of the command that goes on from what is saved, if any."""

    def __init__(self, message: str = "", again: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.again = tuple(again)


class RequestError(_Failure):
    """The request cannot be served: bad option, unreadable input, unknown pack. Exit code 2, nothing written.

    The message is one sentence that names the file or option and the remedy.
    """


class RunError(_Failure):
    """It broke while running: disk full, out of memory, lost device. Exit code 1.

    The message is one sentence that says what is saved and how to go on.
    """


# What libraries say of memory without having a class for it: torch's allocator, its threads, oneDNN, the C++ library,
# the loader of shared libraries.
_MEMORY = (
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "could not create a primitive",
    "bad_alloc",
    "bad allocation",
    "can't start new thread",
    "failed to map segment",
    "out of memory",
)
_NO_MEMORY, _NO_HANDLES = (12,), (23, 24)  # errno.h: ENOMEM; ENFILE, EMFILE


def ran_out(error: BaseException | None) -> str | None:
    """What an exception, or one that it was raised from, says to have run out: "memory", "file handles", or None."""
    for one in _causes(error):
        number = getattr(one, "errno", None)
        if isinstance(one, MemoryError) or type(one).__name__ == "OutOfMemoryError" or number in _NO_MEMORY:
            return "memory"
        if isinstance(one, OSError) and number in _NO_HANDLES:
            return "file handles"
        kinds = RuntimeError | ImportError | OSError | SystemError
        if isinstance(one, kinds) and any(words in str(one).lower() for words in _MEMORY):
            return "memory"
    return None


_LACKING = {
    "memory": "memory ran out",
    "file handles": "this shell allows too few open files (`ulimit -n 256` gives more)",
}


def unexpected(error: BaseException) -> str:
    """The sentence on an exception that no place had a better word for."""
    words = f"{type(error).__name__}: {error}".splitlines()[0]
    lacking = ran_out(error)
    if lacking:
        return f"{_LACKING[lacking]} before the work began ({words:.200})"
    return f"unexpected error, please report it ({words:.300}); -v shows where"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def shown(value) -> str:
    """A value from outside in few characters, of which none does anything to a terminal."""
    if type(value) is int and abs(value) >= 10**20:
        return "a number of more than 20 digits"
    if isinstance(value, dict | list | tuple):
        return f"{'a table' if isinstance(value, dict) else 'a list'} of {len(value)}"
    try:
        text = value if isinstance(value, str) and value.isprintable() and value.strip() else ascii(value)
    except ValueError:  # Python writes out no integer of thousands of digits
        return f"a {type(value).__name__} of thousands of digits"
    return text if len(text) <= 60 else f"{text[:60]}…"


def visible(text: str) -> str:
    """The text with what would steer a terminal written out: names, prompts and tags of files come from anybody."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda found: f"\\x{ord(found.group()):02x}", text)
