"""stdin, stdout and stderr as they may be: closed, full, or of an encoding that has not every letter."""

import contextlib
import os
import sys


def prepare() -> None:
    """Before anything is said or opened: all three are there, and what they cannot show is shown by its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # Without it the next file that is opened would get its number, and whatever a library prints with it.
            _open(number)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.dup(number), "r" if number == 0 else "w", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """A line on stderr. Where that is full, or nobody reads it any more, the work goes on: it is no reason to lose a
    video."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def flush(code: int) -> int:
    """Everything that was said has gone out; the exit code, which is not 0 where a result could not."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        if not code and not isinstance(error, BrokenPipeError):
            say(f"vldm: cannot write to stdout ({error.strerror})")
        code = code or 1
    with contextlib.suppress(OSError):
        if sys.stderr is not None:
            sys.stderr.flush()
    return code


def _open(number: int) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    os.set_inheritable(number, True)
