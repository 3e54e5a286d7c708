"""`vldm upscale`: a clip, two or four times as wide and as high."""

from typing import Annotated

import typer

from vldm_cli.commands import clip as shared
from vldm_cli.commands import options


@options.on_clip
def upscale(
    clip: options.File,
    out: options.Out = None,
    scale: Annotated[int, typer.Option(metavar="2|4", help="How many times the width and height.")] = 4,
    noise: Annotated[
        float | None,
        typer.Option(help="How much detail may be invented, 0 to below 1; default: the pack's."),
    ] = None,
    space: Annotated[
        str | None, typer.Option(metavar="pixel|latent", help="Where the model works; default: the pack's.")
    ] = None,
    tile: Annotated[
        int | None, typer.Option(help="Side of the tiles, in pixels of the clip; smaller needs less memory.")
    ] = None,
    steps: options.Steps = None,
    pack: options.Pack = "toyland",
    seed: options.Seed = None,
    dtype: options.Dtype = "auto",
    crf: options.Crf = 16,
    *,
    common: options.OnClip,
) -> None:
    """Upscale a clip; its times, sound, subtitles and tags are kept. Interrupted, the same command goes on."""
    from vldm_cli.api import checks
    from vldm_cli.api import device as devices
    from vldm_cli.commands.console import Console
    from vldm_cli.errors import RequestError
    from vldm_cli.packs.manifest import SPACES
    from vldm_cli.packs.pack import Pack

    console = Console(common.quiet, common.verbose, common.as_json)
    if scale not in (2, 4):
        raise RequestError(f"--scale {scale} is none of 2, 4")
    if space is not None and space not in SPACES:
        raise RequestError(f"--space {space:.40} is none of {', '.join(SPACES)}")
    if noise is not None and not 0 <= noise < 1:
        raise RequestError(f"--noise {noise} is not between 0 and below 1")
    checks.check_sampling(steps, seed)
    checks.check_tile(tile)
    chosen = devices.choose_device(common.device)
    number = devices.choose_dtype(dtype, chosen)
    model = Pack.open(pack)
    # Last, because every frame of the clip is decoded once.
    opened, out = shared.prepare(clip, out, f"x{scale}", crf, common)

    from vldm_cli.pipelines.clip.run import run
    from vldm_cli.pipelines.upscale.job import Options, make_job

    asked = Options(
        scale=scale,
        space=space or model.manifest.defaults.upscale_space,
        noise=model.manifest.defaults.upscale_noise if noise is None else noise,
        steps=steps or model.manifest.defaults.upscale_steps,
        tile=tile,
        seed=seed,
        device=chosen,
        dtype=number,
    )
    job = make_job(opened, model, out, asked, crf=crf, **common.for_job())
    shared.check_place(job)
    console.detail(f"{chosen}, {number}: {job.settings}")
    if common.dry_run:
        plan = job.plan
        words = f"{plan['windows']} windows of {plan['tiles']} tiles, {plan['calls']} denoiser calls"
        shared.show_plan(console, job, [words])
    else:
        shared.make(console, job, run)
