"""What a worker is told and what it answers, as plain data. No torch: who starts workers begins with this."""

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from vldm_cli.errors import RequestError, RunError
from vldm_cli.runs.pool.graph import Unit

TOKEN = "seen.json"


@dataclass(frozen=True)
class Task:
    """A video that is being made. number: the driver's. folder: of its run. token: what stands in TOKEN there, by which
    a worker knows that it sees the folder. recipe: pickled; it goes from process to process and never lies in a file.
    """

    number: int
    folder: Path
    token: str
    recipe: bytes = field(repr=False)


@dataclass(frozen=True)
class Setting:
    """device and threads (on CPUs) of a worker; place: the folder that names of files are relative to. checks: as in
    `here`. waiting: frames that wait for the encoder at the most, as in `aside`."""

    device: str
    threads: int
    place: str
    checks: bool = False
    waiting: int = 0


class Coming(Protocol):
    """What a worker will need whatever its first unit is. steps: it is got ready as this is pulled, piece by piece; the
    first piece is wanted by every unit. It can be sent to another process."""

    def steps(self) -> Iterator[None]: ...


@dataclass(frozen=True)
class Report:
    """What a unit has taken: seconds by stage and in all, and the most memory that the worker has had in use so far;
    which worker that is; what it has to say to the person since the last report, a sentence each."""

    seconds: dict[str, float]
    total: float
    peak_bytes: int | None
    host: str
    device: str
    process: int
    threads: int
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failure:
    """kind: "request" or "run" with a sentence; "memory" or "file handles" that ran out, or "unexpected", with what the
    exception says. stage: where."""

    kind: str
    words: str
    stage: str | None
    device: str

    def exception(self) -> Exception:
        """As who waits for the unit raises it."""
        if self.kind == "request":
            return RequestError(self.words)
        if self.kind == "run":
            return RunError(self.words)
        if self.kind == "memory":
            return MemoryError(self.words)
        if self.kind == "file handles":
            return OSError(24, self.words)
        return RuntimeError(f"{self.words} (in a worker on {self.device})")


@dataclass(frozen=True)
class Told:
    """What has become of a unit of that video."""

    number: int
    unit: Unit
    came: Report | Failure


def write_token(folder: Path) -> str:
    """A new token in the folder of a run."""
    token = secrets.token_hex(8)
    part = folder / f"part-{TOKEN}"
    try:
        part.write_text(json.dumps({"token": token}), encoding="utf-8")
        os.replace(part, folder / TOKEN)
    except OSError as error:
        raise RunError(f"cannot write to {folder} ({error.strerror})") from error
    return token
