"""How a process of vldm's own imports what is large. No torch."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module


@contextmanager
def uncollected() -> Iterator[None]:
    """Within this Python looks for no garbage, and afterwards never among what there is by then.

    Importing torch, diffusers and transformers makes half a million objects, nearly all of which stay. Python looks
    through them again and again as their number grows, which is a ninth of the time that a command takes to start.
    For processes that end with their work: objects of other programs are not ours to keep.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # or the first objects after this would have all of them looked through, three times over
        if collects:
            gc.enable()


def bring(name: str) -> None:
    """Imports that module in this way, where it is not there yet."""
    if name not in sys.modules:
        with uncollected():
            import_module(name)
