"""The run's curve: curve.csv, one row a log line, and curve.png drawn from it."""

import csv
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from vldm_cli.video.picture import write_png

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 960, 540, 80, 40, 30, 20
COLOURS = ("#1f5fbf", "#c2410c", "#15803d", "#7e22ce", "#b91c1c", "#0e7490")


class Curve:
    """Rows of {column: number}, every row with at least `step` and `loss`; columns may appear later."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.rows: list[dict[str, float]] = []

    def load(self, last_step: int) -> None:
        """Rows up to `last_step`: what was logged after the checkpoint will be logged again."""
        path = self.folder / "curve.csv"
        if path.is_file():
            with path.open(newline="") as file:
                rows = [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]
            self.rows = [row for row in rows if row["step"] <= last_step]

    def add(self, row: dict[str, float]) -> None:
        self.rows.append(row)

    def write(self) -> None:
        """Write curve.csv and curve.png into the run's folder."""
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        with (self.folder / "curve.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(self.rows)
        write_png(self.folder / "curve.png", np.asarray(self.picture().convert("RGB")))

    def picture(self) -> Image.Image:
        """The loss and the other measurements over steps, as far as they are positive and finite; logarithmic, each raw
        (pale) and smoothed."""
        skip = {"step", "elapsed", "progress", "lr", "rate", "skipped", "grad_norm"}
        columns = [c for c in dict.fromkeys(k for row in self.rows for k in row) if c not in skip]
        # a single step may lose its way: its infinite loss is in the table and no place in the picture
        lines = {c: [(r["step"], r[c]) for r in self.rows if 0 < r.get(c, 0) < math.inf] for c in columns}
        lines = {c: points for c, points in lines.items() if points}
        image = Image.new("RGB", (WIDTH, HEIGHT), "white")
        draw = ImageDraw.Draw(image)
        if not lines:
            return image
        values = [math.log10(v) for points in lines.values() for _, v in points]
        low, high = min(values), max(max(values), min(values) + 0.1)
        steps = max(1, *(s for points in lines.values() for s, _ in points))

        def place(step: float, log_value: float) -> tuple[float, float]:
            x = LEFT + (WIDTH - LEFT - RIGHT) * step / steps
            return x, TOP + (HEIGHT - TOP - BOTTOM) * (high - log_value) / (high - low)

        for i in range(6):
            level = low + (high - low) * i / 5
            x, y = place(0, level)
            draw.line((x, y, WIDTH - RIGHT, y), fill="#e5e5e5")
            draw.text((8, y - 6), f"{10**level:.3g}", fill="black")
            x, _ = place(steps * i / 5, low)
            draw.text((x - 10, HEIGHT - BOTTOM + 10), f"{steps * i / 5:.0f}", fill="black")
        for index, (name, points) in enumerate(lines.items()):
            colour = COLOURS[index % len(COLOURS)]
            draw.line([place(s, math.log10(v)) for s, v in points], fill=_pale(colour))
            draw.line([place(s, v) for s, v in _smooth(points)], fill=colour, width=2)
            draw.text((LEFT + 120 * index, 8), name, fill=colour)
        return image


def _smooth(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """(step, log10 of a running average over about ten rows)."""
    average, out = points[0][1], []
    for step, value in points:
        average += 0.1 * (value - average)
        out.append((step, math.log10(average)))
    return out


def _pale(colour: str) -> tuple[int, ...]:
    return tuple(255 - (255 - int(colour[i : i + 2], 16)) // 3 for i in (1, 3, 5))
