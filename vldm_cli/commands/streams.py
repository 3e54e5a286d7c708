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


def flush(code: int) -> int:
    """Everything that was said has gone out; the exit code, which is not 0 where it could not."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:
            told, code = code, code or 1
            if stream is sys.stdout and not told and not isinstance(error, BrokenPipeError):
                with contextlib.suppress(OSError):
                    print(f"vldm: cannot write to stdout ({error.strerror})", file=sys.stderr, flush=True)
    return code


def _open(number: int) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    os.set_inheritable(number, True)
