"""What a worker does, whoever started it and in whatever way it is told: units of videos, one at a time, with the
models that it has loaded."""

import os
import pickle
import platform
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass

import torch

from vldm_cli import __version__
from vldm_cli.errors import RequestError, RunError, ran_out
from vldm_cli.runs import remarks
from vldm_cli.runs.aside import Aside
from vldm_cli.runs.folder import read_json
from vldm_cli.runs.here import here
from vldm_cli.runs.memory import peak_bytes, reset_peak
from vldm_cli.runs.pool.graph import Bench, Recipe, Unit
from vldm_cli.runs.pool.told import TOKEN, Coming, Failure, Report, Setting, Task, Told
from vldm_cli.runs.progress import Clock
from vldm_cli.runs.store import Store


@dataclass
class _Begun:
    """A unit of which only `rest` is left to be done. clock: the video's; seconds, total: of the unit so far, by stage
    and in all."""

    number: int
    unit: Unit
    clock: Clock
    seconds: dict[str, float]
    total: float
    rest: Future | None


class Worker:
    """One process's part in runs. Videos are opened when they are first heard of and kept as long as they are named."""

    def __init__(self, setting: Setting) -> None:
        remarks.keep()
        self.device = torch.device(setting.device)
        here.device, here.checks = setting.device, setting.checks
        here.machine = platform.node() if setting.checks else ""
        if setting.place:
            with suppress(OSError):  # on another machine names have to be whole
                os.chdir(setting.place)
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        torch.set_num_threads(setting.threads)
        reset_peak(self.device)
        self._mark = f".{secrets.token_hex(4)}"
        self._open: dict[int, tuple[Bench, Clock]] = {}
        self._coming: Iterator[None] | None = None
        self._aside = Aside(setting.waiting)
        self._begun: _Begun | None = None

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

    def expect(self, coming: bytes) -> None:
        """Gets ready what every unit will need. coming: a pickled `Coming`."""
        with suppress(Exception):  # whoever needs it will meet the same again, and tell it
            what: Coming = pickle.loads(coming)
            self._coming = what.steps()
        self.get_ready()

    def get_ready(self) -> bool:
        """Gets one more piece ready of what is expected, while there is nothing else to do; whether there may be
        more."""
        if self._coming is None:
            return False
        try:
            with torch.inference_mode():
                next(self._coming)
        except StopIteration:
            self._coming = None
        except Exception:  # as above
            self._coming = None
        return self._coming is not None

    def do(self, task: Task, unit: Unit, live: frozenset[int]) -> list[Told]:
        """Makes the unit, and tells what became of it, its result being in the video's folder then; or begins it, where
        only the encoder is still at it. What was begun before is told first. live: the numbers of the videos that there
        are."""
        began, clock, begun = time.perf_counter(), Clock(), None
        failure: Failure | None = None
        try:
            for number in self._open.keys() - live:
                self._open.pop(number)[0].close()
            with torch.inference_mode():
                bench, clock = self._bench(task)
                before = dict(clock.seconds)
                rest = bench.do(unit)
            seconds = {stage: spent - before.get(stage, 0.0) for stage, spent in clock.seconds.items()}
            begun = _Begun(task.number, unit, clock, seconds, time.perf_counter() - began, rest)
        except BaseException as error:
            failure = self._broken(task.number, error, clock)
        told = self.rest()
        if failure is not None:
            return [*told, Told(task.number, unit, failure)]
        assert begun is not None  # or it has failed
        self._begun = begun
        return told if begun.rest is not None and not begun.rest.done() else [*told, *self.rest()]

    def rest(self) -> list[Told]:
        """Waits for what was begun, and tells what became of it."""
        begun, self._begun = self._begun, None
        if begun is None:
            return []
        seconds, total = begun.seconds, begun.total
        came: Report | Failure
        try:
            if begun.rest is not None:
                waits = time.perf_counter()
                with begun.clock.stage("write"):
                    begun.rest.result()
                waited = time.perf_counter() - waits
                seconds, total = {**seconds, "write": seconds.get("write", 0.0) + waited}, total + waited
            peak, threads = peak_bytes(self.device), torch.get_num_threads()
            who = platform.node(), str(self.device), os.getpid(), threads
            # of which of several alike it is, the person is told once
            said = tuple(words.replace(str(self.device), self.device.type) for words in remarks.kept())
            came = Report(seconds, total, peak, *who, said)
        except BaseException as error:
            came = self._broken(begun.number, error, begun.clock)
        return [Told(begun.number, begun.unit, came)]

    def _bench(self, task: Task) -> tuple[Bench, Clock]:
        if task.number not in self._open:
            if (read_json(task.folder / TOKEN) or {}).get("token") != task.token:
                raise RequestError(
                    f"a worker does not see {task.folder}; name an --out on a file system that all machines share"
                )
            recipe: Recipe = pickle.loads(task.recipe)
            clock = Clock()
            store = Store(task.folder, self._mark)
            self._open[task.number] = recipe.bench(store, clock, self._aside), clock
        return self._open[task.number]

    def _broken(self, number: int, error: BaseException, clock: Clock) -> Failure:
        broken = self._open.pop(number, None)  # what was open in it is no more than half done
        if broken is not None:
            with suppress(Exception):
                broken[0].close()
        return self._failed(error, clock)

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
