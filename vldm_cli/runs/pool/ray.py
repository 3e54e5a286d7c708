"""Workers on a cluster: actors of Ray Core, one to a GPU, wherever Ray has them. The run's folder and the clip lie on a
file system that all machines share; packs are found on each by their hash.

A machine that is lost costs the units that its workers were at: another worker does them again, which is why Ray is not
asked to (its retry would wait for the same actor). The actor itself is begun anew elsewhere, as often as that happens.
"""

import logging
import os
import socket
from threading import Lock
from typing import Any

from vldm_cli import __version__
from vldm_cli.errors import RequestError
from vldm_cli.runs import interrupt
from vldm_cli.runs.aside import WAITING
from vldm_cli.runs.capability import fast_in_float16
from vldm_cli.runs.command_line import place
from vldm_cli.runs.pool.graph import Unit
from vldm_cli.runs.pool.pool import Lost, Pool
from vldm_cli.runs.pool.told import Failure, Setting, Task, Told
from vldm_cli.runs.pool.worker import Worker

LOCAL, AUTO = "local", "auto"
_PATIENCE = 5.0  # seconds for an address to answer


class Cluster:
    """Ray, and what there is in it. gpus: how many; machines: how many CPUs each has."""

    def __init__(self, ray: Any) -> None:
        self.ray = ray
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        self.gpus = int(sum(node.get("GPU", 0) for node in nodes))
        self.machines = [int(node.get("CPU", 0)) for node in nodes if node.get("CPU", 0) >= 1] or [1]

    def open_pool(self, device: str, workers: int, threads: int) -> Pool:
        """So many actors, each with a GPU ("cuda"), or with so many threads ("cpu")."""
        needs = {"num_gpus": 1, "num_cpus": 1} if device == "cuda" else {"num_cpus": threads}
        actor = self.ray.remote(Worker).options(max_restarts=-1, scheduling_strategy="SPREAD", **needs)
        setting = Setting(device, threads, place(), checks=True, waiting=WAITING[device])
        tasks = _Tasks(self.ray)
        hands = [RayHand(self.ray, actor, setting, tasks) for _ in range(workers)]
        return Pool(hands, device, meets=True, end=self.ray.shutdown)

    def dtype_of_gpus(self) -> str:
        """The number format that "auto" is on the cluster's GPUs."""
        found = self.ray.get(self.ray.remote(fast_in_float16).options(num_gpus=1, num_cpus=0).remote())
        return "float16" if found else "float32"


def connect(address: str, cpus: int | None = None) -> Cluster:
    """Ray at "HOST:PORT" or "ray://HOST:PORT"; "auto": the one that this machine belongs to; "local": a new one on this
    machine alone, for as long as this process, with so many `cpus` to give out. RequestError where there is none."""
    try:
        import ray
    except ModuleNotFoundError as error:
        raise RequestError(
            "--ray needs Ray, which is not here; install it with `pip install 'vldm[ray]'`"
        ) from error
    except ImportError as error:
        raise RequestError(
            f"--ray needs Ray, which cannot be loaded here ({_first(error)}); install it anew with "
            "`pip install --upgrade 'vldm[ray]'`"
        ) from error
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address not in (LOCAL, AUTO):
        _answers(address)
    options: dict = {"num_cpus": cpus, "include_dashboard": False} if address == LOCAL else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:  # Ray raises all kinds of them, this one among others
        raise RequestError(
            f"--ray {address}: there is no Ray ({_first(error)}); start one with `ray start --head`, or use --ray local"
        ) from error
    interrupt.listen_again()  # Ray has put its own handlers in the place of ours
    return Cluster(ray)


class RayHand:
    """An actor."""

    def __init__(self, ray: Any, actor: Any, setting: Setting, tasks: "_Tasks") -> None:
        self._ray, self._tasks = ray, tasks
        self._make = lambda: actor.remote(setting)
        self._actor: Any = self._make()
        self._away = False

    def expect(self, coming: bytes) -> None:
        """An actor gets ready what every unit needs, and the rest with its first unit."""
        self._ray.get(self._actor.expect.remote(coming))

    def meet(self, task: Task) -> Failure | None:
        method = self._actor.meet.options(max_task_retries=-1)
        return self._asked(method, self._tasks.sent(task), __version__)

    def do(self, task: Task, unit: Unit, live: frozenset[int]) -> list[Told]:
        if self._away:  # it is waited for here, and not by a unit
            self.meet(task)
            self._away = False
        self._tasks.forget(live)
        method = self._actor.do.options(max_task_retries=0)
        came = self._asked(method, self._tasks.sent(task), unit, live)
        return [Told(task.number, unit, came)] if isinstance(came, Failure) else came

    def rest(self) -> list[Told]:
        came = self._asked(self._actor.rest.options(max_task_retries=0))
        return [] if isinstance(came, Failure) else came

    def stop(self) -> None:
        """An actor ends what it is at."""

    def close(self) -> None:
        self._ray.kill(self._actor)

    def _asked(self, method: Any, *words: object):
        errors = self._ray.exceptions
        try:
            return self._ray.get(method.remote(*words))
        except (errors.ActorDiedError, errors.RaySystemError) as error:
            if "ModuleNotFoundError" in str(error) or "ImportError" in str(error):
                return Failure("request", _NOT_THERE, None, "a machine of the cluster")
            self._away = True
            raise Lost(f"(an actor of Ray): {_first(error)}") from error
        except errors.RayError as error:
            self._away = True
            raise Lost(f"(an actor of Ray): {_first(error)}") from error


_NOT_THERE = f"vldm {__version__} is not on every machine of the cluster; install it there"


class _Tasks:
    """Videos as Ray holds them, each sent once."""

    def __init__(self, ray: Any) -> None:
        self._ray, self._lock = ray, Lock()
        self._sent: dict[int, Any] = {}

    def forget(self, live: frozenset[int]) -> None:
        """All but these are finished."""
        with self._lock:
            self._sent = {number: task for number, task in self._sent.items() if number in live}

    def sent(self, task: Task) -> Any:
        with self._lock:
            if task.number not in self._sent:
                self._sent[task.number] = self._ray.put(task)
            return self._sent[task.number]


def _answers(address: str) -> None:
    """RequestError where nobody does."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65_535:
        raise RequestError(f"--ray {address:.80} is none of auto, local and HOST:PORT")
    try:
        socket.create_connection((host, int(port)), _PATIENCE).close()
    except OSError as error:
        raise RequestError(
            f"--ray {address}: nobody answers there ({error.strerror or error}); start Ray with `ray start --head`, or "
            "use --ray local"
        ) from error


def _first(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
