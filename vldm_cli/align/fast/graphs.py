"""Whole calls of a network as CUDA graphs: recorded once for each shape, then launched in one go.

A call of a small network is a thousand short kernels, which take the processor longer to hand over than the GPU to run.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from vldm_cli.align.layers import State

USUAL = 1
"""Calls of a shape that run as usual first: kernels are compiled and chosen in them."""
MOST = 8
"""Shapes that are recorded; a video has few, and each keeps memory."""
STALE = 32
"""After so many calls of others a shape's recording makes room for another's: a network sees many clips."""


class Recorded:
    """A network's forward, recorded; each recording is compared with a usual call before it is used. They must agree
    to the last bit: which calls are recorded depends on where a run began, and what it makes must not.

    `state` is what its temporal layers read besides the arguments, if it has such; the network must not depend on
    anything else that changes from call to call, and what it returns is the caller's own."""

    def __init__(self, forward: Callable[..., Any], state: State | None = None) -> None:
        self.forward, self.state = forward, state or State()
        self.calls: dict[Hashable, int] = {}
        self.recorded: dict[Hashable, tuple[torch.cuda.CUDAGraph, list[Tensor], Any] | None] = {}
        self.count = 0
        self.used: dict[Hashable, int] = {}  # of each recorded shape the last call
        # recordings never run at one time, so they share their memory
        self.pool: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        leaves = tree_flatten((args, kwargs))[0]
        device = next(x.device for x in leaves if isinstance(x, Tensor))
        with torch.cuda.device(device):  # a thread's current one need not be the network's
            return self._called(*args, **kwargs)

    def _called(self, *args: Any, **kwargs: Any) -> Any:
        state = self.state
        outside = (state.embedding_BE, state.context, state.text_BLD)
        leaves, tree = tree_flatten((args, kwargs, outside))
        tensors = [x for x in leaves if isinstance(x, Tensor)]
        others = tuple(None if isinstance(x, Tensor) else x for x in leaves)
        kinds = tuple((x.shape, x.stride(), x.dtype) for x in tensors)
        key = (str(tree), others, kinds, state.frames, state.on)
        self.count += 1
        if key not in self.recorded:
            self.calls[key] = self.calls.get(key, 0) + 1
            if self.calls[key] <= USUAL or not self._makes_room() or not _has_room():
                return self.forward(*args, **kwargs)
            self.used[key] = self.count
            usual = self.forward(*args, **kwargs)
            stream = torch.cuda.current_stream()
            try:
                self.recorded[key] = self._record(leaves, tree)
            except RuntimeError:
                # it cannot be recorded, or not beside the rest: it runs as usual, and that is said
                torch.cuda.set_stream(stream)  # torch leaves the recording's on where that fails
                torch.cuda.synchronize()
                self.recorded[key] = None
            if self.recorded[key] is not None and not _same(self._replayed(key, tensors), usual):
                self.recorded[key] = None
            if self.recorded[key] is None:
                warnings.warn("a network's calls cannot be recorded here, and run one by one", stacklevel=2)
            return usual
        self.used[key] = self.count
        if self.recorded[key] is None:
            return self.forward(*args, **kwargs)
        return self._replayed(key, tensors)

    def _makes_room(self) -> bool:
        """Whether another shape may be recorded, once one that is no longer in use has been given up for it."""
        if len(self.recorded) < MOST:
            return True
        oldest = min(self.used, key=self.used.__getitem__)
        if self.count - self.used[oldest] <= STALE:
            return False
        del self.recorded[oldest], self.used[oldest], self.calls[oldest]
        return True

    def _replayed(self, key: Hashable, tensors: list[Tensor]) -> Any:
        recorded = self.recorded[key]
        assert recorded is not None  # asked for by those who know
        graph, inputs, output = recorded
        torch._foreach_copy_(inputs, tensors)
        graph.replay()
        found, shape = tree_flatten(output)
        return tree_unflatten([x.clone() if isinstance(x, Tensor) else x for x in found], shape)

    def _record(self, leaves: list, tree: Any) -> tuple[torch.cuda.CUDAGraph, list[Tensor], Any]:
        state = self.state
        before = state.embedding_BE, state.context, state.text_BLD
        with torch.inference_mode(False):  # what is made in it could not be written to outside of it
            own = [x.clone() if isinstance(x, Tensor) else x for x in leaves]
        args, kwargs, outside = tree_unflatten(own, tree)
        if self.pool is None:
            self.pool = torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        try:
            state.embedding_BE, state.context, state.text_BLD = outside
            # other threads go on using CUDA: they write finished frames
            with torch.cuda.graph(graph, pool=self.pool, capture_error_mode="thread_local"):
                output = self.forward(*args, **kwargs)
        finally:
            state.embedding_BE, state.context, state.text_BLD = before
        return graph, [x for x in own if isinstance(x, Tensor)], output


def recorded_on(device: torch.device, run: Callable[..., Any]) -> Callable[..., Any]:
    """A function of tensors, numbers and None, recorded where it is to run on a CUDA device; elsewhere itself."""
    return Recorded(run) if device.type == "cuda" else run


def _has_room() -> bool:
    """Whether a recording's memory, which it keeps, is a small part of what the GPU has."""
    free, total = torch.cuda.mem_get_info()
    return free > total // 4


def _same(a: Any, b: Any) -> bool:
    """Whether a recording gives what a usual call gave."""
    pairs = zip(tree_flatten(a)[0], tree_flatten(b)[0], strict=True)
    return all(torch.equal(x, y) for x, y in pairs if isinstance(x, Tensor))
