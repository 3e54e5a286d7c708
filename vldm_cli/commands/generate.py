"""`vldm generate`: text (or text and a first frame) → video."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from vldm_cli.commands import many, options
from vldm_cli.errors import RequestError
from vldm_cli.runs.awaken import awaken
from vldm_cli.runs.imports import bring, uncollected
from vldm_cli.stages.running import Running
from vldm_cli.video.encoders import X264

Text = Annotated[str | None, typer.Argument(metavar="[PROMPT]", help="What the video shows.")]


def generate(
    prompt: Text = None,
    out: options.Out = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A list in place of PROMPT, a video for each: a prompt a line, or a JSON object with prompt, seed, "
            "frames, out and other options of a video; or a .toml with a table [[video]] each.",
        ),
    ] = None,
    repeat: Annotated[
        int | None, typer.Option(metavar="N", help="Each prompt so many times, with different seeds.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="1,2,3", help="Each prompt with each of these seeds.")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(help="How many frames, 1 to 10000; default: 240 where the pack can.")
    ] = None,
    image: Annotated[Path | None, typer.Option(help="A picture that is the first frame.")] = None,
    sketch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE[@FRAME]",
            help="A drawing that a frame follows, by default the first; again for another one.",
        ),
    ] = None,
    negative: Annotated[str, typer.Option(metavar="TEXT", help="What the video does not show.")] = "",
    as_written: options.AsWritten = False,
    variations: Annotated[int, typer.Option(help="So many videos, each of another seed.")] = 1,
    upscale: Annotated[
        bool | None,
        typer.Option(
            "--upscale/--no-upscale", help="Four times the width and height; default: if the pack can."
        ),
    ] = None,
    interpolation: Annotated[
        int | None,
        typer.Option(
            metavar="1|4|16",
            help="Frames from one keyframe to the next; default: the pack's. Any up to 64 with --between motion.",
        ),
    ] = None,
    between: options.Between = None,
    replacement: options.Replacement = False,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Size before upscaling; default: the pack's.")
    ] = None,
    pack: options.Pack = "toyland",
    motion: options.Motion = None,
    lora: options.Lora = None,
    vae: options.Vae = None,
    embedding: options.Embedding = None,
    seed: options.Seed = None,
    steps: options.Steps = None,
    guidance: options.Guidance = None,
    context_guidance: options.ContextGuidance = None,
    device: options.Device = "auto",
    gpus: options.Gpus = None,
    workers: options.Workers = None,
    ray: options.Ray = None,
    dtype: options.Dtype = "auto",
    plain: options.Plain = None,
    memory: options.Memory = "auto",
    fast: options.Fast = None,
    crf: options.Crf = 16,
    encoder: options.Encoder = X264,
    fps: Annotated[str | None, typer.Option(help="Frame rate, such as 24 or 24000/1001.")] = None,
    preview: options.Preview = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
    resume: options.Resume = True,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Make a video from text, or from text and a first frame; or many. Interrupted, the same command goes on."""
    from vldm_cli.api.lent import lend
    from vldm_cli.api.many.template import OF_PROMPTS, has_place
    from vldm_cli.commands.console import Console

    if prompt is None and prompts is None:
        raise RequestError("name a PROMPT, or a list of them with --prompts (see `vldm generate --help`)")
    console = Console(quiet, verbose, as_json)
    running = Running(plain, memory, fast or ())
    lent = lend(gpus, workers, ray, device, dtype, running, None if dry_run else "generate")
    asked: dict[str, Any] = {
        "frames": frames,
        "pack": options.chosen(pack, motion, lora, vae, embedding),
        "image": image,
        "sketch": sketch or (),
        "negative": negative,
        "as_written": as_written,
        "upscale": upscale,
        "interpolation": interpolation,
        "between": between,
        "replacement": replacement,
        "size": size,
        "steps": steps,
        "guidance": guidance,
        "context_guidance": context_guidance,
        "device": lent.there if dry_run else lent.device,
        "dtype": lent.dtype,
        "running": running,
        "crf": crf,
        "encoder": encoder,
        "fps": fps,
        "resume": resume,
        "force": force,
    }
    named: dict[str, Any] = {"seed": seed, "preview": preview, "dry_run": dry_run}
    with lent.pool(not dry_run) as pool:
        alone = prompt is not None and prompts is None and repeat is None and seeds is None
        if prompt is not None and alone and not has_place(OF_PROMPTS, out, preview):
            _one(console, prompt, out, variations, asked, lent.words, pool, **named)
            return
        if variations != 1:
            raise RequestError(
                "--variations is for one prompt alone; with --prompts, --seeds and places in names use --repeat"
            )
        many.of_prompts(
            console,
            prompt,
            prompts,
            out,
            repeat=repeat,
            seeds=seeds,
            options=asked,
            machines=lent.told,
            pool=pool,
            **named,
        )


def _one(
    console,
    prompt: str,
    out: Path | None,
    variations: int,
    asked: dict[str, Any],
    where: str,
    pool,
    *,
    seed: int | None,
    preview: Path | None,
    dry_run: bool,
) -> None:
    """A video of one prompt, or variations of it."""
    from vldm_cli.api.generate import prepare

    with uncollected():
        job = prepare(prompt, out, variations=variations, seed=seed, preview=preview, **asked)
    for words in job.warnings:
        console.warn(words)
    if job.settings.read is not None:
        console.note(f'read as: "{job.settings.read}"')
    console.detail(f"{where}, {job.request.dtype}: {job.settings.as_dict()}")
    if dry_run:
        from vldm_cli.commands.generate_plan import show_plan

        show_plan(console, job)
    else:
        if pool is not None:
            pool.expect(job.pack.coming(job.plan))
        _make(console, job, pool)


def _make(console, job, pool) -> None:
    """One video, or several variations with the same models."""
    from vldm_cli.commands.failures import going_on

    outs, results = job.outs, []
    videos = job.variations()  # which refuses names that are taken
    if pool is None:
        awaken(job.request.device)
    for number, (one, made_before) in enumerate(videos):
        out = one.out
        if made_before:
            console.note(f"{out} is made already")
            results.append({"out": str(out), "seed": one.seed, "made_before": True})
            continue
        if len(outs) > 1:
            console.note(f"{out}: variation {number + 1} of {len(outs)}, seed {one.seed}")
        progress = console.progress()
        saved = partial("{0.frames} of {1} frames of {2} are saved".format, progress, job.plan.frames, out)
        with going_on(saved), progress:
            bring("vldm_cli.pipelines.generate.run")  # as `job.make` would
            result = job.make(one, progress, pool)
        for text in result.warnings:
            if not any(text in told for told in job.warnings):
                console.warn(text)
        results.append(result.as_table())
        if not console.as_json:
            console.result({}, _in_words(result))
    if console.as_json:
        console.result(results[0] if len(outs) == 1 else {"variations": results}, "")


def _in_words(result) -> str:
    """A finished video in a line."""
    from vldm_cli.commands.console import clock, counted

    return (
        f"{result.out}: {counted(result.frames, 'frame')} of {result.width}x{result.height} at {result.fps} fps, "
        f"seed {result.seed}, made in {clock(result.total_seconds)}"
    )
