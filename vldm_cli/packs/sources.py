"""A file of weights: its header compared with what a model wants, before a byte of weights is read; then its numbers
looked at, and read a stretch at a time."""

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vldm_cli.errors import RequestError, RunError
from vldm_cli.packs.files import Entry, Header, read_header
from vldm_cli.packs.values import shown

STRETCH = 2**27
# The types in which a file may hold what a model computes with; anything else must be of the model's own type.
_FLOATS = ("F16", "BF16", "F32", "F64")
_NUMBERS = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64}
# Files whose numbers have been looked at, as they were then: one of all parts of a checkpoint is read for each of them.
_SOUND: set[tuple[Path, tuple]] = set()
_AT_ONCE = 16 * 2**20  # bytes
_WHOLE = {torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL"}


@dataclass(frozen=True)
class Piece:
    """A tensor of a file, or what of it is wanted, before it is read: name in the file, type, and the shape after
    `cuts`, one index behind the other. What converts names and shapes is given these in place of tensors."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    cuts: tuple = ()

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, cut) -> "Piece":
        shape = torch.empty(self.shape, device="meta")[cut].shape
        return replace(self, shape=tuple(shape), cuts=(*self.cuts, cut))

    def clone(self) -> "Piece":
        return self

    detach = contiguous = clone

    def of(self, tensor: Tensor) -> Tensor:
        """The same of the tensor itself."""
        for cut in self.cuts:
            tensor = tensor[cut]
        return tensor


Convert = Callable[[dict[str, Piece]], Mapping[str, Piece]]
"""A file's tensors by its own names → by the model's; what is no weight is left out. Raises Unusable."""

Change = Callable[[Tensor], Tensor]
"""A weight in float32 → what it is to be."""


def differing(found: Mapping[str, Entry | Piece], wanted: Mapping[str, Tensor]) -> str | None:
    """How the tensors of a file differ from those that a model wants, in words behind "it"; None if they do not."""
    for name, tensor in wanted.items():
        entry = found.get(name)
        if entry is None:
            return f"lacks {shown(name)}"
        if entry.shape != tuple(tensor.shape):
            return f"has {shown(name)} of shape {list(entry.shape)} and not {list(tensor.shape)}"
        right = _FLOATS if tensor.is_floating_point() else (_WHOLE.get(tensor.dtype),)
        if entry.dtype not in right:
            return f"has {shown(name)} in the type {entry.dtype}, which weights are not kept in"
    unknown = min(found.keys() - wanted.keys(), default=None)
    return None if unknown is None else f"has {shown(unknown)}, which no such model has"


@dataclass(frozen=True)
class Source:
    """A file of weights: `prefix` + the names of `pieces` are those of the model's state. remark: what is to be told of
    it. changes: of weights, by these names, as they are read. Make one with `Source.of`."""

    path: Path
    header: Header
    prefix: str
    state: tuple
    pieces: Mapping[str, Piece]
    remark: str = ""
    changes: Mapping[str, Change] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path, prefix: str = "", convert: Convert | None = None) -> "Source":
        """Raises Unusable where the file cannot be one."""
        header, state = read_header(path), file_state(path)
        pieces = {name: Piece(name, entry.dtype, entry.shape) for name, entry in header.tensors.items()}
        return cls(path, header, prefix, state, pieces if convert is None else dict(convert(pieces)))

    def tensors(self, device: torch.device | str, dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
        """All of it, one after the other, floating point in `dtype`. Raises RunError where the file is no longer what
        it was, and MemoryError."""
        for some in self._stretches():
            # opened anew for each: pages that were read count as the process's memory until the file is closed
            with self._opened() as file:
                for name in some:
                    piece = self.pieces[name]
                    tensor = piece.of(file.get_tensor(piece.name))
                    if name in self.changes:
                        tensor = self.changes[name](tensor.float())
                    # always a copy: what is mapped would change with the file, or end the process if it is cut short
                    yield self.prefix + name, _copied(tensor, device, dtype)

    def read(self, name: str) -> Tensor:
        """One tensor in float32, without `prefix`. Raises as `tensors` does."""
        with self._opened() as file:
            piece = self.pieces[name]
            return _copied(piece.of(file.get_tensor(piece.name)), "cpu", torch.float32)

    def _stretches(self) -> Iterator[list[str]]:
        """The names, as many at a time as are STRETCH bytes in the file."""
        some, size = [], 0
        for name, piece in self.pieces.items():
            some.append(name)
            entry = self.header.tensors[piece.name]
            size += entry.end - entry.begin
            if size >= STRETCH:
                yield some
                some, size = [], 0
        if some:
            yield some

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        gone = f"{self.path} has changed since it was checked"
        try:
            if file_state(self.path) != self.state:
                raise RunError(gone)
            with safe_open(os.fspath(self.path), framework="pt") as file:
                yield file
        except (OSError, SafetensorError) as error:
            if getattr(error, "errno", None) == errno.ENOMEM or "os error 12" in str(error):
                raise MemoryError(str(error)) from error
            raise RunError(f"{gone} ({shown(str(error))})") from error

    def check_numbers(self) -> None:
        """Raises RequestError where weights are NaN or infinite: every frame made with them would be of one colour.
        Otherwise as `is_sound`."""
        if not self.is_sound():
            what = f"{self.path} holds weights that are no finite numbers"
            raise RequestError(f"{what}; train that part again or install the pack again")

    def is_sound(self) -> bool:
        """Whether all weights are finite numbers. One pass over the file; 24 million weights take some 0.02 s. RunError
        when it cannot be read any more."""
        if (self.path, self.state) in _SOUND:
            return True
        held = bytearray(_AT_ONCE)
        try:
            with self.path.open("rb") as file:
                start = 8 + int.from_bytes(file.read(8), "little")
                for dtype, begin, end in _stretches(self.header):
                    file.seek(start + begin)
                    for at in range(begin, end, _AT_ONCE):
                        size = file.readinto(memoryview(held)[: min(_AT_ONCE, end - at)])
                        numbers = torch.frombuffer(held, dtype=dtype, count=size // dtype.itemsize)
                        if not torch.stack(torch.aminmax(numbers)).isfinite().all():
                            return False
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path} has changed since it was checked ({shown(str(error))})") from error
        _SOUND.add((self.path, self.state))
        return True


def _stretches(header: Header) -> Iterator[tuple[torch.dtype, int, int]]:
    """(type, begin, end) of neighbours of one floating point type, in bytes from the header's end."""
    entries = sorted(header.tensors.values(), key=lambda entry: entry.begin)
    for kind, those in groupby(entries, key=lambda entry: entry.dtype):
        near = list(those)
        if kind in _NUMBERS and near[0].begin < near[-1].end:
            yield _NUMBERS[kind], near[0].begin, near[-1].end


def _copied(tensor: Tensor, device: torch.device | str, dtype: torch.dtype) -> Tensor:
    dtype = dtype if tensor.is_floating_point() else tensor.dtype
    return tensor.to(device, dtype, copy=True, memory_format=torch.contiguous_format)


def file_state(path: Path) -> tuple:
    """What tells whether a file is still the same. Raises RunError where it has gone."""
    try:
        stat = path.stat()
    except OSError as error:
        raise RunError(f"{path} has gone since it was checked ({error.strerror})") from error
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
