"""`vldm measure speed`: how fast `generate`, or `upscale`, is here."""

from collections.abc import Iterator, Mapping
from typing import Annotated

import typer

from vldm_cli.commands import options
from vldm_cli.errors import RequestError

PROMPT = "a red ball bounces on green grass"
FRAMES = 240  # of a clip


def speed(
    prompt: Annotated[
        str | None, typer.Argument(metavar="[PROMPT]", help=f"What the video shows; default: {PROMPT}.")
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(help=f"How many frames; default: as of `generate`, and {FRAMES} with --clip."),
    ] = None,
    upscale: Annotated[
        bool | None,
        typer.Option("--upscale/--no-upscale", help="With the upscaler; default: if the pack can."),
    ] = None,
    interpolation: Annotated[
        int | None,
        typer.Option(
            metavar="1|4|16", help="Frames from one keyframe to the next; default: as of `generate`."
        ),
    ] = None,
    pack: Annotated[
        str | None, typer.Option(help="The model: a pack's name or folder; default: toyland.")
    ] = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    loaded: Annotated[
        bool, typer.Option("--loaded", help="A second video with the models already loaded, in one process.")
    ] = False,
    as_json: options.AsJson = False,
    clip: Annotated[
        str | None,
        typer.Option(metavar="WxH", help="Instead, `upscale` on a made clip of that size, models loaded."),
    ] = None,
    tile: Annotated[int | None, typer.Option(help="With --clip: side of the tiles.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help="With --clip: a super-resolution network for pictures in place of the pack.",
        ),
    ] = None,
    steady: Annotated[
        float | None,
        typer.Option(metavar="0..1", help="With --model: as of `upscale`."),
    ] = None,
    peers: Annotated[
        bool,
        typer.Option(
            "--peers",
            help="Instead, calls at full size beside diffusers' own, random weights, on a CUDA GPU.",
        ),
    ] = False,
    quiet: options.Quiet = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Tracebacks.")] = False,
) -> None:
    """How fast `generate` is here: wall time, by stage, frames a second, peak memory, time to the first segment.

    With --clip 640x360, how fast `upscale` makes four times that of a clip of so many --frames (with --model: as much
    as the network does), from opening it to the whole file: the second of two runs. Reading, computing and writing go
    on side by side on a GPU; "encoder" is what ffmpeg takes for the same frames by itself.

    With --peers, single calls of public shapes, fast and plain, beside the peers': medians of calls that take turns,
    how much of a large matrix product's rate is reached, and which kernels the time goes to.
    """
    from vldm_cli.api import checks
    from vldm_cli.api import device as devices
    from vldm_cli.api.remarks import check_prompt
    from vldm_cli.commands.console import Console
    from vldm_cli.packs.pack import Pack
    from vldm_cli.pipelines.generate.prompt import words_of
    from vldm_cli.pipelines.generate.request import GenerateRequest
    from vldm_cli.pipelines.generate.settings import resolve
    from vldm_cli.runs import interrupt
    from vldm_cli.video.numbers import whole

    console = Console(quiet, verbose, as_json)
    of_generate: dict[str, object] = {
        "PROMPT": prompt,
        "--no-upscale" if upscale is False else "--upscale": upscale,
        "--interpolation": interpolation,
        "--loaded": loaded or None,
    }
    of_upscale = {"--tile": tile, "--model": model, "--steady": steady}
    if peers:
        others = {**of_generate, "--frames": frames, "--pack": pack, "--clip": clip, **of_upscale}
        _check_without(others, "--peers, which times single calls of public shapes")
        from vldm_cli.measure.peers.section import measure_peers

        chosen = devices.choose_device(device)
        number = "float16" if dtype == "auto" else devices.choose_dtype(dtype, chosen)
        found = measure_peers(chosen, number, console.note)
        console.result(found, "\n".join(_beside(found)))
        return
    frame = checks.parse_size(clip, "--clip")
    tile = checks.tile_of(tile)
    if frame:
        _check_without(of_generate, "--clip, which times `upscale`")
        shown = whole("--frames", FRAMES if frames is None else frames, 1, 100_000)
    if frame and 0 in frame:
        raise RequestError(f"--clip {clip} has no pixels")
    for option, value in of_upscale.items():
        if value is not None and frame is None:
            raise RequestError(f"{option} is for --clip; add --clip 640x360 or leave it out")
    if frame:
        from vldm_cli.api.upscale import jobs
        from vldm_cli.measure.upscaled import measure_upscale

        make = jobs(pack, model, steady=steady, tile=tile, device=device, dtype=dtype)
        with interrupt.raising():  # for what lies in folders for temporary files
            table = measure_upscale(frame, shown, make)
    else:
        from vldm_cli.measure.speed import measure_command, measure_loaded

        opened = Pack.open(pack or "toyland")
        chosen = devices.choose_device(device)
        number = devices.choose_dtype(dtype, chosen)
        prompt = PROMPT if prompt is None else prompt
        check_prompt(opened, words_of(opened), prompt)
        request = GenerateRequest(
            prompt=prompt,
            out=checks.default_out("speed"),
            frames=frames,
            seed=0,
            interpolation=interpolation,
            upscale=upscale,
        )
        resolve(request, opened.manifest)
        with interrupt.raising():
            table = (measure_loaded if loaded else measure_command)(request, opened, chosen, number)
    console.result(table, "\n".join(_lines(table)))


