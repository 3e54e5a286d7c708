"""The processes that train together: one, or as many as `accelerate launch` has begun."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from accelerate import PartialState


@dataclass(frozen=True)
class Processes:
    """device: this process's own; many, rank: how many there are, and which of them it is."""

    device: torch.device
    many: int
    rank: int


@contextmanager
def together(device: str) -> Iterator[Processes]:
    """What trains on that device, until it is left: of several processes each has a GPU of its own."""
    asked = torch.device(device)
    state = PartialState(cpu=asked.type == "cpu")
    many = state.num_processes
    try:
        yield Processes(state.device if many > 1 else asked, many, state.process_index)
    finally:
        # left to the interpreter's end, the group's threads now and then abort a process that has done all its work
        state.destroy_process_group()
