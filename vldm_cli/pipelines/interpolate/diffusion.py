"""The job of `interpolate` where a pack's interpolation makes the frames, in latents."""

from dataclasses import replace
from fractions import Fraction

from vldm_cli.pipelines.clip.fit import Fit
from vldm_cli.pipelines.clip.job import Job
from vldm_cli.pipelines.extend.settings import Memory, Options, settings_of
from vldm_cli.pipelines.generate.settings import numbers_of
from vldm_cli.pipelines.interpolate.engine import steps_between
from vldm_cli.pipelines.interpolate.latents import InterpolateLatents, cuts_of
from vldm_cli.pipelines.interpolate.names import DIFFUSION
from vldm_cli.stages.levels import trained_step
from vldm_cli.stages.models import Models
from vldm_cli.stages.plan import make_plan

# Of the settings of a chain those that decide frames between known ones.
DECIDES = {"prompt", "negative", "upscale", "upscale_noise", "height", "width", "scheduler", "dtype"}
DECIDES |= {"interpolation_steps", "upscale_steps", "fast", "memory"}


def by_diffusion(job: Job, models: Models, seed: int | None, factor: int) -> Job:
    """The job of `interpolate_job.make_job`, whose frames the pack's interpolation makes instead of motion. seed: None
    for the clip's own."""
    clip, pack = job.clip, models.pack
    manifest, memory = pack.manifest, Memory.of(clip)
    seed = memory.seed if seed is None else seed
    assert seed is not None  # `engine.pack_for` chooses diffusion only for clips that have one
    steps = steps_between(clip, manifest)
    frames, dtype = factor * (clip.frames - 1) + 1, str(models.dtype).removeprefix("torch.")
    options = Options(
        frames=frames, crf=job.crf, device=str(models.device), dtype=dtype, running=models.running
    )
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
        given=True,
        cuts=cuts,
        device=job.device.type,
    )
    models.scheduler(settings.scheduler)
    models.prepare_for(plan)
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
        pack=manifest.told,
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
