"""`vldm measure quality`: how well a pack shows what it is asked for."""

from pathlib import Path
from typing import Annotated

import typer


def quality(
    pack: Annotated[str, typer.Option(help="The model: a pack's name or folder.")] = "toyland",
    quick: Annotated[
        bool, typer.Option("--quick", help="A little of everything, for a CPU: shows what is quite wrong.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="A page with numbers, plots and contact sheets.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cuda, cuda:N, mps or cpu.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Errors only.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Tracebacks.")] = False,
) -> None:
    """Faithfulness to prompts, Fréchet distances, consistency, drift of long videos, decoder and upscaler alone."""
    from vldm_cli.commands import checks
    from vldm_cli.commands import device as devices
    from vldm_cli.commands.console import Console
    from vldm_cli.errors import RequestError
    from vldm_cli.packs.pack import Pack

    console = Console(quiet, verbose, as_json)
    if report is not None:
        if report.suffix.lower() not in (".html", ".htm") or report.is_dir():
            raise RequestError(f"--report {report} is no .html file; name one, such as report.html")
        checks.check_folder(report, "--report")
    opened = Pack.open(pack)
    chosen = devices.choose_device(device)

    from vldm_cli.measure.bars import bars
    from vldm_cli.measure.page import write_page
    from vldm_cli.measure.quality import FULL, QUICK, measure_quality
    from vldm_cli.measure.words import screen

    kind = devices.choose_dtype(dtype, chosen)
    table, sheets = measure_quality(opened, chosen, kind, QUICK if quick else FULL, console.note)
    if report is not None:
        write_page(report, table, sheets)
    console.result({**table, "bars": [bar.as_dict() for bar in bars(table)]}, screen(table))
