"""`vldm extend`: a clip goes on."""

from typing import Annotated

import typer

from vldm_cli.commands import clip as shared


def extend(
    clip: shared.File,
    out: shared.Out = None,
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
    guidance: Annotated[float | None, typer.Option(help="How closely to follow the text.")] = None,
    context_guidance: Annotated[
        float | None, typer.Option(help="How closely to follow the frames before.")
    ] = None,
    fps: shared.Fps = None,
    device: shared.Device = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    crf: Annotated[
        int | None, typer.Option(help="Quality of the file, 0 (best) to 51; default: the clip's own, or 16.")
    ] = None,
    preview: shared.Preview = None,
    dry_run: shared.DryRun = False,
    as_json: shared.AsJson = False,
    resume: shared.Resume = True,
    force: shared.Force = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> None:
    """Continue a clip from its last frames, which stay as they are. Interrupted, the same command goes on."""
    from vldm_cli.commands import checks
    from vldm_cli.commands import device as devices
    from vldm_cli.commands.console import Console
    from vldm_cli.commands.remarks import check_material
    from vldm_cli.errors import RequestError
    from vldm_cli.packs.pack import Pack, embedded
    from vldm_cli.stages.request import MAX_FRAMES

    console = Console(quiet, verbose, as_json)
    if not 1 <= frames <= MAX_FRAMES:
        raise RequestError(f"--frames {frames} is not between 1 and {MAX_FRAMES}")
    if steps is not None and not 1 <= steps <= 1000:
        raise RequestError(f"--steps {steps} is not between 1 and 1000")
    if seed is not None and not 0 <= seed < 2**63:
        raise RequestError(f"--seed {seed} is not between 0 and 2^63 − 1")
    checks.check_weights(guidance=guidance, context_guidance=context_guidance)
    model = None if pack is None else Pack.open(pack)
    opened, out = shared.prepare(clip, out, "extended", 16 if crf is None else crf, fps, preview, force)

    from vldm_cli.stages.extend_settings import Memory, Options

    memory = Memory.of(opened)
    model = model or Pack.open(memory.pack if memory.pack in embedded() else "toyland")
    options = Options(frames, memory.prompt if prompt is None else prompt, negative, only_new, seed, steps)
    warning = check_material(
        model,
        opened.path.name,
        memory.pack == model.name,
        options.prompt or "",
        negative or memory.negative or "",
    )
    chosen = devices.choose_device(device)
    number = devices.choose_dtype(dtype, chosen)

    from dataclasses import replace

    from vldm_cli.stages.extend_job import make_job

    options = replace(
        options,
        guidance=guidance,
        context_guidance=context_guidance,
        crf=crf,
        device=chosen,
        dtype=number,
    )
    job = make_job(opened, model, out, options, memory=memory, preview=preview, resume=resume, force=force)
    job = replace(job, warnings=[*([warning] if warning else []), *job.warnings])
    shared.check_place(job)
    console.detail(f"{chosen}, {number}: {job.settings}")
    if not dry_run:
        _make(console, job)
        return
    plan = job.plan
    words = f"{plan['context']} frames of context, {plan['keyframes']} new keyframes, one every "
    words += f"{plan['keyframe_step']} frames, {sum(plan['calls'].values())} denoiser calls"
    shared.show_plan(console, job, [words])


def _make(console, job) -> None:
    """Runs the job, with progress, and says what came out."""
    from vldm_cli.commands.console import clock
    from vldm_cli.stages.extend_run import run

    result = shared.run_job(console, job, run, job.encoded)
    text = (
        f"{result.out}: {result.frames} frames of {result.width}x{result.height}, {job.added} of them new, "
    )
    text += f"{float(job.times.seconds):.3f} s, seed {job.seed}, made in {clock(result.total_seconds)}"
    console.result({**result.as_table(), "prompt": job.settings["prompt"]}, text)
