"""The ablations in words, and beside them what the paper reports: its numbers, on its data."""

from vldm_cli.measure.report.words import Table, number, percent

TITLES = {
    "layers": "Temporal layers: 8 keyframes from text",
    "context": "Prediction: 8 keyframes of which 2 are given; the last 8 of the 16 keyframes of 240 frames",
    "interpolation": "Interpolation: 33 frames of which 3 are given",
    "decoder": "Decoder: rendered clips, encoded and decoded",
    "upscaler": "Upscaler ×4: rendered clips",
}
# FVD as METHOD.md quotes it from Blattmann et al. 2023: (what, without, with).
PAPER = {
    "layers": (("temporal attention alone → 3D convolutions and attention", 704.41, 534.17),),
    "context": (
        ("without → with context guidance, in its ablation", 534.17, 508.82),
        ("without → with context guidance, long driving videos", 389.0, 356.0),
    ),
    "decoder": (("image decoder → temporal decoder", 390.88, 32.94),),
    "upscaler": (("frame by frame → video upscaler", 165.98, 45.39),),
}


def ablation_tables(table: dict) -> list[Table]:
    """Every number of `ablations.measure_ablations`, group by group, each with the paper's own where there are any."""
    out = [_budget(table)]
    for group, title in TITLES.items():
        if group not in table:
            continue
        part = table[group]
        columns = tuple(dict.fromkeys(name for row in part["rows"].values() for name in row))
        rows = [
            (name, *(_cell(column, row.get(column)) for column in columns))
            for name, row in (*part["rows"].items(), ("floor: other rendered clips", part["floor"]))
        ]
        out.append(Table(f"{title} ({part['clips']} clips)", columns, rows))
        if group in PAPER:
            figures = [(what, f"{a:g}", f"{b:g}") for what, a, b in PAPER[group]]
            out.append(Table("The paper's own FVD, on its own data", ("without", "with"), figures))
    return out


def _budget(table: dict) -> Table:
    run = table["training"]
    rows = [(name, f"{run['minutes']:g}", str(steps)) for name, steps in run["steps"].items()]
    return Table(
        f"Trained from the identity over the image models of {table['of']}", ("minutes", "steps"), rows
    )


def _cell(column: str, value: float | None) -> str:
    return percent(value) if column == "read as asked" else number(value)
