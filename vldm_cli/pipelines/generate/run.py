"""`generate`: the stages composed into one source of finished frames, pulled segment by segment into a file.

Everything is pulled from the end. So the first segment is on disk after a few windows of each stage, memory depends
on the windows and not on the length, and a run that goes on starts right at its first missing segment.
"""

from concurrent.futures import Future
from contextlib import closing
from functools import partial

from vldm_cli import __version__
from vldm_cli.packs.origins.licences import licence_remark
from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.generate.making import REMEDY, Making, Segments
from vldm_cli.pipelines.generate.prompt import unheard
from vldm_cli.pipelines.generate.request import GenerateRequest
from vldm_cli.pipelines.generate.settings import (
    Settings,
    check_first_frame,
    identity,
    off_track,
    plan_of,
    resolve,
)
from vldm_cli.pipelines.generate.sketches import remarks
from vldm_cli.pipelines.generate.tail import KEY, are_made, pulled, stored, tail_frames
from vldm_cli.pipelines.together import together
from vldm_cli.runs.aside import WAITING, Aside, in_turn
from vldm_cli.runs.attempt import attempt, check_out, seed_of
from vldm_cli.runs.journal import Journal
from vldm_cli.runs.memory import check_fits, peak_bytes
from vldm_cli.runs.pool.crew import Crew
from vldm_cli.runs.pool.pool import Pool
from vldm_cli.runs.preview import ContactSheet
from vldm_cli.runs.progress import Clock, Meter, NullProgress, Progress
from vldm_cli.runs.result import Video
from vldm_cli.stages.models import Models
from vldm_cli.stages.plan import Plan
from vldm_cli.stages.source import Source
from vldm_cli.video.kinds import KINDS, open_container
from vldm_cli.video.write import join_segments


def generate(
    request: GenerateRequest,
    pack: Pack,
    progress: Progress | None = None,
    models: Models | None = None,
    pool: Pool | None = None,
) -> Video:
    """Makes the video that is asked for, or goes on with the run that was interrupted (METHOD.md §1 to §6).

    models: loaded ones to use again; by default the pack's are loaded as each stage begins. pool: workers that make it,
    with models of their own. Raises RequestError, with nothing written, for what cannot be served, and RunError when it
    breaks: what is finished is then kept.
    """
    clock = Clock()
    settings = resolve(request, pack.manifest)
    models = models or Models(pack, request.device, request.dtype, request.running)
    check_first_frame(settings, pack.manifest)
    plan = plan_of(settings, pack.manifest, request.device)
    metadata = _metadata(settings, pack, request.seed)
    check_out(request.out, request.resume, request.force, metadata)
    if pool is None:  # each worker looks at what its own machine has
        check_fits(plan.estimated_peak_bytes, models.device, REMEDY)
    with clock.stage("load"):
        warnings = [*_read_prompt(models, settings), *off_track(settings, pack.manifest)]
        warnings += filter(None, [licence_remark(pack)])
        # what cannot be used is refused now and not after the journal is begun
        models.scheduler(settings.scheduler)
        models.prepare_for(plan)
        warnings += models.remarks
        warnings += remarks(request.sketches, settings.interpolation, settings.frames)

    def known_as(stored: dict) -> dict:
        return identity(settings, plan, pack.manifest, stored["seed"])

    seed = seed_of(request.seed, request.out, request.resume, known_as)
    run = _Run(request, settings, plan, pack, models, seed, clock)
    first_seconds = attempt(
        request.out,
        known_as({"seed": seed}),
        lambda journal: run.make(journal, progress or NullProgress(), pool),
        resume=request.resume,
        device=models.device,
        clock=clock,
        remedy=REMEDY,
        force=request.force,
        metadata=metadata,
        remarks=warnings,
    )
    height, width = plan.out_size
    return Video(
        out=request.out,
        frames=plan.frames,
        fps=settings.fps,
        width=width,
        height=height,
        seconds={stage: round(seconds, 3) for stage, seconds in clock.seconds.items()},
        total_seconds=round(clock.elapsed, 3),
        first_segment_seconds=first_seconds,
        seed=seed,
        prompt=settings.prompt,
        pack=pack.manifest.told,
        settings=settings.as_dict(),
        device=run.crew.words if run.crew else str(models.device),
        peak_memory_bytes=run.crew.peak_bytes if run.crew else peak_bytes(models.device),
        warnings=[*warnings, *(run.crew.remarks if run.crew else [])],
        workers=run.crew.workers if run.crew else [],
    )


