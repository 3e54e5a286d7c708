"""`vldm`: the commands that there are. Each lives in a module of its own and imports what is heavy when it runs."""

import os
import sys
from typing import Annotated

import typer

from vldm_cli import __version__
from vldm_cli.commands import (
    doctor,
    environment,
    extend,
    failures,
    generate,
    info,
    interpolate,
    measure,
    packs,
    streams,
    train,
    upscale,
)
from vldm_cli.runs import interrupt
from vldm_cli.video import ffmpeg

app = typer.Typer(
    name="vldm",
    help="Long, high-resolution video from text, with a Video LDM.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(generate.generate)
app.command()(extend.extend)
app.command()(interpolate.interpolate)
app.command()(upscale.upscale)
app.add_typer(packs.app, name="packs")
app.add_typer(train.app, name="train")
app.add_typer(measure.app, name="measure")
app.command()(info.info)
app.command()(doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"vldm {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Long, high-resolution video from text, with a Video LDM."""
    environment.prepare()


def main() -> None:
    """The program: runs the command line and ends the process with its exit code."""
    interrupt.listen(ffmpeg.end_all)
    streams.prepare()
    code = failures.run(app, sys.argv[1:])
    # Not by way of Python's own end: what libraries do there takes a second, in which a signal would still count.
    os._exit(streams.flush(code))
