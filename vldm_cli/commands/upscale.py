"""`vldm upscale`: a clip, two or four times as wide and as high."""

from typing import Annotated

import typer

from vldm_cli.commands import clip as shared


def upscale(
    clip: shared.File,
    out: shared.Out = None,
    scale: Annotated[int, typer.Option(metavar="2|4", help="How many times the width and height.")] = 4,
    noise: Annotated[
        float | None,
        typer.Option(help="How much detail may be invented, 0 to below 1; default: the pack's."),
    ] = None,
    space: Annotated[str, typer.Option(metavar="pixel", help="Where the model works.")] = "pixel",
    tile: Annotated[
        int | None, typer.Option(help="Side of the tiles, in pixels of the clip; smaller needs less memory.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps; default: the pack's.")] = None,
    pack: Annotated[str, typer.Option(help="The model: a pack's name or folder.")] = "toyland",
    seed: Annotated[
        int | None, typer.Option(help="The same seed gives the same video; default: drawn.")
    ] = None,
    fps: shared.Fps = None,
    device: shared.Device = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    crf: shared.Crf = 16,
    preview: shared.Preview = None,
    dry_run: shared.DryRun = False,
    as_json: shared.AsJson = False,
    resume: shared.Resume = True,
    force: shared.Force = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> None:
    """Upscale a clip; its times, sound, subtitles and tags are kept. Interrupted, the same command goes on."""
    from vldm_cli.commands import device as devices
    from vldm_cli.commands.console import Console
    from vldm_cli.errors import RequestError
    from vldm_cli.packs.pack import Pack

    console = Console(quiet, verbose, as_json)
    if scale not in (2, 4):
        raise RequestError(f"--scale {scale} is none of 2, 4")
    if space != "pixel":
        raise RequestError(f"--space {space:.40} is not pixel, the one space there is an upscaler for")
    if noise is not None and not 0 <= noise < 1:
        raise RequestError(f"--noise {noise} is not between 0 and below 1")
    if steps is not None and not 1 <= steps <= 1000:
        raise RequestError(f"--steps {steps} is not between 1 and 1000")
    if seed is not None and not 0 <= seed < 2**63:
        raise RequestError(f"--seed {seed} is not between 0 and 2^63 − 1")
    if tile is not None and not (32 <= tile <= 4096 and tile % 8 == 0):
        raise RequestError(f"--tile {tile} is no multiple of 8 from 32 to 4096")
    chosen = devices.choose_device(device)
    number = devices.choose_dtype(dtype, chosen)
    model = Pack.open(pack)
    # Last, because every frame of the clip is decoded once.
    opened, out = shared.prepare(clip, out, f"x{scale}", crf, fps, preview, force)

    from vldm_cli.stages.upscale_job import Options, make_job

    options = Options(
        scale=scale,
        noise=model.manifest.defaults.upscale_noise if noise is None else noise,
        steps=steps or model.manifest.defaults.upscale_steps,
        tile=tile,
        seed=seed,
        device=chosen,
        dtype=number,
    )
    job = make_job(opened, model, out, options, crf=crf, preview=preview, resume=resume, force=force)
    shared.check_place(job)
    console.detail(f"{chosen}, {number}: {job.settings}")
    if dry_run:
        plan = job.plan
        words = f"{plan['windows']} windows of {plan['tiles']} tiles, {plan['calls']} denoiser calls"
        shared.show_plan(console, job, [words])
    else:
        shared.make(console, job)
