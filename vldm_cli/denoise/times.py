"""When the steps of a sampler are taken, between noise and the finished thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

Number = TypeVar("Number", float, Tensor)


@dataclass(frozen=True)
class Times:
    """When steps are taken. shift: how much nearer to noise than evenly; last: the time, of a thousand, of the very
    last one, 0 for wherever the others lead."""

    shift: float = 1.0
    last: int = 0


EVEN = Times()


def timed(steps: int, times: Times, train_steps: int = 1000) -> list[int]:
    """The times of so many steps, from train_steps − 1 down: `shifted` ones, and the last, where they would end before
    it, as it is wanted: steps near noise decide what is to be seen, and one that is taken at little noise how sharp."""
    last = round(times.last * train_steps / 1000)
    if last and steps > 1:
        others = shifted(steps - 1, times.shift, train_steps)
        if others[-1] > last:
            return [*others, last]
    return shifted(steps, times.shift, train_steps)


def shifted(steps: int, shift: float, train_steps: int = 1000) -> list[int]:
    """The times of so many trailing steps (Lin et al. 2023), from train_steps − 1 down, moved `towards_noise`; a shift
    of 1 leaves them at even distances. No two are the same: a step over no time has no end."""
    times = [round(train_steps * towards_noise(1 - i / steps, shift)) - 1 for i in range(steps)]
    # at least as far from either end as there are others before and after it
    return [min(max(t, steps - 1 - i), train_steps - 1 - i) for i, t in enumerate(times)]


def towards_noise(u: Number, shift: float) -> Number:
    """u ← s u / (1 + (s − 1) u), for times u in [0, 1], 1 being noise (Esser et al. 2024, arXiv:2403.03206, eq. 23,
    where s grows with the number of correlated pixels)."""
    return shift * u / (1 + (shift - 1) * u)
