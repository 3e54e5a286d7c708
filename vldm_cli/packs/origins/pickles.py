"""Weights in pickles (.ckpt, .pt, .pth, .bin): read by torch's weights-only loader alone, which runs nothing that is in
them, and kept as safetensors in the user's cache folder, so that this happens once."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from vldm_cli.packs.files import Unusable
from vldm_cli.packs.origins.digests import digest
from vldm_cli.packs.origins.home import cache_folder
from vldm_cli.packs.values import shown

if TYPE_CHECKING:
    from torch import Tensor

PICKLES = (".ckpt", ".pt", ".pth", ".bin")
# What programs wrap a table of weights in.
_WRAPPERS = ("state_dict", "controlnet", "model_state_dict", "params_ema", "params-ema", "params")
# How much larger than the pickle its weights may be: tensors can share their numbers there.
_MOST = 2
_TYPES = {
    "torch.float64": "F64",
    "torch.float32": "F32",
    "torch.float16": "F16",
    "torch.bfloat16": "BF16",
    "torch.int64": "I64",
    "torch.int32": "I32",
    "torch.int16": "I16",
    "torch.int8": "I8",
    "torch.uint8": "U8",
    "torch.bool": "BOOL",
}


def is_pickle(path: Path) -> bool:
    """Whether a file is one, by its name."""
    return path.suffix.lower() in PICKLES


def converted(path: Path) -> tuple[Path, str]:
    """(the safetensors file of a pickle's weights, what to tell of it: "" where it has been there before). Raises
    Unusable where the pickle cannot be read, needs more than weights, or its weights cannot be kept."""
    try:
        kept = cache_folder() / "converted" / f"{digest(path)}.safetensors"
    except OSError as error:
        raise Unusable(f"cannot be read ({error.strerror})") from error
    if kept.is_file():
        return kept, ""
    tensors, told = read_pickle(path)
    _check(path, tensors)
    temporary = kept.with_name(f".{kept.name}.{os.getpid()}.tmp")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        _write(temporary, tensors, told)
        os.replace(temporary, kept)
    except OSError as error:
        raise Unusable(
            f"is a pickle, whose weights cannot be kept in {kept.parent} ({error.strerror}); set XDG_CACHE_HOME to a "
            "folder with room"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    return kept, f"{path.name} is a pickle: its weights, and nothing else of it, were read and kept as {kept}"


def read_pickle(path: Path, meta: bool = False) -> tuple[dict[str, "Tensor"], dict[str, str]]:
    """(the tensors of a pickle by name, its texts); meta: their shapes alone. Tables within the table have a dot in
    their tensors' names. Raises Unusable where it cannot be read or needs more than weights."""
    import torch

    try:
        try:
            table = torch.load(path, "meta" if meta else "cpu", weights_only=True, mmap=not meta)
        except RuntimeError as error:
            if "mmap" not in str(error):  # an old kind of file, which is read whole
                raise
            table = torch.load(path, "cpu", weights_only=True)
    except (
        Exception
    ) as error:  # torch has a dozen kinds for files that are none, and one for pickles that run code
        reason = shown((str(error).splitlines() or [type(error).__name__])[0])
        if needs := re.search(r"GLOBAL (\S+)", str(error)):
            reason = f"it needs {shown(needs[1])}, which is no weight"
        raise Unusable(
            f"cannot be read with torch's weights-only loader ({reason}); use a safetensors file"
        ) from error
    while isinstance(table, dict) and (inner := next(filter(table.get, _WRAPPERS), None)):
        if not isinstance(table[inner], dict):
            break
        table = table[inner]
    if not isinstance(table, dict):
        raise Unusable("holds no table of weights; use a safetensors file")
    return dict(_tensors(table)), {str(k): v for k, v in table.items() if isinstance(v, str)}


def _tensors(table: dict) -> Iterator[tuple[str, "Tensor"]]:
    import torch

    for name, value in table.items():
        # textual inversions of other programs keep a table within the table
        for rest, tensor in value.items() if isinstance(value, dict) else [("", value)]:
            if isinstance(tensor, torch.Tensor):
                yield f"{name}.{rest}".strip("."), tensor


def _check(path: Path, tensors: dict[str, "Tensor"]) -> None:
    """Raises Unusable for tensors that no file of weights holds, or that would be larger than what was read."""
    import torch

    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or str(tensor.dtype) not in _TYPES:
            raise Unusable(
                f"holds {shown(name)} in a form that weights are not kept in; use a safetensors file"
            )
    if sum(tensor.nbytes for tensor in tensors.values()) > _MOST * path.stat().st_size:
        raise Unusable("is a pickle whose weights are larger than itself; use a safetensors file")


def _write(path: Path, tensors: dict[str, "Tensor"], told: dict[str, str]) -> None:
    """A safetensors file, written tensor after tensor: safetensors' own writer wants all of them in memory, twice."""
    import torch

    table: dict[str, object] = {"__metadata__": told} if told else {}
    end = 0
    for name, tensor in tensors.items():
        offsets = [end, end + tensor.nbytes]
        table[name] = {
            "dtype": _TYPES[str(tensor.dtype)],
            "shape": list(tensor.shape),
            "data_offsets": offsets,
        }
        end = offsets[1]
    header = json.dumps(table).encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for tensor in tensors.values():
            file.write(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
