"""Work that goes on while its results are used: a generator in a thread of its own, and noise drawn beforehand."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event, Semaphore, Thread
from typing import TypeVar

import torch
from torch import Tensor

from vldm_cli.denoise.noise import draw

Item = TypeVar("Item")

# Bytes of noise that wait for their turn.
_WAITING = 2**29


def ahead(items: Iterator[Item], count: int) -> Iterator[Item]:
    """The same items, made in a thread of its own, up to `count` before they are asked for; 0: without a thread.

    What `items` raises is raised here. When this generator is closed, the thread has ended and `items` is closed.
    """
    if count < 1:
        yield from items
        return
    made: SimpleQueue[tuple[bool, object]] = SimpleQueue()
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
            good, item = made.get()
            if not good:
                if isinstance(item, StopIteration):
                    return
                raise item
            free.release()
            yield item
            del item  # or it would wait here while the next one is made
    finally:
        stopped.set()
        free.release()
        thread.join()


def drawn(
    seed: int, stage: str, frames: range, shape: tuple[int, ...], device: torch.device
) -> Iterator[Tensor]:
    """Each frame's noise (`denoise.noise`) on the device, in order; several are drawn at a time, before they are
    asked for, as many as there are processors and half a GiB of memory for."""
    threads = torch.get_num_threads()
    size = 4 * torch.Size(shape).numel()
    waiting: deque[tuple[Tensor, Future]] = deque()
    pool = ThreadPoolExecutor(threads, "noise")
    try:
        for frame in frames:
            # Pinned: the copy to the GPU is fast then, and nothing here waits for it.
            noise = torch.empty(shape, pin_memory=device.type == "cuda")
            waiting.append((noise, pool.submit(draw, noise, seed, stage, frame)))
            if len(waiting) > min(threads, max(1, _WAITING // size)):
                yield _arrived(*waiting.popleft(), device)
        while waiting:
            yield _arrived(*waiting.popleft(), device)
    finally:
        pool.shutdown(cancel_futures=True)


def _arrived(noise: Tensor, drawing: Future, device: torch.device) -> Tensor:
    drawing.result()
    return noise.to(device, non_blocking=True)
