"""A command on a clip: finished frames pulled segment by segment into a file that keeps all that the clip has.

The same journal, segments and order of work as in `chain`: an interrupted run goes on at its first missing segment
and ends with the same bytes.
"""

from collections.abc import Callable
from contextlib import closing
from fractions import Fraction

from vldm_cli.errors import RequestError
from vldm_cli.pipelines.clip.job import ClipJob, Job, identity
from vldm_cli.pipelines.clip.making import Making, Segments
from vldm_cli.pipelines.together import together
from vldm_cli.runs import attempt
from vldm_cli.runs.journal import Journal
from vldm_cli.runs.memory import check_fits, peak_bytes
from vldm_cli.runs.pool.crew import Crew
from vldm_cli.runs.pool.pool import Pool
from vldm_cli.runs.preview import ContactSheet
from vldm_cli.runs.progress import Clock, Meter, NullProgress, Progress
from vldm_cli.runs.result import Video
from vldm_cli.video.assemble import assemble

Work = Callable[[Journal, Progress, Clock], tuple[float | None, list[str], Crew | None]]
"""work(journal, progress, clock): makes the file; seconds until the first segment of this run was on disk, what is
to be said of what the clip carries, and the workers that did it, if it was a pool's."""


def run(job: Job, fingerprint: str, progress: Progress | None = None, pool: Pool | None = None) -> Video:
    """Makes the file, or goes on with the run that was interrupted. pool: workers that do it. RequestError, with
    nothing written, where that is no place for it; RunError when it breaks: what is finished is then kept."""
    return carry_out(
        job, fingerprint, progress, lambda *tools: _make(job, pool, *tools), pooled=pool is not None
    )


def carry_out(
    job: ClipJob, fingerprint: str, progress: Progress | None, work: Work, *, pooled: bool
) -> Video:
    """`run` of any job, whose work that is. pooled: whether workers do it, each of which looks at what its own machine
    has."""
    clock = Clock()
    check_out(job)
    if not pooled:
        check_fits(job.plan.get("estimated_peak_bytes", 0), job.device, job.remedy)
    remarks: list[str] = []
    made = attempt.attempt(
        job.out,
        identity(job, fingerprint),
        lambda journal: work(journal, progress or NullProgress(), clock),
        resume=job.resume,
        device=job.device,
        clock=clock,
        remedy=job.remedy,
        force=job.force,
        metadata=job.metadata,
        remarks=remarks,
    )
    first, said, crew = made or (None, [], None)
    return Video(
        out=job.out,
        frames=len(job.times),
        fps=job.times.fps,
        width=job.raw.width,
        height=job.raw.height,
        seconds={stage: round(seconds, 3) for stage, seconds in clock.seconds.items()},
        total_seconds=round(clock.elapsed, 3),
        first_segment_seconds=first,
        seed=job.seed,
        prompt=job.prompt,
        pack=job.pack,
        settings=job.all_settings,
        device=crew.words if crew else str(job.device),
        peak_memory_bytes=crew.peak_bytes if crew else peak_bytes(job.device),
        warnings=[*job.warnings, *remarks, *(crew.remarks if crew else []), *said],
        workers=crew.workers if crew else [],
    )


def check_out(job: ClipJob) -> None:
    """Raises RequestError when the file cannot or must not be written."""
    if job.out.exists() and job.out.samefile(job.clip.path):
        raise RequestError(f"{job.out} is the clip itself; name another --out")
    if job.kind == "gif" and job.times.shortest < Fraction(
        3, 200
    ):  # which is rounded to less than two hundredths
        raise RequestError(
            "a GIF shows no frame for less than 2/100 s (viewers make 10/100 of it), and some of these are shown for "
            f"{float(job.times.shortest):.3g} s; use .mp4 or .webp"
        )
    attempt.check_out(job.out, job.resume, job.force, job.metadata)


def _make(
    job: Job, pool: Pool | None, journal: Journal, progress: Progress, clock: Clock
) -> tuple[float | None, list[str], Crew | None]:
    """All segments that are missing, then the file."""
    making, count = Making(job), len(job.times)
    segments = making.segments
    totals = {**job.calls, **{stage: count for stage in (*job.stages, "write")}}
    meters = {stage: Meter(progress, stage, total) for stage, total in totals.items()}
    meters["join"] = Meter(progress, "join", 2)
    sheet = ContactSheet(job.preview, count, journal) if job.preview else None
    crew, first_seconds = None, None
    if pool is not None:
        crew, first_seconds = together(
            pool, making, segments, journal, meters, clock, progress, sheet, job.remedy
        )
    else:
        # whatever breaks, threads that make frames have ended before it is told
        with closing(Segments(job, journal, clock, meters, sheet)) as bench:
            for index, (start, stop) in enumerate(segments):
                if not journal.has_segment(index):
                    bench.segment(index)
                    first_seconds = clock.elapsed if first_seconds is None else first_seconds
                    if sheet:
                        sheet.write()
                for stage in (*job.stages, "write"):
                    meters[stage].upto(stop)
                progress.finished(stop - start)
    for stage, calls in job.calls.items():
        meters[stage].upto(calls)
    if sheet:  # a run that was stopped before it wrote it may have had its last segment
        sheet.write()
    with clock.stage("join"):
        joined = journal.joined(job.out.suffix)
        parts = [(journal.segment(index), start) for index, (start, _) in enumerate(segments)]
        said = assemble(job.clip, parts, joined, job.kind, job.times, job.baggage, job.metadata)
        meters["join"].upto(1)
        job.clip.check()
        journal.deliver(joined, job.out, job.force)
        meters["join"].upto(2)
    return first_seconds, said, crew
