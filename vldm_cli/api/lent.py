"""Workers that a call is lent: `gpus`, `workers` and `ray`, what they mean together, and the device that is left for
this process."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vldm_cli.api.device import choose_device, choose_dtype
from vldm_cli.api.packs import LoadedPack
from vldm_cli.errors import RequestError, shown
from vldm_cli.runs.here import Elsewhere
from vldm_cli.stages.running import AS_USUAL, FP8, Running
from vldm_cli.video.numbers import whole, whole_of

if TYPE_CHECKING:
    from vldm_cli.runs.pool.pool import Pool
    from vldm_cli.runs.pool.process import Begun
    from vldm_cli.runs.pool.ray import Cluster

MOST = 1024
ALL = "all"
# By command, the module with all that its units need, which a worker of this machine imports first.
NEEDS = {
    "generate": "vldm_cli.pipelines.generate.making",
    "extend": "vldm_cli.pipelines.extend.making",
    "interpolate": "vldm_cli.pipelines.interpolate.job",
    "upscale": "vldm_cli.pipelines.upscale.job",
}


class Lent:
    """Workers for one call or several. kind: of device that the work is done on; device, dtype: for this process, which
    only says what is to be done where there are workers. Without any, they are what was asked for, and the work is
    this process's."""

    def __init__(
        self,
        kind: str,
        count: int,
        device: str,
        dtype: str,
        cluster: Cluster | None = None,
        threads: int = 0,
        asked: str | None = None,
    ) -> None:
        """asked: the number format as it was asked for."""
        self.needs = ""  # of workers on this machine, what they import first
        self.begun: Begun | None = None  # and those that do already
        self.told: dict[str, Any] = {}  # the options that ask for it, as they were given
        self.kind, self.count, self.device, self.dtype = kind, count, device, dtype
        self.asked = dtype if asked is None else asked
        self._cluster, self._threads = cluster, threads

    @property
    def away(self) -> bool:
        """Whether the devices are other machines'."""
        return self._cluster is not None

    @property
    def there(self) -> str:
        """The device that the work is done on, to plan for it."""
        return Elsewhere(self.kind) if self.away else self.kind

    @property
    def words(self) -> str:
        """For a person."""
        return f"{self.count} x {self.kind}" if self.count else self.device

    def here(self, pack: object = None, network: bool = False) -> tuple[str, str]:
        """The device and the number format that a call's job is put together for: those of a pack that is loaded. A
        network for pictures is computed in another format than packs are."""
        if self.count and isinstance(pack, LoadedPack):
            return "auto", "auto"
        return (self.there, self.asked) if network else (self.device, self.dtype)

    @contextmanager
    def pool(self, wanted: bool = True) -> Iterator[Pool | None]:
        """The workers, which begin now and end with this; None where there are none or they are not wanted."""
        if not self.count or not wanted:
            if self.begun is not None:
                self.begun.end()
            yield None
            return
        if self._cluster is not None:
            made = self._cluster.open_pool(self.kind, self.count, self._threads)
        else:
            from vldm_cli.runs.pool.process import open_pool

            numbered = [f"cuda:{number}" for number in range(self.count)]
            devices = numbered if self.kind == "cuda" else ["cpu"] * self.count
            made = open_pool(devices, self.needs, self.begun)
        with made:
            yield made


def lend(
    gpus: int | str | None,
    workers: int | None,
    ray: str | None,
    device: str = "auto",
    dtype: str = "auto",
    running: Running = AS_USUAL,
    command: str | None = None,
) -> Lent:
    """What these options ask for. gpus: so many GPUs or "all"; workers: so many processes on CPUs; ray: where Ray is,
    with all its GPUs unless one of the others says how many. One worker of this machine is this process. running: how
    models are to be run there. command: the one of `NEEDS` that is about to be carried out, if any is: workers then
    begin at once, beside what it takes here to find out whether there are so many GPUs; `Lent.pool` is to be entered.
    Raises RequestError."""
    on_gpus = gpus is not None and workers is None and ray is None and device in ("auto", "cuda")
    begun = _begun(gpus, NEEDS[command]) if on_gpus and command else None
    try:
        lent = _lent(gpus, workers, ray, device, dtype)
        # otherwise nothing depends on it, and torch is not imported for it
        if running.spares or running.plain is False or FP8 in running.fast:
            running.check(lent.kind if lent.count else choose_device(lent.kind), here=not lent.away)
    except BaseException:
        if begun is not None:
            begun.end()
        raise
    lent.needs, lent.begun = NEEDS[command] if command else "", begun
    lent.told = {"device": device, "dtype": dtype, "gpus": gpus, "workers": workers, "ray": ray}
    return lent


