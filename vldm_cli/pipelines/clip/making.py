"""A new clip, as what it is made from, and its making segment by segment, in this process or in several."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch

from vldm_cli.pipelines.clip.job import Job
from vldm_cli.runs.aside import Aside
from vldm_cli.runs.here import here
from vldm_cli.runs.memory import check_fits
from vldm_cli.runs.pool.graph import SEGMENT, Graph, Unit
from vldm_cli.runs.pool.row import Row
from vldm_cli.runs.preview import Thumbnails
from vldm_cli.runs.progress import Clock, Meter, silent
from vldm_cli.runs.store import Store
from vldm_cli.stages.plan import SEGMENT as LENGTH
from vldm_cli.video.segments import encode_frames

# Segments in a row: a worker reads the clip from its beginning to get at the first of them.
LANE = 64


@dataclass(frozen=True, eq=False)
class Making:
    """A `pool.graph.Recipe`: none of the segments needs another."""

    job: Job

    @property
    def segments(self) -> list[tuple[int, int]]:
        """[start, stop) of each, in frames."""
        count = len(self.job.times)
        return [(start, min(start + LENGTH, count)) for start in range(0, count, LENGTH)]

    def graph(self, device: str) -> Graph:
        units = {Unit(SEGMENT, index): stop - start for index, (start, stop) in enumerate(self.segments)}
        stages = (*self.job.stages, "write")
        told = {unit: dict.fromkeys(stages, frames) for unit, frames in units.items()}
        return Graph(dict.fromkeys(units, ()), told, LANE)

    def bench(self, store: Store, clock: Clock, aside: Aside) -> "Segments":
        """Nothing is done aside: on GPUs these frames are made ahead of the encoder. Raises RequestError where a
        worker's device has by far too little memory for them."""
        check_fits(self.job.plan.get("estimated_peak_bytes", 0), torch.device(here.device), self.job.remedy)
        return Segments(self.job, store, clock)


class Segments:
    """Makes segments in this process; those in a row come out of one stream of frames. A `pool.graph.Bench`."""

    def __init__(
        self,
        job: Job,
        store: Store,
        clock: Clock,
        meters: dict[str, Meter] | None = None,
        thumbnails: Thumbnails | None = None,
    ) -> None:
        """meters: of progress, by stage; thumbnails: who sees finished frames."""
        if meters is None:
            meters = silent(dict.fromkeys((*job.stages, *job.calls, "write"), len(job.times)))
        if thumbnails is None and job.preview:
            thumbnails = Thumbnails(len(job.times), store)
        self.job, self.store, self.clock = job, store, clock
        self.meters, self.thumbnails = meters, thumbnails
        self.row = Row(self._seen)

    def do(self, unit: Unit) -> None:
        self.segment(unit.index)

    def segment(self, index: int) -> None:
        """That segment of the new clip."""
        job, start = self.job, index * LENGTH
        stop = min(start + LENGTH, len(job.times))
        frames = self.row.frames(start, stop)

        def write(path: Path) -> None:
            encode_frames(path, frames, job.raw, job.look, job.times, start, job.kind, job.crf, job.encoder)

        with self.clock.stage("write"):
            self.store.make_segment(index, write)

    def close(self) -> None:
        """Lets go of the stream."""
        self.row.close()

    def _seen(self, start: int) -> Generator[bytes, None, None]:
        job = self.job
        with closing(job.make(start, self.clock, self.store, self.meters)) as made:
            for number, frame in enumerate(made, start):
                if self.thumbnails and number in self.thumbnails.shown:
                    self.thumbnails.see(number, job.look.to_rgb(job.raw, frame))
                yield frame
                self.meters["write"].upto(number + 1)
