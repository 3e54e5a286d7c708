"""What is finished of a run, as files: windows of latents and segments of the video.

Every file is written under a temporary name, flushed and renamed, so it is either whole or not there; a file that was
damaged later is noticed by its checksum and made again. Several processes may write into one folder: what one of them
makes, any other would have made bit for bit.
"""

import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from vldm_cli.errors import RunError
from vldm_cli.runs.folder import checksums, read_json, read_plain, remove

Tensors = dict[str, Tensor]


class Store:
    """The finished units and segments in a run's folder. mark: what tells the temporary files of this process from
    those of others that write there; empty for the one that holds the folder's lock."""

    def __init__(self, folder: Path, mark: str = "") -> None:
        self.folder, self._mark = folder, mark

    def unit(self, stage: str, index: int, make: Callable[[], Tensors]) -> Tensors:
        """The finished unit, or what `make` returns, which is stored before it is returned."""
        tensors = self.load(stage, index)
        if tensors is None:
            tensors = make()
            self.save(stage, index, tensors)
        return tensors

    def load(self, stage: str, index: int) -> Tensors | None:
        """A unit's tensors (on the CPU), bit for bit as they were saved; None if it is missing or damaged."""
        try:
            data = read_plain(self._unit_path(stage, index))
        except OSError:  # what cannot be read is damaged
            return None
        if data is None or len(data) < 4 or zlib.crc32(data[4:]) != int.from_bytes(data[:4], "little"):
            return None
        try:
            return load(data[4:])
        except SafetensorError:
            return None

    def save(self, stage: str, index: int, tensors: Tensors) -> None:
        """Stores a unit. Raises RunError when it cannot be written."""
        data = save({name: t.detach().cpu().contiguous() for name, t in tensors.items()})
        self._write(self._unit_path(stage, index), zlib.crc32(data).to_bytes(4, "little") + data)

    def segment(self, index: int) -> Path:
        """Where a finished segment of video lies."""
        return self.folder / f"segment-{index:06d}.video"

    def has_segment(self, index: int) -> bool:
        """Whether that segment is there and whole."""
        table = read_json(_seal_of(self.segment(index)))
        return table is not None and table == checksums(self.segment(index))

    def make_segment(self, index: int, write: Callable[[Path], object]) -> None:
        """Lets `write` make the segment's file, which it puts there in one step; it counts as finished once it is
        sealed with its checksum."""
        path = self.segment(index)
        if path.is_symlink() or (path.exists() and not path.is_file()):  # nothing that a writer should open
            remove(path)
        write(path)
        self._write(_seal_of(path), json.dumps(checksums(path)).encode())

    def _unit_path(self, stage: str, index: int) -> Path:
        return self.folder / f"{stage}-{index:06d}.safetensors"

    def _write(self, path: Path, data: bytes) -> None:
        part = path.with_name(f"part-{path.name}{self._mark}")
        try:
            for other in (part, path):
                if other.is_dir():
                    remove(other)
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except OSError as error:
            raise RunError(f"cannot write to {self.folder} ({error.strerror})") from error


def _seal_of(segment: Path) -> Path:
    return segment.with_name(f"{segment.name}.json")
