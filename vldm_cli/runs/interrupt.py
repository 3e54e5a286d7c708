"""Ctrl-C, SIGTERM and a closed terminal: what is said, and the end at once.

A run keeps what is finished at every moment, or a power cut would lose it. So there is nothing to tidy up, and the
program ends inside the signal's handler: an exception raised there, wherever Python happens to be, would be swallowed
by an import or a finalizer, or thrown through C++ that aborts. Light: imported before everything that takes time.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import get_ident
from types import FrameType

CODE = 130
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class _State:
    """What this process does about the signals that it listens to."""

    def __init__(self) -> None:
        self.words: Callable[[], str] = lambda: "vldm: interrupted"
        self.ends: list[Callable[[], None]] = []
        self.listens = self.raises = self.waiting = False
        self.held: set[int] = set()  # threads


_state = _State()


def listen(*ends: Callable[[], None]) -> None:
    """From now on signals end the program, exit code 130. Those that it was started to ignore (`nohup`, a shell's
    background jobs) it goes on ignoring. ends: called before it ends, to end what it has started."""
    _state.listens = True
    _state.ends += [end for end in ends if end not in _state.ends]
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _arrived)


def listen_again() -> None:
    """After a library has set handlers of its own: as before, if this process has listened."""
    if _state.listens:
        listen()


@contextmanager
def saying(words: Callable[[], str]) -> Iterator[None]:
    """Within this, what words() returns is said when a signal ends the program."""
    before, _state.words = _state.words, words
    try:
        yield
    finally:
        _state.words = before


@contextmanager
def raising() -> Iterator[None]:
    """Within this, the first signal raises KeyboardInterrupt instead, for work that has something to put away."""
    before, _state.raises = _state.raises, True
    try:
        yield
    finally:
        _state.raises = before


def hold() -> None:
    """The video is about to stand under its name: signals wait until `release`, for what is left takes a moment."""
    _state.held.add(get_ident())


def release() -> None:
    """Other work begins: a signal that has waited ends the program now."""
    _state.held.discard(get_ident())
    if _state.waiting and not _state.held:
        _leave()


def _arrived(number: int, frame: FrameType | None) -> None:
    if _state.raises:
        _state.raises = False  # whoever asks a second time does not want to wait
        raise KeyboardInterrupt
    if _state.held:
        _state.waiting = True
    else:
        _leave()


def _leave() -> None:
    with suppress(ValueError):  # not in the main thread
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
    try:
        # a bar of progress hides the cursor
        shown = "\x1b[?25h\n" if sys.stderr is not None and sys.stderr.isatty() else ""
        with suppress(OSError):  # nobody may be there to read: a terminal that was closed, a full disk
            os.write(2, f"{shown}{_state.words()}\n".encode(_encoding(), "backslashreplace"))
        for end in _state.ends:
            end()
    finally:
        os._exit(CODE)


def _encoding() -> str:
    return getattr(sys.stderr, "encoding", None) or "utf-8"