class _Run:
    """One run: what is made, with what, and the clock."""

    def __init__(
        self,
        request: GenerateRequest,
        settings: Settings,
        plan: Plan,
        pack: Pack,
        models: Models,
        seed: int,
        clock: Clock,
    ) -> None:
        self.request, self.settings, self.plan, self.pack = request, settings, plan, pack
        self.seed, self.clock = seed, clock
        kind = open_container(request.out)
        self.making = Making(
            settings,
            plan,
            models,
            seed,
            request.image,
            kind,
            request.preview is not None,
            _tail(plan, settings, pack, kind),
            request.sketches,
        )
        self.crew: Crew | None = None

    def make(self, journal: Journal, progress: Progress, pool: Pool | None) -> float | None:
        """All segments that are missing, by the pool's workers if there is one, then the file. Seconds until the first
        segment of this run was on disk."""
        plan, out = self.plan, self.request.out
        meters = {stage: Meter(progress, stage, total) for stage, total in plan.totals.items()}
        sheet = ContactSheet(self.request.preview, plan.frames, journal) if self.request.preview else None
        aside = Aside(0 if pool is not None else WAITING[self.making.models.device.type])
        bench = Segments(self.making, journal, self.clock, aside, meters, sheet)
        if pool is not None:
            self.crew, first_seconds = together(
                pool, self.making, plan.segments, journal, meters, self.clock, progress, sheet, REMEDY
            )
        else:
            first_seconds = self.alone(bench, journal, progress, sheet)
        if sheet:  # a run that was stopped before it wrote it may have had its last segment
            sheet.write()
        for stage in ("keyframes", *(level.stage for level in plan.levels)):
            meters[stage].upto(plan.calls[stage])
        with self.clock.stage("join"):
            joined = journal.joined(out.suffix)
            segments = [journal.segment(i) for i in range(len(plan.segments))]
            join_segments(segments, joined, self.making.kind, self.settings.fps, self.metadata(bench.latents))
            meters["join"].upto(1)
            journal.deliver(joined, out, self.request.force)
            meters["join"].upto(2)
        return first_seconds

    def alone(
        self, bench: Segments, journal: Journal, progress: Progress, sheet: ContactSheet | None
    ) -> float | None:
        """All segments that are missing, one after the other in this process."""
        first_seconds, segments = None, self.plan.segments

        def begin(index: int) -> Future[float] | None:
            return None if journal.has_segment(index) else bench.segment(index)

        # whatever breaks, nothing is encoded any more when it is told
        with closing(bench.aside), closing(bench):
            waits = partial(self.clock.stage, "write")
            for index, seconds in in_turn(range(len(segments)), begin, waits):
                start, stop = segments[index]
                if seconds is not None:
                    first_seconds = seconds if first_seconds is None else first_seconds
                    if sheet:
                        sheet.write()
                for stage, done in self.plan.progress(stop).items():
                    bench.meters[stage].upto(done)
                progress.finished(stop - start)
        return first_seconds

    def metadata(self, latents: Source) -> dict:
        """What `vldm info` shows and can make a command of, and what `extend` goes on from: nothing in it changes from
        run to run."""
        plan = self.plan
        kept = {}
        numbers = list(self.making.tail)
        if numbers:
            kept[KEY] = stored(pulled(latents, numbers, plan), numbers, plan.frames, plan.out_size)
        return {**_metadata(self.settings, self.pack, self.seed), **kept}


def _tail(plan: Plan, settings: Settings, pack: Pack, kind: str) -> tuple[int, ...]:
    """The frames whose latents the file keeps; none where it can keep nothing, or they are not made."""
    numbers = tail_frames(plan.frames, settings.fps, pack.manifest) if KINDS[kind].codec else []
    return tuple(numbers) if are_made(numbers, plan) else ()


def _metadata(settings: Settings, pack: Pack, seed: int | None) -> dict:
    """What `vldm info` shows and can make a command of; without the seed where it is None."""
    return {
        "vldm": __version__,
        "command": "generate",
        "prompt": settings.prompt,
        **({} if seed is None else {"seed": seed}),
        "pack": pack.manifest.told,
        "settings": settings.as_dict(),
    }


def _read_prompt(models: Models, settings: Settings) -> list[str]:
    """Warnings about what the pack does not know or read. Raises RequestError for a text that is too long."""
    said, unknown = unheard(models.pack, models.words, settings.text, settings.negative)
    return [*said, f"pack {models.pack.name} has never seen: {', '.join(unknown)}"] if unknown else said
