"""A bank of ready training examples on the training device, renewed a chunk at a time.

Rendering, decoding and encoding are slower than a training step, so examples are made in chunks and used many
times over. Chunk i is a function of (seed, process, i) alone, so a resumed run rebuilds the very bank it had from
one number: how many chunks had been made.
"""

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

# Share of a timed run that making examples may take: before the first step, and then in all.
FILL_SHARE, RENEW_SHARE = 0.05, 0.15
# In a run counted in steps, one chunk is renewed every so many steps.
RENEW_STEPS = 50


class Bank:
    """A ring of `chunks` chunks. `make(i)` gives chunk i as {name: tensor (n, …)}, n the same for every chunk.
    share: of a timed run, for renewing them."""

    def __init__(
        self,
        make: Callable[[int], dict[str, Tensor]],
        chunks: int,
        device: torch.device,
        share: float = RENEW_SHARE,
    ):
        self.make, self.chunks, self.device, self.share = make, chunks, device, share
        self.made, self.length, self.spent = 0, 0, 0.0
        # several processes make their chunks at the same moments; the loop says how they agree
        self.agree: Callable[[bool], bool] = lambda wish: wish
        self.tensors: dict[str, Tensor] = {}
        # `size`, where a recorded step finds it (see `graphs`)
        self.filled = torch.zeros((), dtype=torch.float64, device=device)

    @property
    def size(self) -> int:
        """How many examples there are now."""
        return min(self.made, self.chunks) * self.length

    def add(self) -> None:
        """Make the next chunk; it takes the oldest one's place once the ring is full."""
        self._wait()
        start = time.monotonic()
        self._put(self.made)
        self.made += 1
        self.filled.fill_(self.size)
        self._wait()
        self.spent += time.monotonic() - start

    def fill(self, seconds: float | None) -> None:
        """Make chunks until the ring is full, or (timed) the seconds are over; at least one."""
        self.add()
        # The first chunk also pays for compiling and warming up, which tells nothing about the later ones.
        self.spent, start = 0.0, time.monotonic()
        while self.made < self.chunks:
            if seconds is not None and self.agree(time.monotonic() - start > seconds):
                break
            self.add()

    def renew(self, step: int, elapsed: float | None) -> None:
        """Called every step: adds a chunk when one is due. `elapsed` is the run's seconds so far, None if untimed."""
        due = step % RENEW_STEPS == 0 and step > 0
        if elapsed is not None:
            due = self.agree(self.spent < self.share * elapsed)
        if due:
            self.add()

    def restore(self, made: int, spent: float) -> None:
        """The bank as it was after `made` chunks, which took so many seconds."""
        for index in range(max(0, made - self.chunks), made):
            self._put(index)
        self.made, self.spent = made, spent
        self.filled.fill_(self.size)

    def draw(self, n: int) -> dict[str, Tensor]:
        """n random examples (with repetition), by torch's global generator."""
        index = (torch.rand(n, dtype=torch.float64, device=self.device) * self.filled).long()
        return {name: tensor[index] for name, tensor in self.tensors.items()}

    def _put(self, index: int) -> None:
        chunk = self.make(index)
        self.length = len(next(iter(chunk.values())))
        if not self.tensors:
            self.tensors = {
                name: torch.empty(
                    (self.chunks * self.length, *t.shape[1:]), dtype=t.dtype, device=self.device
                )
                for name, t in chunk.items()
            }
        slot = index % self.chunks * self.length
        for name, tensor in chunk.items():
            self.tensors[name][slot : slot + self.length] = tensor

    def _wait(self) -> None:
        # The clock means nothing while kernels are still queued; a chunk comes every few seconds at most.
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def chunk_seed(*key: int) -> int:
    """A seed of 63 bits that belongs to that key."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)
