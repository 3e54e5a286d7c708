"""By which code a run is computed: two checkouts may say the same version and make other frames. No torch."""

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import vldm_cli


@cache
def code() -> str | None:
    """A hash of the package's own sources, wherever it was imported from; None where they cannot be read."""
    try:
        return hash_of(files(vldm_cli))
    except (OSError, TypeError, ValueError):  # whoever imports it in a way of their own need not show them
        return None


def hash_of(package: Traversable) -> str | None:
    """Of the files of Python in a folder or an archive, and below; None where there are none."""
    found = sorted(_sources(package))
    digest = hashlib.sha256()
    for name, text in found:
        digest.update(f"{name}\0{len(text)}\0".encode("utf-8", "surrogatepass") + text)
    return digest.hexdigest() if found else None


def _sources(folder: Traversable, above: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        name = f"{above}{entry.name}"
        if entry.is_dir():
            yield from _sources(entry, f"{name}/")
        elif name.endswith(".py"):
            yield name, entry.read_bytes()
