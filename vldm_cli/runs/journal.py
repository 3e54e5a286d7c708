"""The folder of a run: what is finished stays finished. The same command again goes on from here.

`.NAME.vldm/` beside the output holds plan.json (what is being made), one safetensors file for each finished window
of latents, and the encoded segments. Every file is written under a temporary name, flushed and renamed, so it is
either whole or not there; a file that was damaged later is noticed by its checksum and made again.
"""

import json
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from vldm_cli.errors import RunError
from vldm_cli.runs.lock import LOCK, lock

PLAN = "plan.json"
DELIVERED = "delivered.json"

Tensors = dict[str, Tensor]


def run_folder(out: Path) -> Path:
    """Where the run that makes `out` keeps what is finished."""
    return out.parent / f".{out.name}.vldm"


def stored_plan(folder: Path) -> dict | None:
    """What the run in that folder makes; None when there is no such run or its plan is unreadable."""
    try:
        table = json.loads((folder / PLAN).read_text())
    except (OSError, ValueError):
        return None
    return table if isinstance(table, dict) else None


def is_delivered(folder: Path, out: Path) -> bool:
    """Whether `out` is what the run in that folder made, so that only its tidying up was interrupted."""
    return _sealed(folder / DELIVERED, out)


class Journal:
    """An opened run folder, locked against other processes. A context manager: leaving it frees the lock.

    identity: JSON-able, decides what is made. A folder with the same identity is resumed, one with another (or with
    `resume=False`) is emptied first. Raises RequestError when another process is working in the folder or when it
    cannot be made.
    """

    def __init__(self, folder: Path, identity: dict, resume: bool = True) -> None:
        self.folder = folder
        identity = json.loads(json.dumps(identity))
        self._lock = lock(folder)
        try:
            self.resumed = resume and stored_plan(folder) == identity
            if not self.resumed:
                self._empty()
                self._write(folder / PLAN, json.dumps(identity, indent=1).encode())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
            data = self._unit_path(stage, index).read_bytes()
        except FileNotFoundError:
            return None
        if len(data) < 4 or zlib.crc32(data[4:]) != int.from_bytes(data[:4], "little"):
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
        return _sealed(_seal_of(self.segment(index)), self.segment(index))

    def make_segment(self, index: int, write: Callable[[Path], object]) -> None:
        """Lets `write` make the segment's file; it counts as finished once it is sealed with its checksum."""
        path = self.segment(index)
        _seal_of(path).unlink(missing_ok=True)
        write(path)
        self._write(_seal_of(path), json.dumps(_checksums(path)).encode())

    def joined(self, suffix: str) -> Path:
        """Where the whole video (a file, or a folder of frames) is put together; empty."""
        path = self.folder / f"joined{suffix}"
        _remove(path)
        return path

    def deliver(self, joined: Path, out: Path) -> None:
        """Puts the whole video under its final name, in one step. Raises RunError when that fails."""
        self._write(self.folder / DELIVERED, json.dumps(_checksums(joined)).encode())
        try:
            if out.is_dir():  # one name cannot be given to a second folder; the old frames have to go first
                shutil.rmtree(out)
            os.replace(joined, out)
        except OSError as error:
            raise RunError(f"cannot put the finished video at {out} ({error.strerror})") from error

    def remove(self) -> None:
        """The video is delivered: the folder goes, the lock with it."""
        # What tells that only this was left to do goes last, in case it is interrupted.
        self._empty(keep=(DELIVERED, PLAN))
        _remove(self.folder / DELIVERED)
        self._empty()
        self.close()
        shutil.rmtree(self.folder)

    def close(self) -> None:
        """Frees the lock; what is finished stays."""
        self._lock.close()

    def _unit_path(self, stage: str, index: int) -> Path:
        return self.folder / f"{stage}-{index:06d}.safetensors"

    def _empty(self, keep: tuple[str, ...] = ()) -> None:
        for path in self.folder.iterdir():
            if path.name not in (LOCK, *keep):
                _remove(path)

    def _write(self, path: Path, data: bytes) -> None:
        part = path.with_name(f"part-{path.name}")
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except OSError as error:
            raise RunError(f"cannot write to {self.folder} ({error.strerror})") from error


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _seal_of(segment: Path) -> Path:
    return segment.with_name(f"{segment.name}.json")


def _checksums(path: Path) -> dict[str, int]:
    """crc32 of a file, or of each file of a folder, by name."""
    if path.is_dir():
        return {file.name: _crc32(file) for file in sorted(path.iterdir())}
    return {"": _crc32(path)}


def _crc32(path: Path) -> int:
    """Of a file of any length, a block at a time."""
    crc = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            crc = zlib.crc32(block, crc)
    return crc


def _sealed(seal: Path, path: Path) -> bool:
    """Whether the checksums in `seal` are those of `path`."""
    try:
        return json.loads(seal.read_text()) == _checksums(path)
    except (OSError, ValueError):
        return False
