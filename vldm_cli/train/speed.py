"""How fast each part trains here, in each memory layout, compiled or not, its steps recorded as CUDA graphs or not:
timed on random frames, nothing rendered."""

import gc
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vldm_cli.align.temporal import TemporalModel
from vldm_cli.errors import RequestError
from vldm_cli.packs.pack import Pack
from vldm_cli.train.data.batches import Clips, Patches
from vldm_cli.train.graphs import USUAL
from vldm_cli.train.loop import Trainer
from vldm_cli.train.objectives import OBJECTIVES, Setup
from vldm_cli.train.pace import Schedule

# A step from late in a run, when all that a part ever does is being done.
PROGRESS = 0.9
# Steps before the clock starts: kernels are chosen, caches filled and steps recorded in the first few.
WARM_STEPS, LAUNCH_STEPS, SYNC_STEPS = 2 * USUAL, 3, 5
# A compiled run begins with a wait of a minute or more, in a run of ten or so.
WORTH = 1.1
LAYOUTS = {False: "contiguous", True: "channels_last"}


@dataclass(frozen=True)
class Speed:
    """launch_ms: how long the processor needs to hand a step's kernels to an idle GPU; where that is about 1000 /
    steps_per_second, the processor is what bounds the step. first_s: what the first step took, compiling included."""

    part: str
    channels_last: bool | None
    compiled: bool
    recorded: bool
    batch: int
    steps_per_second: float
    launch_ms: float
    first_s: float
    gib: float

    @property
    def options(self) -> str:
        """The words of `vldm train PART` that choose this."""
        words = ["--compile"] if self.compiled else []
        if self.recorded:
            words.append("--record")
        if self.channels_last is not None:
            words.append("--channels-last" if self.channels_last else "--no-channels-last")
        return " ".join(words)

    def __str__(self) -> str:
        layout = "its own" if self.channels_last is None else LAYOUTS[self.channels_last]
        return (
            f"{self.part:<29}{layout:<15}{'compiled' if self.compiled else 'eager':<10}"
            f"{'graph' if self.recorded else '-':<7}{self.batch:>6}"
            f"{self.steps_per_second:>9.2f}{1000 / self.steps_per_second:>9.1f}{self.launch_ms:>11.1f}"
            f"{self.first_s:>9.1f}{self.gib:>7.1f}"
        )


HEADER = (
    f"{'part':<29}{'layout':<15}{'mode':<10}{'steps':<7}{'batch':>6}{'steps/s':>9}{'ms':>9}{'launch ms':>11}"
    f"{'first s':>9}{'GiB':>7}"
)


class RandomFrames:
    """A source of noise at the pack's size."""

    def __init__(self, size: tuple[int, int], device: torch.device):
        self.size, self.device = size, device

    def check(self, frames: int, frame_steps: dict[int, float]) -> None:
        """There is always enough noise."""

    def clips(self, seed: int, n: int, frames: int, frame_steps: dict[int, float]) -> Clips:
        step_B = torch.full((n,), max(frame_steps), device=self.device)
        late_B = torch.zeros(n, dtype=torch.bool, device=self.device)
        return Clips(self._noise(n, frames, *self.size), ["a red ball"] * n, step_B, late_B)

    def patches(self, seed: int, n: int, frames: int, patch: int, scale: int) -> list[Patches]:
        corner = torch.zeros(n, dtype=torch.long, device=self.device)
        high = self._noise(n, frames, scale * patch, scale * patch)
        return [Patches(high, self._noise(n, frames, *self.size), corner, corner)]

    def _noise(self, n: int, frames: int, height: int, width: int) -> Tensor:
        return torch.randint(256, (n, frames, 3, height, width), dtype=torch.uint8, device=self.device)


def speeds(
    pack: Pack,
    parts: list[str],
    seconds: float,
    device: torch.device,
    dtype: torch.dtype,
    batch: int | None,
    compiled: bool,
) -> Iterator[Speed]:
    """Each part in each layout, first all of them eager, then (`compiled`) compiled by block; on CUDA with recorded
    steps where a part has them, and first of all once without. `seconds` of steps a part, shared by its kinds, waits
    not counted. Video models choose their layout themselves. Raises RequestError for a part that cannot be timed so,
    and numbers that are none."""
    for part in parts:
        if part not in OBJECTIVES or part == "probe":
            names = ", ".join(name for name in OBJECTIVES if name != "probe")
            raise RequestError(f"--parts {part!r:.40}: what can be timed is {names}")
    if seconds <= 0:
        raise RequestError(f"--seconds must be more than 0, not {seconds}")
    modes = (False, True) if compiled else (False,)
    seconds /= 2 * len(modes)
    for part in parts:
        if device.type == "cuda" and OBJECTIVES[part].recordable:
            yield _speed(pack, part, (False, False, False), seconds, device, dtype, batch)
    for mode in modes:
        for part in parts:
            # the likelier one first, in case there is no time for both waits
            for last in (True, False) if mode else (False, True):
                speed = _speed(pack, part, (last, mode, True), seconds, device, dtype, batch)
                yield speed
                if speed.channels_last is None:
                    break


def fastest(found: list[Speed]) -> list[Speed]:
    """The best of each part; a compiled one only where it is enough faster to earn its wait."""
    best: dict[str, Speed] = {}

    def merit(speed: Speed) -> float:
        return speed.steps_per_second / (WORTH if speed.compiled else 1.0)

    for speed in found:
        if speed.part not in best or merit(speed) > merit(best[speed.part]):
            best[speed.part] = speed
    return list(best.values())


def _speed(pack, part, how: tuple[bool, bool, bool], seconds, device, dtype, batch) -> Speed:
    """how: in channels_last, compiled, recorded."""
    kind, (last, compiled, record) = OBJECTIVES[part], how
    torch._dynamo.reset()
    torch.backends.cudnn.benchmark = kind.frames == 1
    batch = batch or kind.batch
    setup = Setup(
        pack=pack,
        source=RandomFrames((pack.manifest.video.height, pack.manifest.video.width), device),
        device=device,
        dtype=dtype,
        batch=batch,
        bank_frames=4 * kind.frames * batch,
        compile=compiled,
        channels_last=last,
        record=record,
    )
    objective = kind(setup)
    objective.shorter, objective.whole = 0.0, 1.0  # windows of full length, where there are others
    own = any(isinstance(model, TemporalModel) for model in objective.trained.values())
    with tempfile.TemporaryDirectory() as folder:
        # timed by minutes, and no time goes by: the bank is never renewed
        trainer = Trainer(objective, Schedule(lr=1e-5, minutes=1), Path(folder), {})
    objective.bank.add()
    _wait(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    start = time.monotonic()
    trainer.train_step(0.0, PROGRESS)
    _wait(device)
    first = time.monotonic() - start
    for _ in range(WARM_STEPS):
        trainer.train_step(0.0, PROGRESS)
    launches = []
    for _ in range(LAUNCH_STEPS):
        _wait(device)
        start = time.monotonic()
        trainer.train_step(0.0, PROGRESS)
        launches.append(time.monotonic() - start)
    _wait(device)
    steps, start = 0, time.monotonic()
    while steps == 0 or time.monotonic() - start < seconds:
        for _ in range(SYNC_STEPS):
            trainer.train_step(0.0, PROGRESS)
        _wait(device)
        steps += SYNC_STEPS
    rate = steps / (time.monotonic() - start)
    recorded = bool(trainer.graphs.recorded)
    peak = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else 0.0
    del trainer, objective
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    told = None if own else last, compiled, recorded
    return Speed(part, *told, batch, rate, 1000 * min(launches), first, peak)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
