"""How long a run is, and how fast it learns on the way."""

import math
from dataclasses import dataclass

LAST_LR = 0.02
WARMUP_STEPS, WARMUP_SHARE = 100, 0.05


@dataclass(frozen=True)
class Schedule:
    """How long, and how fast. Either `minutes` (of wall time, over all resumes) or `steps` is given."""

    lr: float
    minutes: float | None = None
    steps: int | None = None
    seed: int = 0
    sample_minutes: float = 2.0
    save_minutes: float = 2.0

    def progress(self, step: int, elapsed: float) -> float:
        """The share of the run that is done; 1 or more: the end."""
        if self.minutes is not None:
            return elapsed / (60 * self.minutes)
        assert self.steps is not None  # a run is limited by one or the other
        return step / self.steps

    def rate(self, step: int, progress: float) -> float:
        """Learning rate: linear warm-up (over some steps, or a share of a short run), then half a cosine over the
        run, down to 2 %."""
        warmup = min(1.0, max((step + 1) / WARMUP_STEPS, progress / WARMUP_SHARE))
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        return self.lr * warmup * (LAST_LR + (1 - LAST_LR) * cosine)
