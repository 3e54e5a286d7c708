"""How much of everything an ablation measures, the shape of its rows, and the book that they are kept in."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vldm_cli.measure.distances import Features
from vldm_cli.measure.report.store import Store

Note = Callable[[str], None]


@dataclass(frozen=True)
class Book:
    """What a group writes into while it is measured: remarks, and rows that take long, so that they are not lost with
    the rest of the group."""

    store: Store
    note: Note = lambda text: None

    def kept(self, key: str, measure: Callable[[], dict]) -> dict:
        """What the store has by that name, or else what is measured now and kept there."""
        done = self.store.load(key)
        if done is None:
            done = measure(), {}
            self.store.save(key, *done)
        return done[0]

    def row(self, group: str, name: str, measure: Callable[[], dict]) -> dict:
        """A row of the group, kept."""

        def measured() -> dict:
            self.note(f"{group}: {name}")
            return measure()

        return self.kept(re.sub(r"[^a-z0-9.]+", "-", f"{group} {name}".lower()), measured)


@dataclass(frozen=True)
class Amounts:
    """Clips of which Fréchet distances are taken (of keyframes, of neighbouring frames, of upscaled patches), prompts,
    clips reconstructed one by one and their frames, and clips in one call of a model."""

    frechet: int
    neighbours: int
    patches: int
    prompts: int
    decoder_clips: int
    decoder_frames: int
    upscaler_clips: int
    upscaler_frames: int
    batch: int
    steps: int | None = None


FULL = Amounts(512, 256, 128, 128, 16, 24, 4, 16, batch=128)
QUICK = Amounts(8, 4, 2, 10, 1, 8, 1, 2, batch=4, steps=8)


def beside(
    made: dict[str, Features], truth: Features, other: Features, alone: Sequence[dict], clips: int
) -> dict:
    """Distances, and beside them what was measured clip by clip."""
    rows = {}
    for (name, features), measured in zip(made.items(), alone, strict=True):
        distances = features.against(truth, other)
        rows[name] = {**distance_row(distances), **measured}
    return {"clips": clips, "floor": floor_row(distances), "rows": rows}


def distance_row(distances: dict) -> dict[str, float]:
    return {f"{name} distance": distances[name]["made"] for name in ("video", "frame")}


def floor_row(distances: dict) -> dict[str, float]:
    return {f"{name} distance": distances[name]["floor"] for name in ("video", "frame")}
