"""DeepCache (Ma et al. 2023, arXiv:2312.00858): what the deep blocks of a UNet make changes little from step to step,
so it is computed at every n-th one and reused between: here in the second half of them. It changes the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from vldm_cli.align.layers import State

EVERY = 2
"""Steps from one whole call to the next."""


def reuse(unet: Any, state: State, every: int = EVERY) -> None:
    """In the second half of the steps, only every n-th call is a whole one. In the others only the UNet's first and
    last block run, with all that their temporal layers do, and the blocks between give what they gave before. In the
    first half, where a few steps decide what there is to be seen, nothing is reused, nor after a call of another
    shape."""
    deep = [*unet.down_blocks[1:], unet.mid_block, *unet.up_blocks[:-1]]
    kept = _Kept(state, every)
    for number, block in enumerate(block for block in deep if block is not None):
        block.forward = _or_kept(block.forward, kept, number)
    unet.forward = _watched(unet.forward, kept)


class _Kept:
    """What the deep blocks gave last, and whether it holds for the present call."""

    def __init__(self, state: State, every: int) -> None:
        self.state, self.every = state, every
        self.given: dict[int, Any] = {}
        self.kind: tuple | None = None
        self.whole = True

    def begin(self, x_NCHW: Tensor) -> None:
        kind = (x_NCHW.shape, x_NCHW.dtype, self.state.frames, self.state.on)
        step, first = self.state.step, -(-self.state.steps // 2)
        self.whole = kind != self.kind or step < first or (step - first) % self.every == self.every - 1
        self.kind = kind


def _watched(forward: Callable, kept: _Kept) -> Callable:
    def call(sample: Tensor, *args: Any, **kwargs: Any) -> Any:
        kept.begin(sample)
        return forward(sample, *args, **kwargs)

    return call


def _or_kept(forward: Callable, kept: _Kept, number: int) -> Callable:
    def call(*args: Any, **kwargs: Any) -> Any:
        if kept.whole:
            kept.given[number] = forward(*args, **kwargs)
        return kept.given[number]

    return call
