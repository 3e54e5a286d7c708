"""`vldm extend`: a clip goes on."""

from typing import Annotated

import typer

from vldm_cli.commands import clip as shared
from vldm_cli.commands import options


@options.on_clip
def extend(
    clip: options.File,
    out: options.Out = None,
    frames: Annotated[int, typer.Option(help="How many frames to add, 1 to 10000.")] = 96,
    prompt: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="What happens; default: the clip's own prompt, if it has one."),
    ] = None,
    negative: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What the new frames do not show.")
    ] = None,
    only_new: Annotated[
        bool, typer.Option("--only-new", help="Only the new frames, without the clip's.")
    ] = False,
    pack: Annotated[
        str | None,
        typer.Option(help="The model: a pack's name or folder; default: what made the clip, or toyland."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="The same seed gives the same video; default: the clip's own, or drawn."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Denoising steps; default: the clip's own or the pack's.")
    ] = None,
    guidance: options.Guidance = None,
    context_guidance: options.ContextGuidance = None,
    dtype: options.Dtype = "auto",
    crf: Annotated[
        int | None, typer.Option(help="Quality of the file, 0 (best) to 51; default: the clip's own, or 16.")
    ] = None,
    *,
    common: options.OnClip,
) -> None:
    """Continue a clip from its last frames, which stay as they are. Interrupted, the same command goes on."""
    from vldm_cli.api import checks
    from vldm_cli.api import device as devices
    from vldm_cli.api.remarks import check_material
    from vldm_cli.commands.console import Console
    from vldm_cli.errors import RequestError
    from vldm_cli.packs.pack import Pack, embedded
    from vldm_cli.pipelines.generate.request import MAX_FRAMES

    console = Console(common.quiet, common.verbose, common.as_json)
    if not 1 <= frames <= MAX_FRAMES:
        raise RequestError(f"--frames {frames} is not between 1 and {MAX_FRAMES}")
    checks.check_sampling(steps, seed)
    checks.check_weights(guidance=guidance, context_guidance=context_guidance)
    model = None if pack is None else Pack.open(pack)
    opened, out = shared.prepare(clip, out, "extended", 16 if crf is None else crf, common)

    from vldm_cli.pipelines.extend.settings import Memory, Options

    memory = Memory.of(opened)
    model = model or Pack.open(memory.pack if memory.pack in embedded() else "toyland")
    asked = Options(frames, memory.prompt if prompt is None else prompt, negative, only_new, seed, steps)
    warning = check_material(
        model,
        opened.path.name,
        memory.pack == model.name,
        asked.prompt or "",
        negative or memory.negative or "",
    )
    chosen = devices.choose_device(common.device)
    number = devices.choose_dtype(dtype, chosen)

    from dataclasses import replace

    from vldm_cli.pipelines.extend.job import make_job
    from vldm_cli.pipelines.extend.run import run

    asked = replace(
        asked,
        guidance=guidance,
        context_guidance=context_guidance,
        crf=crf,
        device=chosen,
        dtype=number,
    )
    job = make_job(opened, model, out, asked, memory=memory, **common.for_job())
    job = replace(job, warnings=[*([warning] if warning else []), *job.warnings])
    shared.check_place(job)
    console.detail(f"{chosen}, {number}: {job.settings}")
    if not common.dry_run:
        shared.make(console, job, run, f"{job.added} of them new, ", {"prompt": job.settings["prompt"]})
        return
    plan = job.plan
    words = f"{plan['context']} frames of context, from the clip's {plan['context_from']}, "
    words += f"{plan['keyframes']} new keyframes, one every {plan['keyframe_step']} frames, "
    words += f"{sum(plan['calls'].values())} denoiser calls"
    shared.show_plan(console, job, [words])
