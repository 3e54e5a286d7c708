"""`vldm measure quality`: how well a pack shows what it is asked for."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from vldm_cli.commands import options
from vldm_cli.errors import RequestError
from vldm_cli.runs import interrupt

PAGES, NOTES = (".html", ".htm"), (".md", ".markdown")


def quality(
    pack: Annotated[str, typer.Option(help="The model: a pack's name or folder.")] = "toyland",
    quick: Annotated[
        bool, typer.Option("--quick", help="A little of everything, for a CPU: shows what is quite wrong.")
    ] = False,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="SECTIONS",
            help="Some of probe,faithfulness,english,frechet,clips,long,decoder,upscaler,outlines.",
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Keep finished sections there: the same command goes on; several --only may share it.",
        ),
    ] = None,
    report: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="A page (.html) with numbers, plots and contact sheets, or the numbers (.md); may be repeated.",
        ),
    ] = None,
    ablations: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE.json",
            help="What `vldm measure ablations --json` gave, for the report; may be repeated.",
        ),
    ] = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Tracebacks.")] = False,
) -> None:
    """Faithfulness to prompts and to plain English, Fréchet distances, consistency, drift of long videos, decoder and
    upscaler alone, outlines.

    Example, on two GPUs and then together: vldm measure quality --save q --only frechet,faithfulness,english --device
    cuda:0 & vldm measure quality --save q --only probe,clips,long,decoder,upscaler,outlines --device cuda:1 & wait;
    vldm measure quality --save q --report REPORT.md --report quality.html"""
    from vldm_cli.api import checks
    from vldm_cli.api import device as devices
    from vldm_cli.api.many import places
    from vldm_cli.commands.console import Console
    from vldm_cli.packs.pack import Pack

    console = Console(quiet, verbose, as_json)
    for path in report or ():
        if path.suffix.lower() not in (*PAGES, *NOTES) or path.is_dir():
            raise RequestError(f"--report {path} is no .html or .md file; name one, such as report.html")
        checks.check_folder(path, "--report")
    places.check_own(save, "--save")
    tried = [read_table(path) for path in ablations or ()]
    opened = Pack.open(pack)
    chosen = devices.choose_device(device)

    import time
    from dataclasses import asdict
    from datetime import UTC, datetime

    from vldm_cli.measure.quality import FULL, QUICK, SECTIONS, measure_quality
    from vldm_cli.measure.report.bars import bars
    from vldm_cli.measure.report.markdown import circumstances, machine, write_markdown
    from vldm_cli.measure.report.page import write_page
    from vldm_cli.measure.report.store import Store
    from vldm_cli.measure.report.words import screen

    sections = None if only is None else parse_names(only, tuple(SECTIONS), "--only")
    kind = devices.choose_dtype(dtype, chosen)
    amounts = QUICK if quick else FULL
    identity = {"pack": opened.manifest.hash, "dtype": kind, "amounts": asdict(amounts)}
    store = Store(save, identity, machine(chosen))
    started, clock = datetime.now(UTC), time.monotonic()
    with interrupt.raising():  # for what lies in folders for temporary files
        table, sheets = measure_quality(opened, chosen, kind, amounts, console.note, sections, store)
    words = ["vldm", "measure", "quality", "--pack", pack]
    words += (
        ["--quick"] * quick + (["--only", only] if only else []) + (["--save", str(save)] if save else [])
    )
    if tried:
        table["ablations"] = tried
    table["run"] = circumstances(shlex.join(words), store.machines, started, time.monotonic() - clock)
    for path in report or ():
        if path.suffix.lower() in NOTES:
            write_markdown(path, table)
        else:
            write_page(path, table, sheets)
    console.result({**table, "bars": [bar.as_dict() for bar in bars(table)]}, screen(table))


def read_table(path: Path) -> dict:
    """The ablations that a file holds. Raises RequestError if it holds none."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        return {key: table[key] for key in ("of", "training", *table)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(
            f"--ablations {path} is no table of ablations ({error}); make one with "
            "vldm measure ablations --json > FILE.json"
        ) from error


def parse_names(text: str, known: tuple[str, ...], option: str) -> list[str]:
    """Names divided by commas. Raises RequestError for one that is not known."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise RequestError(f"{option} {name!r:.40} is none of {', '.join(known)}")
    if not names:
        raise RequestError(f"{option} names nothing; it takes some of {', '.join(known)}")
    return names
