"""Configurations of public checkpoints, which vldm brings along: nothing is ever fetched for a single file of weights.

One JSON file for each: a table for each part of it, by its role ("unet", "vae", "text", "tokenizer", "schedule",
"low_schedule", "keyframes", "context", "decoder", "eyes"), as diffusers and transformers spell them, or the name of
another file that has the same. No torch.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from vldm_cli.packs.files import Unusable
from vldm_cli.packs.values import shown


@cache
def names() -> tuple[str, ...]:
    """All there are."""
    here = files(__package__).iterdir()
    return tuple(sorted(file.name.removesuffix(".json") for file in here if file.name.endswith(".json")))


def roles(name: str) -> tuple[str, ...]:
    """What that configuration is of. Raises Unusable where there is none of that name."""
    return tuple(_read(name))


def read(name: str, role: str) -> dict[str, Any]:
    """A table of its own. Raises Unusable, in words that go behind "it", where there is none of that name and role."""
    table = _read(name).get(role)
    if table is None:
        having = ", ".join(other for other in names() if role in _read(other))
        raise Unusable(f"has the configuration {name}, which is none for it; use one of {having}")
    return read(table, role) if isinstance(table, str) else dict(table)


@cache
def _read(name: str) -> dict[str, Any]:
    if name not in names():
        raise Unusable(f"has the unknown configuration {shown(name)}; use one of {', '.join(names())}")
    return json.loads(files(__package__).joinpath(f"{name}.json").read_text())
