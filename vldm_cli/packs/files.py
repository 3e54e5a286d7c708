"""Reading files of a pack that a stranger made: nothing outside its folder, nothing without a bound, one kind of error.

No torch. Every function raises `Unusable`, whose message goes behind the file's name.
"""

import json
import stat
import tomllib
from dataclasses import dataclass
from math import prod
from pathlib import Path

from vldm_cli.packs.values import shown

# Larger than any such file of a public checkpoint: tokenizers are the longest (2 to 4 MB), headers shorter (0.3 MB).
MOST_TEXT = 16 * 2**20
MOST_HEADER = 8 * 2**20
ITEM_BYTES = {
    "BOOL": 1,
    **dict.fromkeys(("U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64"), 8),
}
_MOST_DIMENSIONS = 16


class Unusable(ValueError):
    """What is wrong with a file of a pack, in words that go behind its name."""


class Truncated(Unusable):
    """The file is shorter than what it says it holds."""


@dataclass(frozen=True)
class Entry:
    """One tensor of a safetensors file, as its header has it; offsets count from the header's end."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    """The header of a safetensors file."""

    tensors: dict[str, Entry]
    metadata: dict[str, str]


def inside(folder: Path, relative: str, links: bool = False) -> Path:
    """That regular file of the folder; links: those that lead out of it are followed. Raises Unusable when it is
    missing, no regular file, or lies elsewhere."""
    path = folder / relative
    try:
        real, root = path.resolve(strict=True), folder.resolve(strict=True)
        mode = real.stat().st_mode
    except FileNotFoundError:
        raise Unusable("is missing") from None
    except (OSError, RuntimeError, ValueError) as error:  # loops of links, names that no file can have
        raise Unusable(f"cannot be reached ({_reason(error)})") from error
    if not links and not real.is_relative_to(root):
        raise Unusable("leads out of the pack's folder")
    if not stat.S_ISREG(mode):
        raise Unusable("is missing: there is something else in its place, which is no file")
    return path


def read_text(path: Path, most: int = MOST_TEXT) -> str:
    """A text in UTF-8 of at most so many bytes."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise Unusable(f"is larger than {most >> 10} KiB, more than such a file holds")
        return data.decode()
    except OSError as error:
        raise Unusable(f"cannot be read ({_reason(error)})") from error
    except UnicodeDecodeError as error:
        raise Unusable("is no text in UTF-8") from error


def parse(parser, text: str):
    """What a parser (`json.loads`, `tomllib.loads`) makes of a text."""
    try:
        return parser(text)
    except RecursionError as error:
        raise Unusable("is nested too deeply") from error
    except ValueError as error:
        kind = "TOML" if parser is tomllib.loads else "JSON"
        raise Unusable(f"is no {kind} ({_reason(error)})") from error


def read_json(path: Path):
    """What a JSON file holds."""
    return parse(json.loads, read_text(path))


def read_header(path: Path) -> Header:
    """The header of a safetensors file, checked against the file's size: its tensors lie one behind the other, as many
    bytes each as its type and shape need, to the file's end. Nothing else of the file is read."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            start = file.read(8)
            length = int.from_bytes(start, "little")
            if len(start) < 8 or length > size - 8:
                raise Truncated("is truncated")
            if length > MOST_HEADER:
                raise Unusable(f"has a header of {length >> 20} MiB, more than any such file needs")
            raw = file.read(length)
    except OSError as error:
        raise Unusable(f"cannot be read ({_reason(error)})") from error
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise Unusable("has a header that is no text in UTF-8") from error
    try:
        table = parse(json.loads, text)
    except Unusable as error:
        raise Unusable(f"has a header that {error}") from error
    if not isinstance(table, dict):
        raise Unusable("has a header that is no table of tensors")
    metadata = table.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise Unusable("has metadata that are no table of texts")
    header = Header({name: _entry(name, entry) for name, entry in table.items()}, metadata)
    ends = [0]
    for entry in sorted(header.tensors.values(), key=lambda entry: (entry.begin, entry.end)):
        if entry.begin != ends[-1]:
            raise Unusable("has tensors that overlap or lie apart")
        ends.append(entry.end)
    held = size - 8 - length
    if ends[-1] > held:
        raise Truncated("is truncated")
    if ends[-1] < held:
        raise Unusable(f"holds {held - ends[-1]} bytes more than its tensors")
    return header


def _entry(name: str, entry) -> Entry:
    if not isinstance(entry, dict):
        raise Unusable(f"has a header without a description of {shown(name)}")
    dtype, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise Unusable(f"holds {shown(name)} in the unknown type {shown(dtype)}")
    sizes, ends = _sizes(shape), _sizes(offsets)
    if sizes is None or len(sizes) > _MOST_DIMENSIONS or ends is None or len(ends) != 2:
        raise Unusable(f"has no usable shape or offsets of {shown(name)}")
    begin, end = ends
    if end - begin != prod(sizes) * ITEM_BYTES[dtype]:
        raise Unusable(f"has offsets of {shown(name)} that are not of its shape")
    return Entry(dtype, sizes, begin, end)


def _sizes(values: object) -> tuple[int, ...] | None:
    whole = isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values)
    return tuple(values) if isinstance(values, list) and whole else None


def _reason(error: Exception) -> str:
    """The first line of what another library says, without anything that does something to a terminal."""
    words = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return shown(words.splitlines()[0])
