"""`vldm measure extend`: how truly a pack continues clips of its world."""

from typing import Annotated

import typer

from vldm_cli.commands import options


def extend(
    pack: Annotated[str, typer.Option(help="The model: a pack's name or folder.")] = "toyland",
    clips: Annotated[int, typer.Option(help="How many rendered clips of one object, 1 to 1000.")] = 32,
    frames: Annotated[int, typer.Option(help="How many frames to add to each, 1 to 240.")] = 24,
    steps: Annotated[int | None, typer.Option(help="Denoising steps; default: the pack's.")] = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Tracebacks.")] = False,
) -> None:
    """Where objects are after so many new frames of `extend`, against the renderer's ground truth."""
    from vldm_cli.api import device as devices
    from vldm_cli.commands.console import Console, counted
    from vldm_cli.packs.pack import Pack
    from vldm_cli.video.numbers import whole

    console = Console(quiet, verbose, as_json)
    for name, value, most in (("clips", clips, 1000), ("frames", frames, 240), ("steps", steps, 1000)):
        if value is not None:
            whole(f"--{name}", value, 1, most)
    opened = Pack.open(pack)
    chosen = devices.choose_device(device)
    kind = devices.choose_dtype(dtype, chosen)

    from vldm_cli.measure.continuation import measure_continuation
    from vldm_cli.runs import interrupt

    with interrupt.raising():  # for what lies in folders for temporary files
        table = measure_continuation(opened, chosen, kind, clips, frames, steps)
    lines = [
        f"{counted(table['clips'], 'clip')} of one object, {counted(frames, 'frame')} added, pack {opened.name}"
    ]
    for heading, rows in ((None, table), (f"the {table['moving']['clips']} that move", table["moving"])):
        lines += [f"{heading}:"] if heading else []
        for name in ("extended", "standing still"):
            row = {
                key: "nothing to measure" if share is None else f"{share:.1%}"
                for key, share in rows[name].items()
            }
            words = f"object off by {row['median']} of the width (median), {row['mean']} (mean)"
            lines.append(f"{name:<16}{words}; {row['within 5 %']} of them by at most 5 %")
    console.result(table, "\n".join(lines))
