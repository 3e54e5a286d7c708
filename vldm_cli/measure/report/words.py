"""The measurements in words: plain tables, the same for the screen and for the page."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from vldm_cli.measure.faithfulness import ORDER
from vldm_cli.measure.report.bars import bars

OFTEN = 12  # mistakes that are listed
SIGNS = {True: "met", False: "missed", None: "not measured"}


@dataclass(frozen=True)
class Table:
    """A title, a heading for each column, and rows of a name and a value a further column."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def lines(self) -> list[str]:
        """For the screen: the first column to the left, the others to the right."""
        cells = [("", *self.columns), *self.rows]
        width = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
        out = [self.title]
        for row in cells:
            out.append(
                "  "
                + "  ".join(
                    [row[0].ljust(width[0]), *(c.rjust(w) for c, w in zip(row[1:], width[1:], strict=True))]
                )
            )
        return out


def tables(table: dict) -> list[Table]:
    """Every number of `quality.measure_quality` that was measured, in reading order."""
    out = [_bars(table)]
    if "probe" in table:
        out.append(_probe(table))
    for key, title in (
        ("faithfulness", "Faithfulness, fixed prompts"),
        ("withheld", "Faithfulness, withheld triples"),
        ("english", "Plain English"),
    ):
        if key in table:
            out += _faithfulness(table[key], title)
    if "frechet" in table:
        out.append(_frechet(table["frechet"]))
    if "clips" in table:
        part = table["clips"]
        out.append(
            _steady(part, f"Consistency of {part['clips']} clips of {part['frames']} neighbouring frames")
        )
    if "long" in table:
        out += _long(table["long"])
    for key, title in (
        ("decoder", "Autoencoder and temporal decoder alone"),
        ("upscaler", "Upscaler ×4 alone"),
    ):
        if key in table:
            out.append(_alone(table[key], title))
    if "outlines" in table:
        out.append(_outlines(table["outlines"]))
    return out


def screen(table: dict) -> str:
    """All tables as text."""
    return "\n\n".join("\n".join(part.lines()) for part in tables(table))


def _bars(table: dict) -> Table:
    rows = [
        (
            bar.name,
            number(bar.value),
            f"{'≤' if bar.most else '≥'} {bar.bar:g}",
            number(bar.margin),
            SIGNS[bar.met],
        )
        for bar in bars(table)
    ]
    return Table("Bars", ("value", "bar", "better by", ""), rows)


def _probe(table: dict) -> Table:
    groups = list(table["probe"])
    rows = [
        (name, *(_share(table["probe"][g], name) for g in groups))
        for name in ORDER
        if _any(table["probe"], name)
    ]
    return Table("The probe itself, on fresh renders", tuple(groups), rows)


def _faithfulness(part: dict, title: str) -> list[Table]:
    out = []
    for group, entries in part["made"].items():
        rows = [
            (
                name,
                percent(entry["share"]),
                percent(part["rendered"][group][name]["share"]),
                percent(part["of what the probe reads"][group][name]),
                str(entry["asked"]),
            )
            for name, entry in entries.items()
        ]
        out.append(Table(f"{title}: {group}", ("made", "rendered", "made of rendered", "asked"), rows))
    together = [("all attributes", percent(part["overall"]["made"]), percent(part["overall"]["rendered"]))]
    spins = part.get("spins", {})
    if spins.get("asked"):
        together.append(("what spins", percent(spins["made"]), percent(spins["rendered"])))
    out.append(Table(f"{title}: together", ("made", "rendered"), together))
    if part.get("misread"):
        out.append(_misread(part["misread"], f"{title}: most often read otherwise"))
    out.append(_steady(part["consistency"], f"{title}: consistency of the keyframes"))
    return out


def _misread(misread: list[dict], title: str) -> Table:
    often = Counter((one["attribute"], one["asked"], one["read"]) for one in misread).most_common(OFTEN)
    rows = [
        (f"{attribute}: {asked}", read or "nothing there", str(n)) for (attribute, asked, read), n in often
    ]
    return Table(title, ("read as", "times"), rows)


def _steady(part: dict, title: str) -> Table:
    rows = [
        (name, number(entry["made"]), number(entry["rendered"]), number(entry["made / rendered"]))
        for name, entry in part.items()
        if isinstance(entry, dict)
    ]
    return Table(title, ("made", "rendered", "made / rendered"), rows)


def _frechet(part: dict) -> Table:
    rows = [
        (
            f"{name}s",
            number(part[name]["made"]),
            number(part[name]["floor"]),
            number(part[name]["made / floor"]),
        )
        for name in ("video", "frame")
    ]
    return Table(
        f"Fréchet distance in the probe's features, {part['clips']} clips",
        ("made", "floor", "made / floor"),
        rows,
    )


def _long(part: dict) -> list[Table]:
    rows = []
    for name, entry in part["made"].items():
        truth = part["rendered"].get(name, {"first": None, "last": None})
        if name == "read as asked":
            continue
        if isinstance(entry, dict):
            rows.append((name, *(number(e[end]) for e in (entry, truth) for end in ("first", "last"))))
        else:
            rows.append((name, "", number(entry), "", number(truth)))
    title = f"{part['videos']} videos of {part['frames']} frames: the first and the last {part['ends']}"
    columns = ("made, first", "last", "rendered, first", "last")
    sides = [part[kind]["read as asked"][end] for kind in ("made", "rendered") for end in ("first", "last")]
    read = [
        (f"{group}: {name}", *(_share(side.get(group, {}), name) for side in sides))
        for group, entries in sides[0].items()
        for name in entries
    ]
    return [Table(title, columns, rows), Table("Read as asked at their ends", columns, read)]


def _alone(part: dict, title: str) -> Table:
    measures = {"psnr": "PSNR, dB", "ssim": "SSIM", "flicker": "flicker", "warping error": "warping error"}
    variants = [key for key, value in part.items() if isinstance(value, dict)]
    rows = [(words, *(number(part[v].get(name)) for v in variants)) for name, words in measures.items()]
    return Table(f"{title}: {part['clips']} clips of {part['frames']} frames", tuple(variants), rows)


def _outlines(part: dict) -> Table:
    measures = {
        "distance": "mean distance to the nearest render's outline, px",
        "90th percentile": "90th percentile, px",
        "close": "within .6 px",
        "rolling": "mean distance of what rolls, px",
        "balls": "roughness of balls, px",
        "pattern": "change of stripes and checks over the keyframes",
        "patterned clips": "clips with them",
        "objects": "objects",
        "lost": "not found",
        "cut": "cut by the frame, not counted",
    }
    kinds = [key for key, value in part.items() if isinstance(value, dict)]
    shown = {"close": percent}
    rows = [
        (words, *(shown.get(name, number)(part[k][name]) for k in kinds)) for name, words in measures.items()
    ]
    overlap = percent(part["overlap of rendered silhouettes with the true ones"])
    title = (
        f"Outlines of lone objects, pixels at 256×160: {part['clips']} clips of keyframes, "
        f"{part['video clips']} videos of {part['frames']} frames "
        f"(silhouettes found in renders overlap the true ones by {overlap})"
    )
    return Table(title, tuple(kinds), rows)


def number(value: float | None) -> str:
    """A measured number, or a dash where there is none."""
    return "–" if value is None else f"{value:.4g}"


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _share(entries: dict, name: str) -> str:
    return percent(entries[name]["share"]) if name in entries else ""


def _any(groups: dict, name: str) -> bool:
    return any(name in entries for entries in groups.values())
