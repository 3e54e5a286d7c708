"""`vldm interpolate`: more frames between the frames of a clip."""

from typing import Annotated

import typer

from vldm_cli.commands import clip as shared
from vldm_cli.commands import options


@options.on_clip
def interpolate(
    clip: options.File,
    out: options.Out = None,
    factor: Annotated[int, typer.Option(metavar="2|4|8|16", help="So many frames for each one.")] = 2,
    slow: Annotated[
        bool, typer.Option("--slow", help="Keep the frame rate: slow motion, sound stretched with it.")
    ] = False,
    engine: Annotated[
        str,
        typer.Option(metavar="motion", help="How: motion is followed through the pixels, without a model."),
    ] = "motion",
    crf: options.Crf = 16,
    *,
    common: options.OnClip,
) -> None:
    """More frames between a clip's own, which stay as they are; it lasts as long as before. Interrupted, the same
    command goes on."""
    from vldm_cli.commands import device as devices
    from vldm_cli.commands.console import Console
    from vldm_cli.errors import RequestError

    console = Console(common.quiet, common.verbose, common.as_json)
    if factor not in (2, 4, 8, 16):
        raise RequestError(f"--factor {factor} is none of 2, 4, 8, 16")
    if engine != "motion":
        raise RequestError(f"--engine {engine:.40} is not motion, the one engine there is")
    ending = f"slow{factor}" if slow else f"i{factor}"
    chosen = devices.choose_device(common.device)
    opened, out = shared.prepare(clip, out, ending, crf, common)

    from vldm_cli.stages.clip_run import run
    from vldm_cli.stages.interpolate_clip import make_job

    job = make_job(opened, out, factor, slow, chosen, crf=crf, **common.for_job())
    shared.check_place(job)
    console.detail(f"{chosen}: {job.settings}")
    if common.dry_run:
        shared.show_plan(
            console, job, [f"{job.plan['made']} frames made between {job.plan['known']} known ones"]
        )
    else:
        shared.make(console, job, run)
