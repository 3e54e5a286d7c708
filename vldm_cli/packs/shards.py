"""Weights in several files, and the index of which tensor lies in which: `….safetensors.index.json`, as diffusers
and transformers write it. No torch.

An index is a stranger's word: what it names are safetensors files beside it and nothing else, and what it says of them
must be so.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from vldm_cli.packs.files import Unusable
from vldm_cli.packs.values import only_known, shown

INDEX = ".index.json"
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.safetensors")
_PICKLE = re.compile(r".*\.(bin|pt|pth|ckpt)")
_MOST_FILES, _MOST_TENSORS, _LONGEST = 1000, 100_000, 1000


def index_names(weights: str) -> tuple[str, ...]:
    """What the index may be called of weights that would be `weights` in one file: "model.fp16.safetensors" has a word
    for its number format, which libraries have put in two places."""
    base, _, ending = weights.rpartition(".")
    stem, dot, variant = base.rpartition(".")
    plain = (f"{weights}{INDEX}",)
    return (f"{stem}.{ending}.index.{variant}.json", *plain) if dot else plain


def is_index(file: str) -> bool:
    """Whether a file is one, by its name."""
    return re.search(r"\.index(\.[a-z0-9]+)?\.json$", file) is not None


def read_index(table: Any) -> dict[str, str]:
    """Tensor → file beside the index, of what an index holds. Raises Unusable."""
    try:
        if not isinstance(table, dict):
            raise ValueError(f"it must be a table, not {shown(table)}")
        only_known(table, ("metadata", "weight_map"))
        where = table.get("weight_map")
        if not isinstance(where, dict) or not 0 < len(where) <= _MOST_TENSORS:
            raise ValueError("weight_map must be a table of tensors and their files")
        for name, file in where.items():
            if isinstance(file, str) and _PICKLE.fullmatch(file):
                raise ValueError(f"it names a pickle, {shown(file)}; use a copy in safetensors")
            if not isinstance(file, str) or not _FILE.fullmatch(file) or len(name) > _LONGEST:
                raise ValueError(
                    f"{shown(name)} must lie in a .safetensors file beside it, not in {shown(file)}"
                )
        if len(set(where.values())) > _MOST_FILES:
            raise ValueError(f"it names more than {_MOST_FILES} files")
    except ValueError as error:
        raise Unusable(f"is no usable index of weights: {error}") from error
    return where


def beside(index: str, table: Any) -> tuple[str, ...]:
    """The files of an index by their names where it is called `index`, each once. Raises Unusable."""
    folder = PurePosixPath(index).parent
    return tuple(sorted({str(folder / file) for file in read_index(table).values()}))


def check_shards(where: Mapping[str, str], held: Sequence[tuple[str, Sequence[str]]]) -> None:
    """That files hold the tensors that an index says, each one and no other. held: (file, its tensors). Raises Unusable
    of the index."""
    found = {(name, file) for file, names in held for name in names}
    said = set(where.items())
    lacking, more = min(said - found, default=None), min(found - said, default=None)
    if lacking:
        raise Unusable(f"says that {shown(lacking[0])} lies in {shown(lacking[1])}, which is not so")
    if more:
        raise Unusable(f"names {shown(more[1])}, which holds {shown(more[0])} too, of which it says nothing")
