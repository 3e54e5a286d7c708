"""The measurements as Markdown: the report that stands beside the weights it is about."""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from vldm_cli.measure.ablations.words import ablation_tables
from vldm_cli.measure.report.bars import bars
from vldm_cli.measure.report.page import write_report
from vldm_cli.measure.words import SIGNS, Table, number, tables

# Bars that other commands measure.
ELSEWHERE = (
    "Time and memory of `vldm generate` are measured by `vldm measure speed`; what else is asked of them "
    "(edges and checkers crisp to the eye) is to be seen in the contact sheets of the HTML page."
)


def machine(device: str) -> dict[str, str]:
    """What a measurement runs on; device: as torch names it."""
    import torch

    if device.startswith("cuda"):
        hardware = torch.cuda.get_device_name(device)
    else:
        hardware = f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
    return {"hardware": hardware, "torch": torch.__version__}


def circumstances(
    command: str, machines: Sequence[dict[str, str]], started: datetime, seconds: float
) -> dict:
    """How a table came about, for the report and for JSON. machines: what its sections were measured on."""
    import vldm_cli

    return {
        "command": command,
        "date": started.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seconds": round(seconds, 1),
        **{name: " and ".join(dict.fromkeys(m[name] for m in machines)) for name in ("hardware", "torch")},
        "vldm": vldm_cli.__version__,
    }


def write_markdown(path: Path, table: dict) -> None:
    """Write the report of `quality.measure_quality` with its `circumstances` under "run". Raises RunError when it
    cannot be written."""
    pack = table["pack"]
    every = bars(table)
    counts = {sign: sum(SIGNS[bar.met] == sign for bar in every) for sign in SIGNS.values()}
    lines = [
        f"# Quality of {pack['name']}",
        "",
        *_told(table),
        "",
        "## Bars",
        "",
        f"{counts['met']} held, {counts['missed']} missed, {counts['not measured']} not measured. "
        "What is missed is in bold; `better by` is negative by as much as is missing.",
        "",
        "| measure | value | bar | better by | |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for bar in every:
        cells = [bar.name, number(bar.value), f"{'≤' if bar.most else '≥'} {bar.bar:g}", number(bar.margin)]
        lines.append(_row([*cells, SIGNS[bar.met]], bold=bar.met is False))
    lines += ["", ELSEWHERE]
    for part in tables(table)[1:]:
        lines += ["", *markdown(part)]
    if "ablations" in table:
        lines += ["", "# Ablations", *(line for part in table["ablations"] for line in _ablations(part))]
    write_report(path, lines)


def write_ablations(path: Path, table: dict) -> None:
    """Write the report of `ablations.measure_ablations`. Raises RunError when it cannot be written."""
    run = table["run"]
    lines = [
        f"# Ablations of {table['of']}",
        "",
        f"- command: `{run['command']}`",
        f"- pack hash `{table['pack']['hash']}`",
        f"- on {run['hardware']} in {table['dtype']}, torch {run['torch']}, vldm {run['vldm']}",
        f"- {run['date']}, {run['seconds']:.0f} s in this call",
        *_ablations(table),
    ]
    write_report(path, lines)


def _ablations(table: dict) -> list[str]:
    return [line for part in ablation_tables(table) for line in ("", *markdown(part))]


def _told(table: dict) -> list[str]:
    run, pack = table["run"], table["pack"]
    return [
        f"- command: `{run['command']}`",
        f"- pack: {pack['name']}, {pack['mib']} MiB, hash `{pack['hash']}`",
        f"- on {run['hardware']} in {table['dtype']}, torch {run['torch']}, vldm {run['vldm']}",
        f"- {run['date']}, {run['seconds']:.0f} s in this call",
        "- amounts: "
        + ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in table["amounts"].items() if v is not None),
    ]


def markdown(part: Table) -> list[str]:
    """One table, with its title as a heading."""
    lines = [f"## {part.title}", "", _row(["", *part.columns]), "| --- |" + " ---: |" * len(part.columns)]
    return lines + [_row(row) for row in part.rows]


def _row(cells, bold: bool = False) -> str:
    words = [str(cell).replace("|", "\\|") for cell in cells]
    return "| " + " | ".join(f"**{w}**" if bold and w else w for w in words) + " |"
