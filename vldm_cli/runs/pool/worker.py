"""What a worker does, whoever started it and in whatever way it is told: units of videos, one at a time, with the
models that it has loaded."""

import json
import os
import pickle
import platform
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch

from vldm_cli import __version__
from vldm_cli.errors import RequestError, RunError, ran_out
from vldm_cli.runs.folder import read_json
from vldm_cli.runs.here import here
from vldm_cli.runs.memory import peak_bytes, reset_peak
from vldm_cli.runs.pool.graph import Bench, Recipe, Unit
from vldm_cli.runs.progress import Clock
from vldm_cli.runs.store import Store

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
    `here`."""

    device: str
    threads: int
    place: str
    checks: bool = False


@dataclass(frozen=True)
class Report:
    """What a unit has taken: seconds by stage and in all, and the most memory that the worker has had in use so far;
    which worker that is."""

    seconds: dict[str, float]
    total: float
    peak_bytes: int | None
    host: str
    device: str
    process: int
    threads: int


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


class Worker:
    """One process's part in runs. Videos are opened when they are first heard of and kept as long as they are named."""

    def __init__(self, setting: Setting) -> None:
        self.device = torch.device(setting.device)
        here.device, here.checks = setting.device, setting.checks
        if setting.place:
            with suppress(OSError):  # on another machine names have to be whole
                os.chdir(setting.place)
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        torch.set_num_threads(setting.threads)
        reset_peak(self.device)
        self._mark = f".{secrets.token_hex(4)}"
        self._open: dict[int, tuple[Bench, Clock]] = {}

    def meet(self, task: Task, version: str) -> Failure | None:
        """Whether this worker can take part in the video at all."""
        clock = Clock()
        try:
            if version != __version__:
                raise RequestError(
                    f"vldm {__version__} is installed where a worker runs and {version} here; install one version "
                    "everywhere"
                )
            self._bench(task)
        except BaseException as error:
            return self._failed(error, clock)
        return None

    def do(self, task: Task, unit: Unit, live: frozenset[int]) -> Report | Failure:
        """Makes the unit; its result is in the video's folder then. live: the numbers of the videos that there are."""
        began, clock = time.perf_counter(), Clock()
        try:
            for number in self._open.keys() - live:
                self._open.pop(number)[0].close()
            with torch.inference_mode():
                bench, clock = self._bench(task)
                before = dict(clock.seconds)
                bench.do(unit)
        except BaseException as error:
            broken = self._open.pop(task.number, None)  # what was open in it is no more than half done
            if broken is not None:
                with suppress(Exception):
                    broken[0].close()
            return self._failed(error, clock)
        seconds = {stage: spent - before.get(stage, 0.0) for stage, spent in clock.seconds.items()}
        total = time.perf_counter() - began
        peak, threads = peak_bytes(self.device), torch.get_num_threads()
        return Report(seconds, total, peak, platform.node(), str(self.device), os.getpid(), threads)

    def _bench(self, task: Task) -> tuple[Bench, Clock]:
        if task.number not in self._open:
            if (read_json(task.folder / TOKEN) or {}).get("token") != task.token:
                raise RequestError(
                    f"a worker does not see {task.folder}; name an --out on a file system that all machines share"
                )
            recipe: Recipe = pickle.loads(task.recipe)
            clock = Clock()
            self._open[task.number] = recipe.bench(Store(task.folder, self._mark), clock), clock
        return self._open[task.number]

    def _failed(self, error: BaseException, clock: Clock) -> Failure:
        words = " ".join(f"{error}".split()) or type(error).__name__
        lacking = ran_out(error)
        kind = "unexpected"
        if lacking:
            kind = lacking
        elif isinstance(error, RequestError | RunError):
            kind = "request" if isinstance(error, RequestError) else "run"
        else:
            words = f"{type(error).__name__}: {words}"
        if self.device.type == "cuda":
            error.__traceback__ = None  # it would keep the tensors of every frame
            torch.cuda.empty_cache()
        return Failure(kind, words, clock.failed_in, str(self.device))


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
