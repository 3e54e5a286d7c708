"""`vldm measure`: the project's own measurements."""

from typing import Annotated

import typer

from vldm_cli.commands.ablations import ablations
from vldm_cli.commands.continuation import extend
from vldm_cli.commands.quality import quality

app = typer.Typer(help="The project's own measurements.")


@app.callback()
def measure() -> None:
    """The project's own measurements."""


app.command()(quality)
app.command()(extend)
app.command(short_help="The paper's ablations, repeated at equal training time.")(ablations)


@app.command()
def speed(
    prompt: Annotated[
        str, typer.Argument(help="What the video shows.")
    ] = "a red ball bounces on green grass",
    frames: Annotated[int, typer.Option(help="How many frames.")] = 240,
    upscale: Annotated[bool, typer.Option(help="With the upscaler.")] = True,
    interpolation: Annotated[int, typer.Option(metavar="1|4|16", help="Frames between keyframes.")] = 16,
    pack: Annotated[str, typer.Option(help="The model: a pack's name or folder.")] = "toyland",
    device: Annotated[str, typer.Option(help="auto, cuda, cuda:N, mps or cpu.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    loaded: Annotated[
        bool, typer.Option("--loaded", help="A second video with the models already loaded, in one process.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Errors only.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Tracebacks.")] = False,
) -> None:
    """How fast `generate` is here: wall time, by stage, frames a second, peak memory, time to the first segment."""
    from vldm_cli.commands import checks
    from vldm_cli.commands import device as devices
    from vldm_cli.commands.console import Console, clock, size
    from vldm_cli.commands.remarks import check_prompt
    from vldm_cli.measure.speed import measure_command, measure_loaded
    from vldm_cli.packs.pack import Pack
    from vldm_cli.stages.request import GenerateRequest, resolve

    console = Console(quiet, verbose, as_json)
    opened = Pack.open(pack)
    check_prompt(opened, prompt)
    request = GenerateRequest(
        prompt=prompt,
        out=checks.default_out("speed"),
        frames=frames,
        seed=0,
        interpolation=interpolation,
        upscale=upscale,
    )
    resolve(request, opened.manifest)
    chosen = devices.choose_device(device)
    table = (measure_loaded if loaded else measure_command)(
        request, opened, chosen, devices.choose_dtype(dtype, chosen)
    )
    lines = [
        f"{table['frames']} frames of {table['width']}x{table['height']} on {table['device']} ({table['dtype']})",
        f"{'wall':<14}{table['wall_seconds']:>9.2f} s   ({clock(table['wall_seconds'])})",
        f"{'rate':<14}{table['frames_per_second']:>9.2f} frames/s",
        f"{'first frames':<14}{table['first_segment_seconds']:>9.2f} s until they are on disk",
        f"{'peak memory':<14}{size(table['peak_memory_bytes']):>11}, of the process and its ffmpeg",
    ]
    lines += [f"{stage:<14}{seconds:>9.2f} s" for stage, seconds in table["stages"].items()]
    console.result(table, "\n".join(lines))
