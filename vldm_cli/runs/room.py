"""How much memory there is for a process. No torch."""

import os
import re
from pathlib import Path

LIMIT, TABLE = Path("/sys/fs/cgroup/memory.max"), Path("/proc/meminfo")


def memory() -> int | None:
    """Bytes of memory that this process may have: the machine's, or less in a container; None if unknown."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return None
    text = LIMIT.read_text(encoding="ascii").strip() if LIMIT.exists() else "max"
    return min(total, int(text)) if text.isdigit() else total


def host_bytes() -> int | None:
    """The same, and what can be put on the disk meanwhile."""
    total = memory()
    if total is None:
        return None
    text = TABLE.read_text(encoding="utf-8", errors="replace") if TABLE.exists() else ""
    swap = re.search(r"^SwapTotal:\s+(\d+) kB", text, re.MULTILINE)
    return total + (int(swap.group(1)) * 1024 if swap else 0)
