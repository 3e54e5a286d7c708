"""A clip that goes on, as what it is made from, and its making unit by unit, in this process or in several."""

from collections.abc import Generator, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from vldm_cli.pipelines.extend.job import ExtendJob, frame_ticks
from vldm_cli.pipelines.generate.compose import BATCH
from vldm_cli.pipelines.generate.tail import are_made, tail_frames
from vldm_cli.runs.aside import Aside
from vldm_cli.runs.memory import check_fits
from vldm_cli.runs.pool.graph import SEGMENT, Graph, Unit
from vldm_cli.runs.pool.row import Row
from vldm_cli.runs.preview import Thumbnails
from vldm_cli.runs.progress import Clock, Meter, silent
from vldm_cli.runs.store import Store
from vldm_cli.stages.units import graph_of
from vldm_cli.video.copied import copy_packets, encode
from vldm_cli.video.kinds import KINDS
from vldm_cli.video.segments import encode_frames


@dataclass(frozen=True, eq=False)
class Making:
    """A `pool.graph.Recipe`. The clip's own frames are segments too."""

    job: ExtendJob

    def graph(self, device: str) -> Graph:
        job, last = self.job, self.job.source.last
        tail = [number - last for number in self.tail if number >= last]
        return graph_of(
            job.source.plan,
            BATCH[device],
            job.segments,
            own=job.kept,
            copied=job.copied,
            known=1,
            joined=True,
            tail=tail,
        )

    def bench(self, store: Store, clock: Clock, aside: Aside) -> "Segments":
        """Raises RequestError where a worker's device has by far too little memory for it."""
        source = self.job.source
        check_fits(source.plan.estimated_peak_bytes, source.models.device, self.job.remedy)
        return Segments(self, store, clock, aside)

    @property
    def tail(self) -> list[int]:
        """The frames, counted from the clip's first one on, whose latents the file keeps, so that it can be gone on
        from in its turn; none where it can keep nothing, or they are not made."""
        job = self.job
        if not KINDS[job.kind].codec:
            return []
        rate = Fraction(job.times.clock, frame_ticks(job.times))
        numbers = tail_frames(len(job.times), rate, job.source.models.pack.manifest)
        wanted = [job.clip.frames - job.kept + n for n in numbers]
        made = are_made([n - job.source.last for n in wanted if n >= job.source.last], job.source.plan)
        return wanted if made else []


class Segments:
    """Makes the units of one run in this process; segments in a row come out of one stream of frames. A
    `pool.graph.Bench`."""

    def __init__(
        self,
        making: Making,
        store: Store,
        clock: Clock,
        aside: Aside,
        meters: dict[str, Meter] | None = None,
        thumbnails: Thumbnails | None = None,
    ) -> None:
        """aside: where frames are encoded; meters: of progress, by stage; thumbnails: who sees new frames, for the
        others are known."""
        job = making.job
        if meters is None:
            meters = silent(job.source.plan.totals)
        if thumbnails is None and job.preview:
            thumbnails = Thumbnails(job.added, store)
        self.job, self.store, self.clock, self.aside = job, store, clock, aside
        self.meters, self.thumbnails = meters, thumbnails
        assert job.seed is not None  # drawn when the job was made
        self.stages = job.source.stages(job.seed, clock, store, meters)
        self.row = Row(self._frames)

    def do(self, unit: Unit) -> Future | None:
        if unit.stage == SEGMENT:
            return self.segment(unit.index)
        self.job.source.latents(self.stages)
        self.stages.make(unit)
        return None

    def segment(self, index: int) -> Future[float]:
        """That segment of the new file: packets of the clip, frames of it that are encoded again, or new ones. The
        run's seconds until its file was there; its frames are made now."""
        job = self.job
        start, stop = job.segments[index]
        copied = job.copied and start < job.kept

        def work(frames: Iterator[bytes]) -> float:
            def write(path: Path) -> None:
                how = job.kind, job.crf, job.encoder
                if start >= job.kept:
                    encode(job.style, path, frames, job.raw, job.look, job.times, start, how)
                elif copied:
                    copy_packets(job.clip, path)
                    job.clip.check()
                else:
                    encode_frames(path, frames, self._old, job.look, job.times, start, *how)

            self.store.make_segment(index, write)
            return self.clock.elapsed

        with self.clock.stage("write"):
            frames = () if copied else self.row.frames(start, stop, anew=start == job.kept)
            return self.aside.do(work, frames)

    def close(self) -> None:
        """Lets go of the stream."""
        self.row.close()

    def _frames(self, start: int) -> Generator[bytes, None, None]:
        """Frames of the new file from `start` on: the clip's to its last, or new ones."""
        job = self.job
        if start < job.kept:
            yield from job.clip.read(start, self._old)
            return
        made: Any = job.source.frames(self.stages, start - job.kept)
        with closing(made):
            for number, frame in enumerate(made, start - job.kept):
                if self.thumbnails and number in self.thumbnails.shown:
                    self.thumbnails.see(number, job.look.to_rgb(job.raw, frame))
                yield frame
                self.meters["write"].upto(number + 1 + job.encoded - job.added)

    @property
    def _old(self):
        """How the clip's own frames are read: as they are coded, where the file codes them so as well."""
        return self.job.clip.raw(rgb=self.job.kind in ("gif", "webp", "png"))
