"""What is asked of any training: its numbers, checked, and what they come to on a device."""

from dataclasses import dataclass

import torch

from vldm_cli.errors import RequestError
from vldm_cli.train.objectives.base import Task
from vldm_cli.train.pace import Schedule
from vldm_cli.video.numbers import LAST_SEED, LONGEST, real, whole

# Batches and banks are sized for a GPU; elsewhere they are this much smaller.
CPU_SHARE = 16
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Numbers:
    """How long to train, on how much at a time. None: as the kind of training has it. Raises RequestError for numbers
    that are none."""

    minutes: float | None
    steps: int | None
    batch: int | None
    lr: float | None
    seed: int
    bank_frames: int | None
    sample_minutes: float
    save_minutes: float

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise RequestError("say how long to train: either --minutes or --steps")
        spans = {
            "--minutes": self.minutes,
            "--sample-every": self.sample_minutes,
            "--save-every": self.save_minutes,
        }
        for name, minute in spans.items():
            if minute is not None:
                real(name, minute, 0, LONGEST, above=True)
        counts = {
            "--steps": (self.steps, 10**9),
            "--batch": (self.batch, 10**5),
            "--bank-frames": (self.bank_frames, 10**8),
        }
        for name, (count, most) in counts.items():
            if count is not None:
                whole(name, count, 1, most)
        if self.lr is not None:
            real("--lr", self.lr, 0, 1, above=True)
        whole("--seed", self.seed, 0, LAST_SEED)

    def at_a_time(self, kind: type[Task], device: torch.device, processes: int) -> tuple[int, int]:
        """(examples a step, frames held ready) of each process: by default they share what one would take."""
        share = 1 if device.type == "cuda" else CPU_SHARE
        batch = self.batch or max(1, kind.batch // (share * processes))
        return batch, self.bank_frames or kind.bank_frames // (share**2 * processes)

    def schedule(self, kind: type[Task]) -> Schedule:
        """When to do what."""
        return Schedule(
            lr=self.lr or kind.lr,
            minutes=self.minutes,
            steps=self.steps,
            seed=self.seed,
            sample_minutes=self.sample_minutes,
            save_minutes=self.save_minutes,
        )


def number_format(dtype: str, device: torch.device) -> torch.dtype:
    """The number format that `dtype` names; "auto" is bfloat16 on CUDA. Raises RequestError for one that training does
    not know."""
    if dtype not in {"auto", *DTYPES}:
        raise RequestError(f"--dtype {dtype:.20} is none that training knows; use auto, float32 or bfloat16")
    return {"auto": torch.bfloat16 if device.type == "cuda" else torch.float32, **DTYPES}[dtype]