def _check_without(given: Mapping[str, object], what: str) -> None:
    """given: options that it has no use for, and what they were told. Raises RequestError."""
    for option, value in given.items():
        if value is not None:
            raise RequestError(f"{option} does not go with {what}; leave one out")


def _beside(found: dict) -> Iterator[str]:
    """What a person reads of the peers."""
    from vldm_cli.commands.console import size

    yield f"{found['device']} ({found['dtype']}), matrix products at {found['ceiling_tflops']:.0f} TFLOP/s"
    yield f"{'':<44}{'plain':>9}{'fast':>9}{'peer':>9}{'ratio':>7}{'TFLOP':>8}{'reached':>9}{'error':>9}"
    for row in found["cases"]:
        if "failed" in row:
            yield f"{row['name']:<44} {row['failed']}"
            continue
        milliseconds = "".join(f"{row[name]:>9.1f}" for name in ("plain_ms", "fast_ms", "peer_ms"))
        yield f"{row['name']:<44}{milliseconds}{row['ratio']:>7.2f}{row['tflop']:>8.1f}" + (
            f"{row['share_of_ceiling']:>9.0%}{row['error_to_plain']:>9.0e}"
        )
        kinds = ", ".join(f"{kind} {ms}" for kind, ms in row["kernels_ms"].items())
        yield f"  beside {row['peer']}; ms of {kinds}"
        held = f"{size(row['fast_peak_bytes'])} in use at the most, plain {size(row['plain_peak_bytes'])}"
        yield f"  first call {row['first_call_seconds']} s; {held}"
        if "low_ms" in row:
            yield f"  with --memory low {row['low_ms']:.1f} ms, {size(row['low_peak_bytes'])}"
        yield from (f"  {name:<42}{ms:>9.1f}" for name, ms in row.get("variants_ms", {}).items())
    for name, why in found["left_out"].items():
        yield f"kernel {name} is left out: {why}"
    for row in found["single"]:
        ways = ", ".join(f"{way} {ms}" for way, ms in row["ms"].items())
        yield f"{row['name']}: {ways}; at least {row['floor_ms']} ms"


def _lines(table: dict) -> Iterator[str]:
    """What a person reads."""
    from vldm_cli.commands.console import clock, counted, size

    frames = counted(table["frames"], "frame")
    yield f"{frames} of {table['width']}x{table['height']} on {table['device']} ({table['dtype']})"
    yield f"{'wall':<14}{table['wall_seconds']:>9.2f} s   ({clock(table['wall_seconds'])})"
    yield f"{'rate':<14}{table['frames_per_second']:>9.2f} frames/s"
    yield f"{'first frames':<14}{table['first_segment_seconds']:>9.2f} s until they are on disk"
    whose = "of the process and its ffmpeg" if table["device"] == "cpu" else f"of {table['device']}"
    yield f"{'peak memory':<14}{size(table['peak_memory_bytes']):>11}, {whose}"
    if table.get("peak_host_bytes") and table["device"] != "cpu":
        yield f"{'host memory':<14}{size(table['peak_host_bytes']):>11}, of the process and its ffmpeg"
    yield from (f"{stage:<14}{seconds:>9.2f} s" for stage, seconds in table["stages"].items())
    if "encoder_seconds" in table:
        yield f"{'encoder':<14}{table['encoder_seconds']:>9.2f} s by itself ({table['encoder']})"
