"""Running out of memory: recognising it, trying again with less at once, and how much a run has used."""

import ctypes
import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import torch

from vldm_cli.errors import RequestError, ran_out
from vldm_cli.runs.here import here
from vldm_cli.runs.room import host_bytes

Item = TypeVar("Item")
Made = TypeVar("Made")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that device or host memory ran out."""
    return ran_out(error) == "memory"


def in_halves(run: Callable[[Sequence[Item]], list[Made]], items: Sequence[Item]) -> list[Made]:
    """run(items), or when memory runs out, of each half of them, down to single items; those raise."""
    try:
        return run(items)
    except (RuntimeError, MemoryError) as error:
        if len(items) == 1 or not is_out_of_memory(error):
            raise
    # Out of the except block: the exception would keep the tensors of every frame of its traceback alive.
    give_back()
    middle = len(items) // 2
    return in_halves(run, items[:middle]) + in_halves(run, items[middle:])


def first_that_fits(*ways: Callable[[], Made]) -> Made:
    """What the first of these ways to make one thing gives for which memory suffices; the last one raises."""
    try:
        return ways[0]()
    except (RuntimeError, MemoryError) as error:
        if len(ways) == 1 or not is_out_of_memory(error):
            raise
    give_back()
    return first_that_fits(*ways[1:])


def give_back() -> None:
    """Frees what nothing refers to any more, and gives a GPU's memory that is of no use now to who else wants it."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def keep_freed_memory() -> bool:
    """Asks glibc to reuse freed memory instead of giving it back and fetching it again, page by page; whether it did.

    On a CPU each layer's output is tens of MB, which glibc maps anew every time: the upscaler spent half of its time
    on page faults. What a window needs is freed for the next one, so the peak stays about what it was.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return False
    M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1))


def fetch_memory(most: int) -> None:
    """Has this process fetch memory now, in one piece, until it has held `most` bytes; only where freed memory
    is kept. Where there is not so much, the stage that needs it will say so.

    Layers' outputs do not always fit where the last ones were: glibc seems to cut what is left over of aligned blocks
    into small ones for whoever asks next (with these caches off, equal runs agreed). What the heap grew by for that
    differed by a fifth between equal runs, and the longer the run the more; out of one large piece the peak is the same
    in each run and from the first window on.
    """
    missing = most - (peak_bytes(torch.device("cpu")) or most)
    if missing <= 0 or not keep_freed_memory():
        return
    try:
        torch.empty(missing, dtype=torch.uint8).fill_(1)  # a page is the process's once it is written to
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise


def free_bytes(device: torch.device) -> int | None:
    """What a GPU has to give, with what this process holds of it unused; None of other devices."""
    if device.type != "cuda":
        return None
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + unused


def check_free(needed: int, device: torch.device, remedy: str) -> None:
    """Raises RequestError where a run that needs so many bytes, by its plan, has by far not so many free on a GPU."""
    free = free_bytes(device)
    # an estimate is one, and where memory runs out work is cut smaller
    if free is not None and needed > 1.25 * free:
        raise RequestError(
            f"this needs about {needed / 2**30:.1f} GiB of memory and {device} has {free / 2**30:.1f} free; {remedy}"
        )


def check_fits(needed: int, device: torch.device, remedy: str) -> None:
    """Raises RequestError where a run that needs so many bytes, by its plan, is beyond all bounds of the device; asked
    by the process that computes, since the device is its machine's."""
    there = host_bytes()
    if device.type == "cuda":
        there = torch.cuda.get_device_properties(device).total_memory
    # An estimate is one, and where memory is short work is cut smaller: only what is out of the question is refused.
    if there is not None and needed > 2 * there:
        where = f"{device} of {here.machine}" if here.machine else f"{device}"
        raise RequestError(
            f"this needs about {needed / 2**30:,.0f} GiB of memory and {where} has {there / 2**30:.1f}; {remedy}"
        )


def reset_peak(device: torch.device) -> None:
    """A new measurement begins (on GPUs; a process's own peak cannot be reset)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_bytes(device: torch.device) -> int | None:
    """The most memory in use at once: of the GPU, or else of this process; None where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        # Linux' own figure: what getrusage tells begins with the peak of the process that started this one
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
