"""The run of `extend`: the clip's own frames, then new ones, segment by segment into one file.

The same journal and order of work as in `clip_run`; the latents of finished windows are units of it too, so an
interrupted run goes on in the middle and ends with the same bytes.
"""

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

from vldm_cli.pipelines.clip.run import carry_out
from vldm_cli.pipelines.extend.job import ExtendJob, frame_ticks
from vldm_cli.pipelines.generate.tail import KEY, are_made, stored, tail_frames
from vldm_cli.runs.journal import Journal
from vldm_cli.runs.preview import ContactSheet
from vldm_cli.runs.progress import Clock, Meter, Progress
from vldm_cli.runs.result import Video
from vldm_cli.video.assemble import assemble
from vldm_cli.video.copied import copy_packets, encode
from vldm_cli.video.kinds import KINDS
from vldm_cli.video.segments import encode_frames
from vldm_cli.video.silence import pad_sound


def run(job: ExtendJob, fingerprint: str, progress: Progress | None = None) -> Video:
    """Makes the file, or goes on with the run that was interrupted. RequestError, with nothing written, where that is
    no place for it; RunError when it breaks: what is finished is then kept."""

    def work(journal: Journal, progress: Progress, clock: Clock) -> tuple[float | None, list[str]]:
        this = _Run(job, journal, progress, clock)
        return this.segments(), this.join()

    return carry_out(job, fingerprint, progress, work)


class _Run:
    """One run of a job, with its progress."""

    def __init__(self, job: ExtendJob, journal: Journal, progress: Progress, clock: Clock) -> None:
        self.job, self.journal, self.progress, self.clock = job, journal, progress, clock
        totals = {**job.source.plan.totals, "write": job.encoded}
        self.meters = {stage: Meter(progress, stage, total) for stage, total in totals.items()}
        assert job.seed is not None  # drawn when the job was made
        self.stages = job.source.stages(job.seed, clock, journal, self.meters)
        # Of the new frames alone: the others are known.
        self.sheet = ContactSheet(job.preview, job.added, journal) if job.preview else None

    def segments(self) -> float | None:
        """All segments that are missing. Seconds until the first one of this run was on disk."""
        job, journal, first_seconds = self.job, self.journal, None
        stream: Iterator[bytes] | None = None
        for index, (start, stop) in enumerate(job.segments):
            if journal.has_segment(index):
                stream = None
            else:
                if stream is None or start == job.kept:
                    stream = self.frames(start)
                with self.clock.stage("write"):
                    self.segment(index, start, islice(stream, stop - start))
                first_seconds = self.clock.elapsed if first_seconds is None else first_seconds
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
        for stage, calls in job.source.plan.calls.items():
            self.meters[stage].upto(calls)
        if self.sheet:  # a run that was stopped before it wrote it may have had its last segment
            self.sheet.write()
        return first_seconds

    def frames(self, start: int) -> Iterator[bytes]:
        """Frames of the new file from `start` on: the clip's to its last, or new ones."""
        job = self.job
        if start < job.kept:
            yield from job.clip.read(start, self._old)
            return
        made = job.source.frames(self.stages, start - job.kept)
        for number, frame in enumerate(made, start - job.kept):
            if self.sheet and number in self.sheet.shown:
                self.sheet.see(number, job.look.to_rgb(job.raw, frame))
            yield frame
            self.meters["write"].upto(number + 1 + job.encoded - job.added)

    def segment(self, index: int, start: int, frames: Iterator[bytes]) -> None:
        job = self.job

        def write(path: Path) -> None:
            if start >= job.kept:
                encode(job.style, path, frames, job.raw, job.look, job.times, start, (self.job.kind, job.crf))
            elif job.copied:
                copy_packets(job.clip, path)
                job.clip.check()
            else:
                encode_frames(path, frames, self._old, job.look, job.times, start, self.job.kind, job.crf)

        self.journal.make_segment(index, write)

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
        job = self.job
        if not KINDS[job.kind].codec:
            return {}
        frames, before = len(job.times), job.clip.frames - job.kept
        numbers = tail_frames(
            frames, Fraction(job.times.clock, frame_ticks(job.times)), job.source.models.pack.manifest
        )
        wanted = [before + n for n in numbers]
        if not are_made([n - job.source.last for n in wanted if n >= job.source.last], job.source.plan):
            return {}
        z_TCHW = job.source.tail(self.stages, wanted)
        return {KEY: stored(z_TCHW, numbers, frames, (job.raw.height, job.raw.width))}

    @property
    def _old(self):
        """How the clip's own frames are read: as they are coded, where the file codes them so as well."""
        return self.job.clip.raw(rgb=self.job.kind in ("gif", "webp", "png"))
