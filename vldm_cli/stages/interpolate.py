"""Interpolation: three frames between each two known ones, T → 4T, and again (METHOD.md §5)."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from vldm_cli.runs.memory import in_halves
from vldm_cli.runs.progress import Meter
from vldm_cli.runs.units import Units
from vldm_cli.stages.denoiser import Denoiser
from vldm_cli.stages.levels import Level
from vldm_cli.stages.source import Reader, Source
from vldm_cli.stages.still import held_still
from vldm_cli.stages.windows import Window

FACTOR = 4


class Interpolation:
    """The source of one level's latents (C, h, w) from the source of its known ones, which pass through exactly.

    batch: windows in one call of the model. still: the threshold of `held_still`, 0 where frames stay as they were
    made. The windows of a video are put into batches from its beginning, so that
    a run which goes on computes the same batches and ends with the same bits. Each window is a unit of the journal,
    known frames included, so that going on needs nothing of the stages before.
    """

    def __init__(
        self,
        level: Level,
        known: Source,
        denoiser: Denoiser,
        journal: Units,
        meter: Meter,
        batch: int = 1,
        still: float = 0.0,
    ) -> None:
        self.level, self.known, self.denoiser, self.still = level, known, denoiser, still
        self.journal, self.meter = journal, meter
        self.groups = groups(level.windows, batch)

    def __call__(self, start: int) -> Iterator[Tensor]:
        """Frames start, start + 1, … at the finer rate; a window is made when its first frame is asked for."""
        if not self.level.windows:  # a single keyframe
            yield from self.known(start)
            return
        known = Reader(self.known)
        made: dict[int, Tensor] = {}
        windows = self.level.windows
        for i, window in enumerate(windows):
            stop = min(FACTOR * (window.stop - 1) + 1, self.level.made)
            if stop <= start:
                continue
            z_TCHW = made.pop(i, None)
            if z_TCHW is None:
                stored = self.journal.load(self.level.stage, i)
                if stored is None:
                    made = self._make(self.groups[i], known)
                    z_TCHW = made.pop(i)
                else:
                    z_TCHW = stored["z"]
            self.meter.upto((i + 1) * self.level.steps)
            for item in range(max(window.new, start), stop):
                yield z_TCHW[item - FACTOR * window.start]

    def _make(self, group: range, known: Reader) -> dict[int, Tensor]:
        """All latents (T, C, h, w) of each window of a group, by the window's index; stored in the journal."""
        windows = self.level.windows
        first, last = windows[group[0]], windows[group[-1]]
        z_KCHW = torch.stack(known.window(first.start, last.stop))
        done = group[0] * self.level.steps
        self.meter.upto(done)

        def run(indices: Sequence[int]) -> list[Tensor]:
            starts = [FACTOR * windows[i].start for i in indices]
            T = FACTOR * (first.length - 1) + 1
            z_BTCHW = torch.zeros(len(indices), T, *self.denoiser.shape)
            for z_TCHW, i in zip(z_BTCHW, indices, strict=True):
                z_TCHW[::FACTOR] = z_KCHW[windows[i].start - first.start : windows[i].stop - first.start]
            mask_T = (torch.arange(T) % FACTOR == 0).float()
            mask_BT = mask_T.repeat(len(indices), 1)

            def on_step(step: int) -> None:
                self.meter.upto(done + step * len(indices))

            return list(self.denoiser.fill(starts, z_BTCHW, mask_BT, on_step))

        made = dict(zip(group, in_halves(run, group), strict=True))
        if self.still:
            made = {i: held_still(z_TCHW, FACTOR, self.still) for i, z_TCHW in made.items()}
        for i, z_TCHW in made.items():
            self.journal.save(self.level.stage, i, {"z": z_TCHW})
        return made


def groups(windows: tuple[Window, ...], batch: int) -> list[range]:
    """For each window, the windows that are made with it: `batch` neighbours, all of one length."""
    groups: list[range] = []
    for i, window in enumerate(windows):
        if i and len(groups[-1]) < batch and windows[groups[-1][0]].length == window.length:
            groups[-1] = range(groups[-1].start, i + 1)
        else:
            groups.append(range(i, i + 1))
    return [group for group in groups for _ in group]
