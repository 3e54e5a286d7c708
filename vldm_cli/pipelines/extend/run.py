"""The run of `extend`: the clip's own frames, then new ones, segment by segment into one file.

The same journal and order of work as in `clip_run`; the latents of finished windows are units of it too, so an
interrupted run goes on in the middle and ends with the same bytes.
"""

from concurrent.futures import Future
from contextlib import closing
from functools import partial

from vldm_cli.pipelines.clip.run import carry_out
from vldm_cli.pipelines.extend.job import ExtendJob
from vldm_cli.pipelines.extend.making import Making, Segments
from vldm_cli.pipelines.generate.tail import KEY, stored
from vldm_cli.pipelines.together import together
from vldm_cli.runs.aside import WAITING, Aside, in_turn
from vldm_cli.runs.journal import Journal
from vldm_cli.runs.pool.crew import Crew
from vldm_cli.runs.pool.pool import Pool
from vldm_cli.runs.preview import ContactSheet
from vldm_cli.runs.progress import Clock, Meter, Progress
from vldm_cli.runs.result import Video
from vldm_cli.video.assemble import assemble
from vldm_cli.video.silence import pad_sound


def run(
    job: ExtendJob, fingerprint: str, progress: Progress | None = None, pool: Pool | None = None
) -> Video:
    """Makes the file, or goes on with the run that was interrupted. pool: workers that do it. RequestError, with
    nothing written, where that is no place for it; RunError when it breaks: what is finished is then kept."""

    def work(
        journal: Journal, progress: Progress, clock: Clock
    ) -> tuple[float | None, list[str], Crew | None]:
        this = _Run(job, journal, progress, clock, pool is not None)
        first_seconds = this.segments() if pool is None else this.together(pool)
        return first_seconds, this.join(), this.crew

    return carry_out(job, fingerprint, progress, work, pooled=pool is not None)


class _Run:
    """One run of a job, with its progress."""

    def __init__(
        self, job: ExtendJob, journal: Journal, progress: Progress, clock: Clock, pooled: bool
    ) -> None:
        """pooled: whether workers make it."""
        self.job, self.journal, self.progress, self.clock = job, journal, progress, clock
        totals = {**job.source.plan.totals, "write": job.encoded}
        self.meters = {stage: Meter(progress, stage, total) for stage, total in totals.items()}
        # Of the new frames alone: the others are known.
        self.sheet = ContactSheet(job.preview, job.added, journal) if job.preview else None
        self.making = Making(job)
        self.aside = Aside(0 if pooled else WAITING[job.device.type])
        self.bench = Segments(self.making, journal, clock, self.aside, self.meters, self.sheet)
        self.crew: Crew | None = None

    def segments(self) -> float | None:
        """All segments that are missing. Seconds until the first one of this run was on disk."""
        job, journal, first_seconds = self.job, self.journal, None

        def begin(index: int) -> Future[float] | None:
            return None if journal.has_segment(index) else self.bench.segment(index)

        # whatever breaks, nothing is encoded any more when it is told
        with closing(self.aside), closing(self.bench):
            waits = partial(self.clock.stage, "write")
            for index, seconds in in_turn(range(len(job.segments)), begin, waits):
                start, stop = job.segments[index]
                if seconds is not None:
                    first_seconds = seconds if first_seconds is None else first_seconds
                    if self.sheet:
                        self.sheet.write()
                plan = job.source.plan
                for stage, done in plan.progress(plan.run_up + stop - job.kept + 1).items():
                    if stage in self.meters and stage != "write":
                        self.meters[stage].upto(done if stop > job.kept else 0)
                done = stop - len(job.times) + job.encoded
                if done > 0:  # packets that are copied are no frames to wait for
                    self.meters["write"].upto(done)
                    self.progress.finished(stop - start)
        self.finish()
        return first_seconds

    def together(self, pool: Pool) -> float | None:
        """The same by the workers of a pool."""
        job = self.job
        self.crew, first_seconds = together(
            pool,
            self.making,
            job.segments,
            self.journal,
            self.meters,
            self.clock,
            self.progress,
            self.sheet,
            job.remedy,
        )
        for stage, total in job.source.plan.totals.items():
            if stage not in ("write", "join"):
                self.meters[stage].upto(total)
        self.finish()
        return first_seconds

    def finish(self) -> None:
        """All segments are there."""
        for stage, calls in self.job.source.plan.calls.items():
            self.meters[stage].upto(calls)
        if self.sheet:  # a run that was stopped before it wrote it may have had its last segment
            self.sheet.write()

    def join(self) -> list[str]:
        """The file, with all that the clip carries and its sound as long as the frames."""
        job, journal = self.job, self.journal
        with self.clock.stage("join"):
            joined = journal.joined(job.out.suffix)
            parts = [(journal.segment(index), start) for index, (start, _) in enumerate(job.segments)]
            words = {**job.metadata, **self.kept()}
            said = assemble(job.clip, parts, joined, self.job.kind, job.times, job.baggage, words)
            self.meters["join"].upto(1)
            if any(track.stream.kind == "audio" for track in job.baggage.tracks):
                tags = job.baggage.all_tags
                said += pad_sound(joined, self.job.kind, job.times.seconds, job.times.clock, tags)
            job.clip.check()
            journal.deliver(joined, job.out, job.force)
            self.meters["join"].upto(2)
        return said

    def kept(self) -> dict:
        """What the file keeps so that it can be gone on from in its turn."""
        job, wanted = self.job, self.making.tail
        if not wanted:
            return {}
        numbers = [number - (job.clip.frames - job.kept) for number in wanted]
        z_TCHW = job.source.tail(self.bench.stages, wanted)
        return {KEY: stored(z_TCHW, numbers, len(job.times), (job.raw.height, job.raw.width))}
