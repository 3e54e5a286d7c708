"""`vldm`: the commands that there are. Each lives in a module of its own and imports what is heavy when it runs."""

import os
import shutil
import sys
from typing import Annotated

import typer

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
    version,
)
from vldm_cli.errors import RequestError
from vldm_cli.runs import interrupt
from vldm_cli.video import ffmpeg

# In fewer columns rich's tables cut the names of options off; plain lines do not.
TABLES = 80

app = typer.Typer(
    name="vldm",
    help="Long, high-resolution video from text, with a Video LDM.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich" if shutil.get_terminal_size().columns >= TABLES else None,
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


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    wanted: Annotated[
        bool, typer.Option("--version", help="Show the version; with -v torch, device and packs.")
    ] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="With --version: more of it.")] = False,
) -> None:
    """Long, high-resolution video from text, with a Video LDM."""
    environment.prepare()
    if wanted:
        print(version.long() if verbose else version.short())
        raise typer.Exit
    if verbose:
        raise RequestError("-v before a command goes with --version alone; put it after the command")
    if context.invoked_subcommand is None:
        context.fail("Missing command")


def main() -> None:
    """The program: runs the command line and ends the process with its exit code."""
    interrupt.listen(ffmpeg.end_all)
    streams.prepare()
    code = failures.run(app, sys.argv[1:])
    # Not by way of Python's own end: what libraries do there takes a second, in which a signal would still count.
    os._exit(streams.flush(code))
