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
    """What the deep blocks gave last, and whether it holds for the present call. Calls of one step, as passes of
    guidance are that run one after the other, have each their own."""

    def __init__(self, state: State, every: int) -> None:
        self.state, self.every = state, every
        self.given: dict[tuple[int, int], Any] = {}
        self.kinds: dict[int, tuple] = {}
        self.step, self.pass_ = -1, 0
        self.whole = True

    def begin(self, x_NCHW: Tensor) -> None:
        kind = (x_NCHW.shape, x_NCHW.dtype, self.state.frames, self.state.on)
        step, first = self.state.step, -(-self.state.steps // 2)
        self.pass_ = self.pass_ + 1 if step == self.step else 0
        self.step = step
        due = step < first or (step - first) % self.every == self.every - 1
        self.whole = due or kind != self.kinds.pop(self.pass_, None)
        # of the last step nothing is kept, however many calls there are of it
        if step + 1 < self.state.steps:
            self.kinds[self.pass_] = kind

    def through(self, forward: Callable, number: int, args: tuple, kwargs: dict) -> Any:
        """What block `number` gives, or gave."""
        place = self.pass_, number
        if not self.whole:
            return self.given[place]
        made = forward(*args, **kwargs)
        if self.pass_ in self.kinds:
            self.given[place] = made
        return made


def _watched(forward: Callable, kept: _Kept) -> Callable:
    def call(sample: Tensor, *args: Any, **kwargs: Any) -> Any:
        kept.begin(sample)
        return forward(sample, *args, **kwargs)

    return call


def _or_kept(forward: Callable, kept: _Kept, number: int) -> Callable:
    def call(*args: Any, **kwargs: Any) -> Any:
        return kept.through(forward, number, args, kwargs)

    return call
