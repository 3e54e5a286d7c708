"""The measurements as one HTML page that needs nothing else: numbers, bars drawn as SVG, contact sheets as pictures."""

import base64
import html
from pathlib import Path

import numpy as np
from PIL import Image

from vldm_cli.errors import RunError
from vldm_cli.measure.report.ablations import ablation_tables
from vldm_cli.measure.report.words import Table, percent, tables
from vldm_cli.video.picture import as_jpeg

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 0.5em 0 1.5em }
caption { text-align: left; font-weight: 600; padding: 0.3em 0 }
td, th { padding: 0.15em 0.9em; text-align: right; border-bottom: 1px solid #ddd } td:first-child { text-align: left }
.missed td { background: #fdecea } img { max-width: 100%; display: block; margin: 0.5em 0 1.5em } h2 { margin-top: 2em }
"""
BAR_WIDTH, BAR_HEIGHT, LABEL = 420, 14, 150
MADE, RENDERED = "#1f5fbf", "#c9d6ea"


def write_page(path: Path, table: dict, sheets: dict[str, Image.Image]) -> None:
    """Write the page of `quality.measure_quality`. Raises RunError when it cannot be written."""
    pack = table["pack"]
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<title>{html.escape(pack['name'])}: quality</title><style>{STYLE}</style>",
        f"<h1>Quality of {html.escape(pack['name'])}</h1>",
        f"<p>Pack {pack['hash'][:16]}, on {html.escape(table['device'])} in {table['dtype']}.</p>",
    ]
    parts += [_table(part) for part in tables(table)]
    if "faithfulness" in table:
        parts.append(
            "<h2>Read as asked</h2><p>Dark: made by the pack; pale: rendered scenes of the same prompts.</p>"
        )
    for key, title in (
        ("faithfulness", "Fixed prompts"),
        ("withheld", "Withheld triples"),
        ("english", "Plain English"),
    ):
        if key not in table:
            continue
        parts += [
            f"<h3>{title}: {html.escape(group)}</h3>{_bars(table[key], group)}"
            for group in table[key]["made"]
        ]
    if "ablations" in table:
        tried = [part for ablation in table["ablations"] for part in ablation_tables(ablation)]
        parts += ["<h2>Ablations</h2>", *page_tables(tried)]
    for title, sheet in sheets.items():
        parts.append(f"<h2>{html.escape(title)}</h2>{_picture(sheet, title)}")
    write_report(path, parts)


def page_tables(tables: list[Table]) -> list[str]:
    """Tables as HTML."""
    return [_table(part) for part in tables]


def write_ablations(path: Path, table: dict) -> None:
    """Write a page of ablations alone. Raises RunError when it cannot be written."""
    of = html.escape(table["of"])
    lines = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<title>{of}: ablations</title><style>{STYLE}</style><h1>Ablations of {of}</h1>",
        f"<p>Pack {table['pack']['hash'][:16]}, on {html.escape(table['run']['hardware'])} in {table['dtype']}, "
        f"torch {html.escape(table['run']['torch'])}, {table['run']['date']}.</p>",
        *page_tables(ablation_tables(table)),
    ]
    write_report(path, lines)


def write_report(path: Path, lines: list[str]) -> None:
    """Write the lines of a report. Raises RunError when it cannot be written."""
    try:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise RunError(f"{path} cannot be written ({error.strerror}); name another --report") from error


def _picture(image: Image.Image, title: str) -> str:
    code = base64.b64encode(as_jpeg(np.asarray(image.convert("RGB")), quality=88)).decode()
    return f'<img alt="{html.escape(title)}" src="data:image/jpeg;base64,{code}">'


def _table(part: Table) -> str:
    head = "".join(f"<th>{html.escape(c)}</th>" for c in ("", *part.columns))
    rows = []
    for row in part.rows:
        mark = ' class="missed"' if row[-1] == "missed" else ""
        rows.append(f"<tr{mark}>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>")
    return f"<table><caption>{html.escape(part.title)}</caption><tr>{head}</tr>{''.join(rows)}</table>"


def _bars(part: dict, group: str) -> str:
    """Shares by attribute as an SVG."""
    entries = part["made"][group]
    height = (BAR_HEIGHT + 6) * len(entries) + 4
    out = [
        f'<svg width="{LABEL + BAR_WIDTH + 70}" height="{height}" font-size="12" font-family="sans-serif">'
    ]
    for i, (name, entry) in enumerate(entries.items()):
        y = 4 + i * (BAR_HEIGHT + 6)
        truth = part["rendered"][group][name]["share"]
        out.append(f'<text x="{LABEL - 8}" y="{y + 11}" text-anchor="end">{html.escape(name)}</text>')
        for share, inset, colour in ((truth, 0, RENDERED), (entry["share"], 3, MADE)):
            size = f'width="{BAR_WIDTH * share:.1f}" height="{BAR_HEIGHT - 2 * inset}"'
            out.append(f'<rect x="{LABEL}" y="{y + inset}" {size} fill="{colour}"/>')
        out.append(f'<text x="{LABEL + BAR_WIDTH + 6}" y="{y + 11}">{percent(entry["share"])}</text>')
    return "".join([*out, "</svg>"])
