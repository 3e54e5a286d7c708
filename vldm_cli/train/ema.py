"""Weights averaged over the run: what is exported, and what the sample sheets show."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from vldm_cli.train.flat import Flat

# EDM2's power-function profile (Karras et al. 2024, eq. 1, 2): the average reaches back over a fixed share of the
# steps done so far. Gamma 17 is a relative width of 5 %, the half-life being about 4 % of the run, so the same
# number serves a run of three minutes and one of three days.
GAMMA = 17.0


class Ema:
    """Average of `masters`, kept in float32 on their device. `average`: name → average of that parameter."""

    def __init__(self, masters: Flat):
        self.masters = masters
        self.flat = Flat(masters.like, torch.float32)
        self.flat.data.copy_(masters.data)
        self.average = self.flat.views
        self.share = torch.ones((), device=self.flat.data.device)

    def prepare(self, step: int) -> None:
        """The next `update` comes after optimiser step `step` (1 for the first)."""
        self.share.fill_(1 - (1 - 1 / step) ** (GAMMA + 1))

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are now."""
        self.flat.data.lerp_(self.masters.data, self.share)

    @contextmanager
    def applied(self, parameters: Mapping[str, Tensor]) -> Iterator[None]:
        """Inside, the model's parameters hold the averaged weights in float32; after it, their own again."""
        own = {name: p.data for name, p in parameters.items()}
        for name, p in parameters.items():
            p.data = self.average[name]
        try:
            yield
        finally:
            for name, p in parameters.items():
                p.data = own[name]
