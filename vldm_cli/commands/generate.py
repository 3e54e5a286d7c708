"""`vldm generate`: text (or text and a first frame) → video."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from vldm_cli.commands import options

Text = Annotated[str, typer.Argument(metavar="PROMPT", help="What the video shows.")]


def generate(
    prompt: Text,
    out: options.Out = None,
    frames: Annotated[int, typer.Option(help="How many frames, 1 to 10000.")] = 240,
    image: Annotated[Path | None, typer.Option(help="A picture that is the first frame.")] = None,
    negative: Annotated[str, typer.Option(metavar="TEXT", help="What the video does not show.")] = "",
    variations: Annotated[int, typer.Option(help="So many videos, each of another seed.")] = 1,
    upscale: Annotated[bool, typer.Option(help="Four times the width and height at the end.")] = True,
    interpolation: Annotated[
        int, typer.Option(metavar="1|4|16", help="Frames from one keyframe to the next.")
    ] = 16,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Size before upscaling; default: the pack's.")
    ] = None,
    pack: options.Pack = "toyland",
    seed: options.Seed = None,
    steps: options.Steps = None,
    guidance: options.Guidance = None,
    context_guidance: options.ContextGuidance = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    crf: options.Crf = 16,
    fps: Annotated[str | None, typer.Option(help="Frame rate, such as 24 or 24000/1001.")] = None,
    preview: options.Preview = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
    resume: options.Resume = True,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Make a video from text, or from text and a first frame. Interrupted, the same command goes on."""
    from vldm_cli.commands import checks
    from vldm_cli.commands import device as devices
    from vldm_cli.commands.console import Console
    from vldm_cli.commands.remarks import check_prompt
    from vldm_cli.commands.variations import are_ours
    from vldm_cli.packs.pack import Pack
    from vldm_cli.pipelines.generate.request import GenerateRequest, plan_of, resolve
    from vldm_cli.runs.naming import numbered

    console = Console(quiet, verbose, as_json)
    checks.check_variations(variations, seed)
    checks.check_weights(guidance=guidance, context_guidance=context_guidance)
    opened = Pack.open(pack)
    request = GenerateRequest(
        prompt=prompt,
        out=out or Path("video.mp4"),
        frames=frames,
        negative=negative,
        seed=seed,
        fps=checks.parse_fps(fps),
        steps=steps,
        guidance=guidance,
        context_guidance=context_guidance,
        interpolation=interpolation,
        upscale=upscale,
        size=checks.parse_size(size),
        crf=crf,
        preview=preview,
        resume=resume,
        force=force,
    )
    # Everything that can be refused is refused here, the light checks first, with nothing written.
    warning = check_prompt(opened, prompt, negative)
    settings = resolve(request, opened.manifest)
    if out is None:
        ours = partial(are_ours, request, opened)
        request = replace(request, out=checks.default_out(prompt, variations, ours))
    outs = numbered(request.out, variations)
    for path in outs:
        checks.check_name(path, settings.fps)
    done = {path for path in outs if resume and _delivered(path, variations > 1)}
    for path in outs:
        checks.check_out(path, force or path in done)
    checks.check_preview(preview)
    if image is not None:
        from vldm_cli.video.read import read_image

        size = plan_of(settings, opened.manifest).out_size
        request = replace(request, image=read_image(image, size))
    request = replace(request, device=devices.choose_device(device))
    request = replace(request, dtype=devices.choose_dtype(dtype, request.device))
    if warning:
        console.warn(warning)
    console.detail(f"{request.device}, {request.dtype}: {resolve(request, opened.manifest).as_dict()}")
    if dry_run:
        _show_plan(console, request, opened, variations)
    else:
        _make(console, request, opened, outs, warning)


