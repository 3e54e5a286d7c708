"""`interpolate` put together: a clip and options become a job for `clip_run`, by either engine."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import torch

from vldm_cli.errors import RequestError
from vldm_cli.packs.pack import Pack
from vldm_cli.stages.clip_job import Job
from vldm_cli.stages.costs import BASE, RATES
from vldm_cli.stages.engine import DIFFUSION, MOTION, steps_between
from vldm_cli.stages.extend_settings import Memory, Options, settings_of
from vldm_cli.stages.fit import Fit
from vldm_cli.stages.interpolate_clip import AREA, HELD, SPEED, STAGE, InterpolateClip
from vldm_cli.stages.interpolate_latents import InterpolateLatents, cuts_of
from vldm_cli.stages.journal import Journal
from vldm_cli.stages.levels import trained_step
from vldm_cli.stages.models import Models
from vldm_cli.stages.plan import make_plan
from vldm_cli.stages.progress import Clock, Meter
from vldm_cli.stages.request import numbers_of
from vldm_cli.video.carry import packed
from vldm_cli.video.clip import Clip
from vldm_cli.video.kinds import open_container
from vldm_cli.video.segments import stored_look

# Of the settings of a chain those that decide frames between known ones.
DECIDES = {"prompt", "negative", "upscale", "upscale_noise", "height", "width", "scheduler", "dtype"}
DECIDES |= {"interpolation_steps", "upscale_steps"}


def make_job(
    clip: Clip,
    out: Path,
    factor: int,
    slow: bool,
    device: str,
    *,
    crf: int,
    pack: Pack | None = None,
    seed: int | None = None,
    dtype: str = "float32",
    models: Models | None = None,
    preview: Path | None = None,
    resume: bool = True,
    force: bool = False,
) -> Job:
    """`pack`: the one whose interpolation makes the frames between (see `engine.pack_for`), None: motion does; `seed`
    None: the clip's own. Raises RequestError where there is nothing to make or the file cannot hold it."""
    if clip.frames < 2:
        raise RequestError(
            f"{clip.path} has one frame, so there is nothing between; give a clip of at least two"
        )
    kind = open_container(out)
    rgb = kind in ("gif", "webp", "png")
    source = InterpolateClip(clip, factor, torch.device(device), rgb)
    look, said = stored_look(clip.look, kind, clip.height, clip.width)
    baggage = packed(clip.report, kind, factor if slow else 1)
    times = clip.times.split(factor, slow)
    if kind == "gif" and not slow and times.fps > 50:
        raise RequestError(
            f"a GIF shows at most 50 frames a second, not {float(times.fps):.3g}; use .mp4 or --slow"
        )

    def make(start: int, clock: Clock, journal: Journal, meters: dict[str, Meter]) -> Iterator[bytes]:
        return clock.timed(STAGE, source.frames(start, meters[STAGE]))

    area, made = clip.height * clip.width, (clip.frames - 1) * (factor - 1)
    device_type = source.device.type
    seconds = made * area / AREA / SPEED[device_type]
    seconds += len(times) * area / RATES[device_type]["write"] / 40_960
    job = Job(
        clip=clip,
        out=out,
        command="interpolate",
        settings={"factor": factor, "slow": slow, "engine": MOTION},
        make=make,
        raw=source.raw,
        look=look,
        times=times,
        baggage=baggage,
        stages=(STAGE,),
        crf=crf,
        device=source.device,
        remedy="use --device cpu or a smaller clip",
        preview=preview,
        resume=resume,
        force=force,
        warnings=[*clip.warnings, *baggage.remarks, *said],
        plan={
            "engine": MOTION,
            "known": clip.frames,
            "made": made,
            "estimated_total_seconds": round(seconds, 3),
            "estimated_peak_bytes": BASE[device_type] // 3 + HELD * area,
        },
    )
    if pack is None:
        return job
    return _by_diffusion(job, models or Models(pack, device, dtype), seed, factor)


def _by_diffusion(job: Job, models: Models, seed: int | None, factor: int) -> Job:
    """The same job, whose frames the pack's interpolation makes."""
    clip, pack = job.clip, models.pack
    manifest, memory = pack.manifest, Memory.of(clip)
    seed = memory.seed if seed is None else seed
    steps = steps_between(clip, manifest)
    frames, dtype = factor * (clip.frames - 1) + 1, str(models.dtype).removeprefix("torch.")
    options = Options(frames=frames, crf=job.crf, device=str(models.device), dtype=dtype)
    settings = settings_of(options, memory, manifest, clip, Fraction(clip.times.fps * factor), factor)
    fit = Fit.of(clip, (settings.height, settings.width))
    coarse, fine = settings.interpolation_steps
    if trained_step(float(steps / factor)) != 1:  # the one pass there is, is the coarse one
        fine = coarse
    settings = replace(
        settings,
        upscale=fit.enlarges and pack.upscales,
        interpolation_steps=(coarse, fine),
    )
    cuts = cuts_of(clip, fit)
    plan = make_plan(
        frames,
        factor,
        numbers=numbers_of(settings, manifest),
        size=(settings.height, settings.width),
        upscale=settings.upscale,
        between=True,
        cuts=cuts,
        device=models.device.type,
    )
    source = InterpolateLatents(
        clip,
        models,
        settings,
        plan,
        fit,
        factor=factor,
        speed=float(steps / factor),
        cuts=cuts,
        seed=seed,
        raw=job.raw,
    )
    known_by = {name: value for name, value in settings.as_dict().items() if name in DECIDES}
    return replace(
        job,
        make=source.frames,
        settings={**job.settings, "engine": DIFFUSION, **known_by},
        stages=("decode", "upscale") if plan.upscale else ("decode",),
        calls={stage: n for stage, n in plan.calls.items() if stage != "upscale"},
        device=models.device,
        remedy="--dtype bfloat16 needs less, and --engine motion needs little",
        pack={"name": manifest.name, "hash": manifest.hash},
        seed=seed,
        plan={
            **job.plan,
            "engine": DIFFUSION,
            "cuts": len(cuts),
            "calls": plan.calls,
            "estimated_total_seconds": round(sum(plan.estimated_seconds.values()), 3),
            "estimated_peak_bytes": plan.estimated_peak_bytes,
        },
    )
