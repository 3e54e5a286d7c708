"""`vldm upscale`: a clip, larger."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from vldm_cli.commands import clip as shared
from vldm_cli.commands import options
from vldm_cli.runs.imports import uncollected
from vldm_cli.video.encoders import X264


@options.on_clip
def upscale(
    clip: options.Clips = None,
    out: options.OutOfClips = None,
    clips: options.Listed = None,
    scale: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="How many times the width and height: 2 or 4 (4); with --model 1 to the network's own (that).",
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|NAME",
            help="A super-resolution network for pictures, .safetensors or .pth, in place of a pack, or one of "
            "Real-ESRGAN's by name, such as realesrgan-x4plus; needs vldm's extra `models`.",
        ),
    ] = None,
    steady: Annotated[
        float | None,
        typer.Option(
            metavar="0..1",
            help="Of a --model without temporal layers: how much of the detail before is kept where frames agree; 0 "
            "is the network alone, without layers too; default: 0.5.",
        ),
    ] = None,
    layers: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Temporal layers for the --model, of `vldm train upscaler-network`; default: vldm's own for it, if "
            "there are any.",
        ),
    ] = None,
    noise: Annotated[
        float | None,
        typer.Option(help="How much detail may be invented, 0 to below 1; default: the pack's."),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(metavar="pixel|latent|frame", help="Where the model works; default: the pack's."),
    ] = None,
    tile: Annotated[
        int | None, typer.Option(help="Side of the tiles, in pixels of the clip; smaller needs less memory.")
    ] = None,
    steps: options.Steps = None,
    pack: Annotated[
        str | None,
        typer.Option(
            help="The model: a pack's name or folder, a diffusers folder, a checkpoint, or OWNER/NAME; default: "
            "toyland."
        ),
    ] = None,
    seed: options.Seed = None,
    prompt: Annotated[
        str, typer.Option(metavar="TEXT", help="What the clip shows, for packs that read it.")
    ] = "",
    negative: Annotated[str, typer.Option(metavar="TEXT", help="What it does not show.")] = "",
    guidance: options.Guidance = None,
    dtype: options.Dtype = "auto",
    crf: options.Crf = 16,
    encoder: options.Encoder = X264,
    *,
    common: options.OnClip,
) -> None:
    """Upscale a clip; its times, sound, subtitles and tags are kept. Interrupted, the same command goes on."""
    from vldm_cli.api.clip import check_there
    from vldm_cli.api.upscale import prepare
    from vldm_cli.commands.console import Console, counted

    console = Console(common.quiet, common.verbose, common.as_json)
    lent = common.lent(dtype, "upscale")
    number = lent.here(network=model is not None)[1]
    common = replace(common, device=lent.there if common.dry_run or model else lent.device)
    asked: dict[str, Any] = {
        "scale": scale,
        "model": model,
        "steady": steady,
        "layers": layers,
        "noise": noise,
        "space": space,
        "tile": tile,
        "steps": steps,
        "pack": pack,
        "seed": seed,
        "prompt": prompt,
        "negative": negative,
        "guidance": guidance,
        "dtype": number,
        "crf": crf,
        "encoder": encoder,
    }
    with lent.pool(not common.dry_run) as pool:
        one = shared.one_clip(console, "upscale", clip, clips, out, common, asked, lent.told, pool)
        if one is None:
            return
        check_there(one)  # before anything large is looked for
        with uncollected():
            job = prepare(one, out, **asked, **common.for_job())

            from vldm_cli.pipelines.clip.run import run

        console.detail(f"{lent.words}, {job.settings['dtype']}: {job.settings}")
        if common.dry_run:
            plan = job.plan
            words = (
                f"{counted(plan['tiles'], 'tile')} a frame, {counted(plan['calls'], 'call')} of the network"
            )
            if model is None:
                words = f"{counted(plan['windows'], 'window')} of {counted(plan['tiles'], 'tile')}, "
                words += counted(plan["calls"], "denoiser call")
            shared.show_plan(console, job, common.device, [words])
        else:
            shared.make(console, job, partial(run, pool=pool))