def _delivered(out: Path, one_of_many: bool) -> bool:
    """Whether an existing file may be the work of this very command, which then has nothing to do for it: its run
    was interrupted while tidying up, or while making the variations after it. The run itself looks closer."""
    from vldm_cli.runs.folder import DELIVERED, is_bare, run_folder

    run = run_folder(out)
    return out.exists() and (one_of_many or (run / DELIVERED).exists() or is_bare(run))


def _show_plan(console, request, pack, variations: int) -> None:
    from vldm_cli.commands.console import clock, size
    from vldm_cli.pipelines.generate.request import plan_of, resolve

    settings = resolve(request, pack.manifest)
    plan = plan_of(settings, pack.manifest, request.device)
    table = {
        **plan.as_dict(),
        "out": str(request.out),
        "fps": str(settings.fps),
        "pack": {"name": pack.name, "hash": pack.manifest.hash},
        "device": request.device,
        "dtype": request.dtype,
        "variations": variations,
    }
    windows = {"keyframes": len(plan.keyframe_windows), "decode": len(plan.decode_windows)}
    windows |= {level.stage: len(level.windows) for level in plan.levels}
    windows["upscale"] = len(plan.upscale_windows)
    height, width = plan.out_size
    lines = [
        f"{request.out}: {plan.frames} frames of {width}x{height} at {settings.fps} fps"
        + (f", {variations} variations of it" if variations > 1 else ""),
        f"{plan.keyframes} keyframes, one every {plan.keyframe_step} frames",
    ]
    for stage, seconds in plan.estimated_seconds.items():
        calls = f"{plan.calls[stage]} denoiser calls" if stage in plan.calls else ""
        cut = f"{windows[stage]} windows" if stage in windows else f"{len(plan.segments)} segments"
        lines.append(f"{stage:<14}{cut:>14}{calls:>22}   about {clock(seconds)}")
    total = variations * table["estimated_total_seconds"]
    lines.append(f"about {clock(total)} on {request.device} ({request.dtype}), ")
    lines[-1] += f"{size(plan.estimated_peak_bytes)} of memory at the most"
    console.result(table, "\n".join(lines))


def _make(console, request, pack, outs: list[Path], warning: str | None) -> None:
    """One video, or several variations with the same models."""
    from vldm_cli.commands.failures import going_on
    from vldm_cli.commands.variations import first_seed, is_made
    from vldm_cli.measure.report.table import as_table
    from vldm_cli.pipelines.generate.run import generate as run
    from vldm_cli.stages.models import Models

    models = Models(pack, request.device, request.dtype)
    base_seed = request.seed if len(outs) == 1 else first_seed(request, pack, outs[0])
    requests = [
        replace(request, out=out, seed=None if base_seed is None else base_seed + number)
        for number, out in enumerate(outs)
    ]
    # All of them before the first is made: a name that is taken refuses the whole command.
    finished = [len(outs) > 1 and is_made(one, pack) for one in requests]
    results = []
    for number, (one, out) in enumerate(zip(requests, outs, strict=True)):
        if finished[number]:
            console.note(f"{out} is made already")
            results.append({"out": str(out), "seed": one.seed, "made_before": True})
            continue
        if len(outs) > 1:
            console.note(f"{out}: variation {number + 1} of {len(outs)}, seed {one.seed}")
        progress = console.progress()
        saved = partial("{0.frames} of {1.frames} frames of {1.out} are saved".format, progress, one)
        with going_on(saved), progress:
            result = run(one, pack, progress, models)
        for text in result.warnings:
            if not (warning or "").startswith(text):
                console.warn(text)
        results.append(as_table(result))
        if not console.as_json:
            console.result({}, _in_words(result))
    if console.as_json:
        console.result(results[0] if len(outs) == 1 else {"variations": results}, "")


def _in_words(result) -> str:
    """A finished video in a line."""
    from vldm_cli.commands.console import clock

    return (
        f"{result.out}: {result.frames} frames of {result.width}x{result.height} at {result.fps} fps, "
        f"seed {result.seed}, made in {clock(result.total_seconds)}"
    )