def _begun(gpus: int | str | None, needs: str) -> Begun | None:
    """Processes for so many GPUs, which nobody has looked for yet; None where there seems to be but one."""
    from vldm_cli.runs.pool.process import Begun

    count = gpus_told() if gpus == ALL else _count(gpus)
    return Begun(count, needs) if count is not None and 1 < count <= gpus_told() else None


def gpus_told(devices: Path = Path("/dev")) -> int:
    """How many GPUs of NVIDIA there seem to be, without the seconds that importing torch takes: what
    CUDA_VISIBLE_DEVICES says, or else Linux. torch has the last word."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    if told is not None:
        return len([word for word in told.split(",") if word.strip() not in ("", "-1")])
    return sum(bool(re.fullmatch(r"nvidia[0-9]+", path.name)) for path in devices.glob("nvidia*"))


def _lent(gpus: int | str | None, workers: int | None, ray: str | None, device: str, dtype: str) -> Lent:
    if gpus is not None and workers is not None:
        raise RequestError("--gpus is for GPUs and --workers for CPUs; give one of them")
    number = None if gpus in (None, ALL) else _count(gpus)
    if gpus is not None and gpus != ALL and number is None:
        raise RequestError(f"--gpus {shown(gpus)} is none of {ALL} and numbers from 1 on")
    count = number if workers is None else whole("--workers", workers, 1, MOST)
    option = "--ray" if gpus is None and workers is None else "--gpus" if workers is None else "--workers"
    if ray is not None:
        return _on_ray(ray, "cuda" if gpus else "cpu" if workers else None, count, device, dtype)
    if gpus is None and workers is None:
        return Lent(device, 0, device, dtype)
    kind = "cuda" if workers is None else "cpu"
    if device not in ("auto", kind):
        raise RequestError(f"{option} chooses the devices; leave --device {shown(device)} out")
    if kind == "cuda":
        count = _gpus_here(gpus, count)
    if count == 1:
        return Lent(kind, 0, kind, dtype)
    return Lent(kind, count or 1, "cpu", choose_dtype(dtype, kind), asked=dtype)


def _count(gpus: int | str | None) -> int | None:
    """How many, as a command line has it or a caller; None where it is no such number."""
    if isinstance(gpus, str) and gpus.isascii() and gpus.isdecimal() and len(gpus) < 10:
        gpus = int(gpus)
    return whole_of(gpus, 1, MOST)


def _gpus_here(gpus: int | str | None, count: int | None) -> int:
    import torch

    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not there:
        raise RequestError(
            f"--gpus {gpus}: there is no CUDA GPU that torch can use; use --workers N for processes on the CPU"
        )
    if count is not None and count > there:
        raise RequestError(f"--gpus {gpus}: there {'is' if there == 1 else 'are'} {there} here")
    return there if count is None else count


def _on_ray(address: str, kind: str | None, count: int | None, device: str, dtype: str) -> Lent:
    from vldm_cli.runs.pool.ray import LOCAL, connect

    if device not in ("auto", "cpu", "cuda"):
        raise RequestError(f"--ray chooses the devices; leave --device {shown(device)} out")
    told = os.environ.get("OMP_NUM_THREADS", "")
    threads = int(told) if told.isdigit() else 0
    cluster = connect(address, (count or 1) * max(1, threads) if kind == "cpu" and address == LOCAL else None)
    kind = kind or (("cuda" if cluster.gpus else "cpu") if device == "auto" else device)
    if kind == "cuda" and (count or 1) > cluster.gpus:
        raise RequestError(
            f"--ray {address}: the cluster has {cluster.gpus} GPUs; use --workers N for its CPUs"
        )
    if kind == "cuda":
        count = count or cluster.gpus
        number = cluster.dtype_of_gpus() if dtype == "auto" else choose_dtype(dtype, kind)
        return Lent(kind, count, "cpu", number, cluster, 1, dtype)
    machines = cluster.machines
    count = count or len(machines)
    share = threads or max(1, min(machines) // -(-count // len(machines)))
    return Lent(kind, count, "cpu", choose_dtype(dtype, kind), cluster, share, dtype)
