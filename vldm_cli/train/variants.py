"""Variants of a pack's temporal layers, each trained from the beginning for the same time, by the same objectives.

A variant is a pack of its own that shares the image models and all other files with the pack it is of. What makes it
another one are the sizes in the file of its temporal layers, which the objectives read. One training each: groups of
measurements that need the same variant share it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.packs.manifest import MANIFEST
from vldm_cli.packs.pack import Pack
from vldm_cli.train.all import Everything
from vldm_cli.train.loop import FINISHED
from vldm_cli.train.schedule import AROUND, Job

PACK, RUN = "pack", "run"


@dataclass(frozen=True)
class Variant:
    """part: what `vldm train` calls it; file: what the pack calls it; sizes: how its temporal layers differ."""

    part: str
    file: str
    sizes: dict[str, int | str] = field(default_factory=dict)
    options: tuple[str, ...] = ()


# Attention as the paper has it: over the frames at each place, with no ear for the words.
OVER_TIME: dict[str, int | str] = {"reach": "time", "text_dim": 0, "reader_dim": 0, "waves": 0}
VARIANTS = {
    "keyframes": Variant("keyframes", "keyframes"),
    "over-time": Variant("keyframes", "keyframes", OVER_TIME),
    "attention": Variant("keyframes", "keyframes", {"layers": "attention", **OVER_TIME}),
    "no-waves": Variant("keyframes", "keyframes", {"waves": 0}),
    "no-context": Variant("keyframes", "keyframes", {"context_channels": 0}),
    "interpolation": Variant("interpolation", "interpolation"),
    "interpolation-16": Variant("interpolation", "interpolation", {"factor": 16}),
    "decoder": Variant("decoder", "decoder"),
    "upscaler": Variant("upscaler", "upscaler_pixel_temporal", options=("--vae-roundtrip",)),
}


def make_packs(pack: Pack, folder: Path, names: Sequence[str], seed: int) -> dict[str, Pack]:
    """The pack of each variant, in its folder in `folder`; those that are there already are opened as they are."""
    packs = {}
    for name in names:
        variant, place = VARIANTS[name], folder / name / PACK
        if (place / MANIFEST).is_file():
            packs[name] = Pack.open(place, check=False)
        else:
            from vldm_cli.packs.variant import new_variant

            packs[name] = new_variant(pack, place, variant.file, seed, **variant.sizes)
    return packs


def make_jobs(names: Sequence[str], minutes: float, gpus: int) -> list[Job]:
    """One job a variant, in turn on the GPUs (0: the CPU)."""
    jobs, lanes = [], [0.0] * max(1, gpus)
    for name in names:
        lane = lanes.index(min(lanes))
        wall = minutes + AROUND
        jobs.append(Job(name, (lane,) if gpus else (), lanes[lane], wall))
        lanes[lane] += wall
    return jobs


def train_variants(
    jobs: list[Job],
    minutes: float,
    folder: Path,
    state: dict,
    seed: int = 0,
    further: dict[str, list[str]] | None = None,
    **everything: Callable,
) -> None:
    """Train each variant for `minutes` of its own; those that were trained before are left out. further: more options
    of `vldm train`, by variant. Raises what `Everything.run` raises."""
    # an equal budget: none is given less because another one took longer
    state["minutes"] |= {job.part: minutes for job in jobs}

    def words(job: Job, job_minutes: float) -> list[str]:
        variant, place = VARIANTS[job.part], folder / job.part
        return [
            *("train", variant.part, "--pack", str(place / PACK), "--run", str(place / RUN)),
            *(
                "--minutes",
                str(job_minutes),
                "--seed",
                str(seed),
                "--device",
                "cuda" if job.gpus else "cpu",
                "-v",
            ),
            *variant.options,
            *(further or {}).get(job.part, ()),
        ]

    total = max((job.start + job.minutes for job in jobs), default=0.0)
    Everything(jobs, total, folder, words, state, **everything).run()


def steps_of(folder: Path, names: Sequence[str]) -> dict[str, int]:
    """Steps that each variant was trained for. Raises RequestError for one that was not trained to the end."""
    steps = {}
    for name in names:
        path = folder / name / RUN / FINISHED
        if not path.is_file():
            raise RequestError(
                f"{folder} holds no finished training of {name}; run this without --measure-only"
            )
        steps[name] = json.loads(path.read_text())["step"]
    return steps
