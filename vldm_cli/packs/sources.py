"""Weights in a file, or in several: their headers compared with what a model wants, before a byte of weights is read;
then their numbers looked at, and read a stretch at a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from vldm_cli.packs.files import Entry, Header, Unusable
from vldm_cli.packs.shards import check_shards
from vldm_cli.packs.values import shown
from vldm_cli.packs.weight_file import WeightFile

STRETCH = 2**27
# The types in which a file may hold what a model computes with; anything else must be of the model's own type.
_FLOATS = ("F16", "BF16", "F32", "F64")
_TURNED = "turned"  # among the cuts of a piece
_WHOLE = {torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL"}


@dataclass(frozen=True)
class Piece:
    """A tensor of a file, or what of it is wanted, before it is read: name in the file, type, and the shape after
    `cuts`, one index behind the other; file: which of several. What converts names and shapes is given these in place
    of tensors."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    cuts: tuple = ()
    file: int = 0

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, cut) -> "Piece":
        shape = torch.empty(self.shape, device="meta")[cut].shape
        return replace(self, shape=tuple(shape), cuts=(*self.cuts, cut))

    @property
    def T(self) -> "Piece":
        """Of a matrix, rows for columns."""
        return replace(self, shape=self.shape[::-1], cuts=(*self.cuts, _TURNED))

    def clone(self) -> "Piece":
        return self

    detach = contiguous = clone

    def of(self, tensor: Tensor) -> Tensor:
        """The same of the tensor itself."""
        for cut in self.cuts:
            tensor = tensor.T if cut == _TURNED else tensor[cut]
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
    """Weights in files: `prefix` + the names of `pieces` are those of the model's state. remark: what is to be told of
    them. changes: of weights, by these names, as they are read. Make one with `Source.of` or `Source.of_shards`."""

    files: tuple[WeightFile, ...]
    prefix: str
    pieces: Mapping[str, Piece]
    remark: str = ""
    changes: Mapping[str, Change] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path, prefix: str = "", convert: Convert | None = None) -> "Source":
        """Of one file. Raises Unusable where it cannot be one."""
        return cls._of((WeightFile.of(path),), prefix, convert)

    @classmethod
    def of_shards(
        cls, where: Mapping[str, str], paths: Sequence[Path], prefix: str = "", convert: Convert | None = None
    ) -> "Source":
        """Of several, which hold what their index says (`shards.read_index`). Raises Unusable."""
        files = []
        for path in paths:
            try:
                files.append(WeightFile.of(path))
            except Unusable as error:
                raise Unusable(f"names {path.name}, which {error}") from error
        check_shards(
            where, [(path.name, list(f.header.tensors)) for path, f in zip(paths, files, strict=True)]
        )
        return cls._of(tuple(files), prefix, convert)

    @classmethod
    def _of(cls, files: tuple[WeightFile, ...], prefix: str, convert: Convert | None) -> "Source":
        pieces = {
            name: Piece(name, entry.dtype, entry.shape, file=i)
            for i, file in enumerate(files)
            for name, entry in file.header.tensors.items()
        }
        return cls(files, prefix, pieces if convert is None else dict(convert(pieces)))

    @property
    def header(self) -> Header:
        """Of weights in one file, such as temporal layers and LoRAs."""
        return self.files[0].header

    def tensors(self, device: torch.device | str, dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
        """All of it, one after the other, floating point in `dtype`. Raises RunError where a file is no longer what
        it was, and MemoryError."""
        for weights, some in self._stretches():
            # opened anew for each: pages that were read count as the process's memory until the file is closed
            with weights.opened() as file:
                for name in some:
                    piece = self.pieces[name]
                    tensor = piece.of(file.get_tensor(piece.name))
                    if name in self.changes:
                        tensor = self.changes[name](tensor.float())
                    # always a copy: what is mapped would change with the file, or end the process if it is cut short
                    yield self.prefix + name, _copied(tensor, device, dtype)

    def read(self, name: str) -> Tensor:
        """One tensor in float32, without `prefix`. Raises as `tensors` does."""
        piece = self.pieces[name]
        with self.files[piece.file].opened() as file:
            return _copied(piece.of(file.get_tensor(piece.name)), "cpu", torch.float32)

    def check_numbers(self) -> None:
        """As `WeightFile.check_numbers`, of every file."""
        for file in self.files:
            file.check_numbers()

    def is_sound(self) -> bool:
        """As `WeightFile.is_sound`, of all files."""
        return all(file.is_sound() for file in self.files)

    def _stretches(self) -> Iterator[tuple[WeightFile, list[str]]]:
        """The names in each file, as many at a time as are STRETCH bytes in it."""
        for i, file in enumerate(self.files):
            some, size = [], 0
            for name, piece in self.pieces.items():
                if piece.file != i:
                    continue
                some.append(name)
                entry = file.header.tensors[piece.name]
                size += entry.end - entry.begin
                if size >= STRETCH:
                    yield file, some
                    some, size = [], 0
            if some:
                yield file, some


def _copied(tensor: Tensor, device: torch.device | str, dtype: torch.dtype) -> Tensor:
    dtype = dtype if tensor.is_floating_point() else tensor.dtype
    return tensor.to(device, dtype, copy=True, memory_format=torch.contiguous_format)
