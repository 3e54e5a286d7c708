"""`vldm interpolate`: more frames between the frames of a clip."""

from typing import Annotated

import typer

from vldm_cli.commands import clip as shared


def interpolate(
    clip: shared.File,
    out: shared.Out = None,
    factor: Annotated[int, typer.Option(metavar="2|4|8|16", help="So many frames for each one.")] = 2,
    slow: Annotated[
        bool, typer.Option("--slow", help="Keep the frame rate: slow motion, sound stretched with it.")
    ] = False,
    engine: Annotated[
        str,
        typer.Option(metavar="motion", help="How: motion is followed through the pixels, without a model."),
    ] = "motion",
    fps: shared.Fps = None,
    device: shared.Device = "auto",
    crf: shared.Crf = 16,
    preview: shared.Preview = None,
    dry_run: shared.DryRun = False,
    as_json: shared.AsJson = False,
    resume: shared.Resume = True,
    force: shared.Force = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> None:
    """More frames between a clip's own, which stay as they are; it lasts as long as before. Interrupted, the same
    command goes on."""
    from vldm_cli.commands import device as devices
    from vldm_cli.commands.console import Console
    from vldm_cli.errors import RequestError

    console = Console(quiet, verbose, as_json)
    if factor not in (2, 4, 8, 16):
        raise RequestError(f"--factor {factor} is none of 2, 4, 8, 16")
    if engine != "motion":
        raise RequestError(f"--engine {engine:.40} is not motion, the one engine there is")
    ending = f"slow{factor}" if slow else f"i{factor}"
    chosen = devices.choose_device(device)
    opened, out = shared.prepare(clip, out, ending, crf, fps, preview, force)

    from vldm_cli.stages.interpolate_clip import make_job

    job = make_job(opened, out, factor, slow, chosen, crf=crf, preview=preview, resume=resume, force=force)
    shared.check_place(job)
    console.detail(f"{chosen}: {job.settings}")
    if dry_run:
        shared.show_plan(
            console, job, [f"{job.plan['made']} frames made between {job.plan['known']} known ones"]
        )
    else:
        shared.make(console, job)
