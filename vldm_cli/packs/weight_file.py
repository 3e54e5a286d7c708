"""One safetensors file: its header, its numbers looked at once, and its tensors as long as it is what it was."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from vldm_cli.errors import RequestError, RunError
from vldm_cli.packs.files import Header, read_header
from vldm_cli.packs.values import shown

_NUMBERS = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64}
# Files whose numbers have been looked at, as they were then: one of all parts of a checkpoint is read for each of them.
_SOUND: set[tuple[Path, tuple]] = set()
_AT_ONCE = 16 * 2**20  # bytes


@dataclass(frozen=True)
class WeightFile:
    """A file as it was when its header was read. Make one with `WeightFile.of`."""

    path: Path
    header: Header
    state: tuple

    @classmethod
    def of(cls, path: Path) -> "WeightFile":
        """Raises Unusable where the file cannot be one."""
        return cls(path, read_header(path), file_state(path))

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """The file as `safe_open` gives it. Raises RunError where it is no longer what it was, and MemoryError."""
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


def file_state(path: Path) -> tuple:
    """What tells whether a file is still the same. Raises RunError where it has gone."""
    try:
        stat = path.stat()
    except OSError as error:
        raise RunError(f"{path} has gone since it was checked ({error.strerror})") from error
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
