"""`vldm interpolate`: more frames between the frames of a clip."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from vldm_cli.commands import clip as shared
from vldm_cli.commands import options
from vldm_cli.pipelines.interpolate.names import BY_MOTION
from vldm_cli.runs.imports import uncollected
from vldm_cli.video.encoders import X264


@options.on_clip
def interpolate(
    clip: options.Clips = None,
    out: options.OutOfClips = None,
    clips: options.Listed = None,
    factor: Annotated[int, typer.Option(metavar="2|4|8|16", help="So many frames for each one.")] = 2,
    slow: Annotated[
        bool, typer.Option("--slow", help="Keep the frame rate: slow motion, sound stretched with it.")
    ] = False,
    engine: Annotated[
        str,
        typer.Option(
            metavar="auto|motion|refined|diffusion",
            help="How: motion is followed through the pixels; a small network refines that; or the pack that made "
            "the clip makes the frames (by diffusion; the frames must be 4 or 16 of its frame steps apart); auto: "
            "what fits.",
        ),
    ] = "auto",
    refiner: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Of --engine refined: a network of your own, of `vldm train refiner`; default: vldm's.",
        ),
    ] = None,
    pack: Annotated[
        str | None,
        typer.Option(help="The model for diffusion: a pack's name or folder; default: what made the clip."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="The same seed gives the same frames by diffusion; default: the clip's own."),
    ] = None,
    dtype: options.Dtype = "auto",
    crf: options.Crf = 16,
    encoder: options.Encoder = X264,
    *,
    common: options.OnClip,
) -> None:
    """More frames between a clip's own, which stay as they are; it lasts as long as before. Interrupted, the same
    command goes on."""
    from vldm_cli.api.interpolate import prepare
    from vldm_cli.commands.console import Console, counted

    console = Console(common.quiet, common.verbose, common.as_json)
    lent = common.lent(dtype, "interpolate")
    common = replace(common, device=lent.there if common.dry_run else lent.device)
    asked: dict[str, Any] = {
        "factor": factor,
        "slow": slow,
        "engine": engine,
        "refiner": refiner,
        "pack": pack,
        "seed": seed,
        # motion has no use for a number format, and none is named for its workers
        "dtype": dtype if engine in BY_MOTION else lent.dtype,
        "crf": crf,
        "encoder": encoder,
    }
    with lent.pool(not common.dry_run) as pool:
        one = shared.one_clip(console, "interpolate", clip, clips, out, common, asked, lent.told, pool)
        if one is None:
            return
        with uncollected():
            job = prepare(one, out, **asked, **common.for_job())

            from vldm_cli.pipelines.clip.run import run

        console.detail(f"{lent.words}: {job.settings}")
        if not common.dry_run:
            shared.make(console, job, partial(run, pool=pool))
            return
        words = f"{counted(job.plan['made'], 'frame')} made between {job.plan['known']} known ones, "
        words += f"by {job.plan['engine']}"
        calls = sum(job.plan.get("calls", {}).values())
        shared.show_plan(
            console, job, common.device, [f"{words}, {counted(calls, 'denoiser call')}" if calls else words]
        )
