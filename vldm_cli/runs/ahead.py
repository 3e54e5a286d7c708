"""Work that goes on while its results are used: a generator in a thread of its own."""

from collections.abc import Generator, Iterator
from queue import SimpleQueue
from threading import Event, Semaphore, Thread
from typing import Literal, TypeVar

import torch

Item = TypeVar("Item")


def ahead(items: Iterator[Item], count: int) -> Generator[Item, None, None]:
    """The same items, made in a thread of its own, up to `count` before they are asked for; 0: without a thread.

    What `items` raises is raised here. When this generator is closed, the thread has ended and `items` is closed.
    """
    if count < 1:
        yield from items
        return
    made: SimpleQueue[tuple[Literal[True], Item] | tuple[Literal[False], BaseException]] = SimpleQueue()
    free, stopped = Semaphore(count), Event()
    inference = torch.is_inference_mode_enabled()

    def work() -> None:
        try:
            with torch.inference_mode(inference):  # which a thread does not inherit
                while free.acquire() and not stopped.is_set():
                    made.put((True, next(items)))
        except BaseException as error:  # whatever it is, it belongs to who takes the items
            made.put((False, error))
        finally:
            if hasattr(items, "close"):
                items.close()

    thread = Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            took = made.get()
            if not took[0]:
                if isinstance(took[1], StopIteration):
                    return
                raise took[1]
            free.release()
            yield took[1]
            del took  # or it would wait here while the next one is made
    finally:
        stopped.set()
        free.release()
        thread.join()
