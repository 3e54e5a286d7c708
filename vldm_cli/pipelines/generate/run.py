"""`generate`: the stages composed into one source of finished frames, pulled segment by segment into a file.

Everything is pulled from the end. So the first segment is on disk after a few windows of each stage, memory depends
on the windows and not on the length, and a run that goes on starts right at its first missing segment.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from torch import Tensor

from vldm_cli import __version__
from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.generate.compose import Stages, as_image
from vldm_cli.pipelines.generate.prompt import check_length
from vldm_cli.pipelines.generate.request import (
    GenerateRequest,
    Settings,
    check_first_frame,
    identity,
    off_track,
    plan_of,
    resolve,
)
from vldm_cli.pipelines.generate.tail import KEY, are_made, pulled, stored, tail_frames
from vldm_cli.runs.attempt import attempt, check_out, seed_of
from vldm_cli.runs.journal import Journal
from vldm_cli.runs.memory import check_fits, peak_bytes
from vldm_cli.runs.preview import ContactSheet
from vldm_cli.runs.progress import Clock, Meter, NullProgress, Progress
from vldm_cli.runs.result import Video
from vldm_cli.stages.models import Models
from vldm_cli.stages.plan import Plan
from vldm_cli.stages.source import Source
from vldm_cli.video.kinds import KINDS, open_container
from vldm_cli.video.write import encode_segment, join_segments

REMEDY = "a smaller --size or --no-upscale needs less"


def generate(
    request: GenerateRequest, pack: Pack, progress: Progress | None = None, models: Models | None = None
) -> Video:
    """Makes the video that is asked for, or goes on with the run that was interrupted (METHOD.md §1 to §6).

    models: loaded ones to use again; by default the pack's are loaded as each stage begins. Raises RequestError,
    with nothing written, for what cannot be served, and RunError when it breaks: what is finished is then kept.
    """
    clock = Clock()
    settings = resolve(request, pack.manifest)
    models = models or Models(pack, request.device, request.dtype, request.running)
    check_first_frame(settings, pack.manifest)
    plan = plan_of(settings, pack.manifest, request.device)
    metadata = _metadata(settings, pack, request.seed)
    check_out(request.out, request.resume, request.force, metadata)
    check_fits(plan.estimated_peak_bytes, models.device, REMEDY)
    with clock.stage("load"):
        warnings = [*_read_prompt(models, settings), *off_track(settings, pack.manifest)]
        # what cannot be used is refused now and not after the journal is begun
        models.scheduler(settings.scheduler)
        models.prepare_for(plan)
        warnings += models.remarks

    def known_as(stored: dict) -> dict:
        return identity(settings, plan, pack.manifest, stored["seed"])

    seed = seed_of(request.seed, request.out, request.resume, known_as)
    run = _Run(request, settings, plan, pack, models, seed, clock)
    first_seconds = attempt(
        request.out,
        known_as({"seed": seed}),
        lambda journal: run.make(journal, progress or NullProgress()),
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
        device=str(models.device),
        peak_memory_bytes=peak_bytes(models.device),
        warnings=warnings,
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
        self.models, self.seed, self.clock = models, seed, clock
        self.kind = open_container(request.out)

    def make(self, journal: Journal, progress: Progress) -> float | None:
        """All segments that are missing, then the file. Seconds until the first segment of this run was on disk."""
        plan, out = self.plan, self.request.out
        meters = {stage: Meter(progress, stage, total) for stage, total in plan.totals.items()}
        speed = float(self.pack.manifest.video.fps / self.settings.fps)
        stages = Stages(self.settings, plan, self.models, self.seed, self.clock, journal, meters, speed=speed)
        frames = stages.frames(self.request.image)
        latents = stages.latents(self.request.image)
        sheet = ContactSheet(self.request.preview, plan.frames, journal) if self.request.preview else None
        stream: Iterator[np.ndarray] | None = None
        first_seconds = None
        for i, (start, stop) in enumerate(plan.segments):
            if journal.has_segment(i):
                stream = None
            else:
                stream = (
                    self.written(frames(start), start, meters["write"], sheet) if stream is None else stream
                )
                self.segment(journal, i, islice(stream, stop - start))
                first_seconds = self.clock.elapsed if first_seconds is None else first_seconds
                if sheet:
                    sheet.write()
            for stage, done in plan.progress(stop).items():
                meters[stage].upto(done)
            progress.finished(stop - start)
        if sheet:  # a run that was stopped before it wrote it may have had its last segment
            sheet.write()
        for stage in ("keyframes", *(level.stage for level in plan.levels)):
            meters[stage].upto(plan.calls[stage])
        with self.clock.stage("join"):
            joined = journal.joined(out.suffix)
            segments = [journal.segment(i) for i in range(len(plan.segments))]
            join_segments(segments, joined, self.kind, self.settings.fps, self.metadata(latents))
            meters["join"].upto(1)
            journal.deliver(joined, out, self.request.force)
            meters["join"].upto(2)
        return first_seconds

    def segment(self, journal: Journal, index: int, frames: Iterator[np.ndarray]) -> None:
        """One segment of the video from the frames that are pulled out of the chain."""

        def write(path: Path) -> None:
            encode_segment(path, frames, self.settings.fps, self.kind, self.settings.crf)

        with self.clock.stage("write"):
            journal.make_segment(index, write)

    def written(
        self, frames: Iterator[Tensor], start: int, meter: Meter, sheet: ContactSheet | None
    ) -> Iterator[np.ndarray]:
        """Frames as a file takes them, uint8 (H, W, 3)."""
        for frame, x_CHW in enumerate(frames, start):
            image_HWC = as_image(x_CHW)
            if sheet:
                sheet.see(frame, image_HWC)
            yield image_HWC
            meter.upto(frame + 1)

    def metadata(self, latents: Source) -> dict:
        """What `vldm info` shows and can make a command of, and what `extend` goes on from: nothing in it changes from
        run to run."""
        manifest, plan = self.pack.manifest, self.plan
        kept = {}
        if KINDS[self.kind].codec:
            numbers = tail_frames(plan.frames, self.settings.fps, manifest)
            if are_made(numbers, plan):
                kept[KEY] = stored(pulled(latents, numbers, plan), numbers, plan.frames, plan.out_size)
        return {**_metadata(self.settings, self.pack, self.seed), **kept}


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
    said = check_length(models.pack, models.words, settings.prompt, settings.negative)
    unknown = models.words.strange(settings.prompt) if models.words else []
    return [*said, f"pack {models.pack.name} has never seen: {', '.join(unknown)}"] if unknown else said
