"""The first case in variants: what each kernel, and each choice of PyTorch's, is worth in a whole call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from vldm_cli.align.fast import ops, trial
from vldm_cli.align.fast.graphs import Recorded
from vldm_cli.measure.peers.models import Case
from vldm_cli.measure.peers.timing import median

ROUNDS = 6


def variants(case: Case) -> dict[str, float]:
    """Milliseconds of the case's own call, its model made fast already: as it is recorded; launched one by one; with
    one kernel switched off; and with other choices."""
    unet: Any = case.model.unet
    found = {"recorded": median(case.ours, ROUNDS)}
    recorded = unet.forward
    unet.forward = getattr(recorded, "forward", recorded)
    try:
        found["one by one"] = median(case.ours, ROUNDS)
        for name, switched in _switches():
            with switched():
                found[name] = _recorded(case, unet)
    finally:
        unet.forward = recorded
    return {name: round(milliseconds, 2) for name, milliseconds in found.items()}


def _recorded(case: Case, unet: Any) -> float:
    usual = unet.forward
    unet.forward = Recorded(usual, case.model.state)
    try:
        return median(case.ours, ROUNDS)
    finally:
        unet.forward = usual


def _switches() -> Iterator[tuple[str, Callable]]:
    for name in trial.HOMES:
        yield f"without {name}", lambda name=name: _off(name)
    yield "cuDNN's attention last", _flash_first
    yield "cudnn.benchmark", lambda: torch.backends.cudnn.flags(benchmark=True)


@contextmanager
def _off(name: str) -> Iterator[None]:
    ops.OFF.add(name)
    try:
        yield
    finally:
        ops.OFF.discard(name)


@contextmanager
def _flash_first() -> Iterator[None]:
    first, *others = ops.BACKENDS
    ops.BACKENDS[:] = [*others, first]
    try:
        yield
    finally:
        ops.BACKENDS[:] = [first, *others]
