"""Training steps as CUDA graphs: recorded once, then launched as a whole.

A step of a small model is a few thousand short kernels, and handing them to the GPU one by one takes the processor
longer than the GPU needs to run them. A recorded step is handed over in one go.
"""

from collections.abc import Callable, Hashable

import torch
from torch import Tensor

# Steps of each kind that run as usual before one is recorded: kernels are chosen and caches filled in them, and what an
# optimiser makes on its first step exists by then.
USUAL = 3


class Graphs:
    """Runs steps, those of each kind recorded after a few. Without CUDA every step runs as usual.

    A recorded step does what its function did while it was recorded, so whatever changes from step to step must be read
    from tensors that stay where they are. Random numbers are new ones each time, by the seed that is set before.
    """

    def __init__(self, device: torch.device, on: bool = True):
        self.on = on and device.type == "cuda"
        self.runs: dict[Hashable, int] = {}
        self.recorded: dict[Hashable, tuple[torch.cuda.CUDAGraph, dict[str, Tensor]]] = {}
        # Recorded steps never run at one time, so they share their memory; and one stream, so that nothing that was
        # made before the recording is waited for in it.
        self.pool = torch.cuda.graph_pool_handle() if self.on else None
        self.stream = torch.cuda.Stream(device) if self.on else None

    def run(self, kind: Hashable, step: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """One step of this kind; what it measured, valid until the next one."""
        if not self.on:
            return step()
        if kind not in self.recorded:
            self.runs[kind] = self.runs.get(kind, 0) + 1
            if self.runs[kind] <= USUAL:
                return self._beside(step)
            self.recorded[kind] = self._record(step)
        graph, measured = self.recorded[kind]
        graph.replay()
        return measured

    def _beside(self, step: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """A usual step on the stream that recordings are made on."""
        assert self.stream is not None  # where steps are recorded
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            measured = step()
        torch.cuda.current_stream().wait_stream(self.stream)
        return measured

    def _record(self, step: Callable[[], dict[str, Tensor]]):
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        torch.cuda.empty_cache()  # a recording has memory of its own
        # other threads may go on using CUDA meanwhile: the one that watches over sums of several processes does
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"):
            measured = step()
        return graph, {name: value.detach() for name, value in measured.items()}
