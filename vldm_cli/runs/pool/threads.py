"""How many threads each of several workers on one machine has. No torch where that can be: they are begun before it is
imported."""

import os
from pathlib import Path

CPUS = Path("/sys/devices/system/cpu")


def share_of_threads(workers: int) -> int:
    """Threads of each of so many workers on this machine's CPU: what OMP_NUM_THREADS says, or else its share of those
    that torch has."""
    if os.environ.get("OMP_NUM_THREADS", "").isdigit():
        return max(1, int(os.environ["OMP_NUM_THREADS"]))
    return max(1, _threads() // workers)


def _threads() -> int:
    """As many as torch begins with: a thread for each core, unless something else tells it."""
    cores = None if os.environ.get("MKL_NUM_THREADS") else cores_of(CPUS)
    if cores is None:
        import torch

        return torch.get_num_threads()
    return cores


def cores_of(folder: Path) -> int | None:
    """The cores, not counting one twice that runs two threads, which this process may use; None where the system does
    not tell. folder: where Linux tells of each."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    found = set()
    for cpu in os.sched_getaffinity(0):
        try:
            about = folder / f"cpu{cpu}" / "topology"
            found.add(tuple((about / name).read_text() for name in ("physical_package_id", "core_id")))
        except OSError:
            return None
    return len(found)
