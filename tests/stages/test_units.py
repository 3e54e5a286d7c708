"""Units of a plan: done one by one, in any order that their needs allow and each by a bench of its own, they are the
plain run's work, and nothing is made twice."""

import random
from collections import Counter
from fractions import Fraction

import pytest

from tests.cases import some
from vldm_cli.pipelines.generate.making import Making
from vldm_cli.pipelines.generate.request import GenerateRequest
from vldm_cli.pipelines.generate.settings import plan_of, resolve
from vldm_cli.runs.aside import Aside
from vldm_cli.runs.pool.graph import SEGMENT
from vldm_cli.runs.progress import Clock
from vldm_cli.runs.store import Store
from vldm_cli.stages.denoiser import Denoiser


def making(models, image=None, **options):
    options = {"frames": 100, "upscale": False, "interpolation": 16, **options}
    request = GenerateRequest("a red ball", None, image=image, **options)
    manifest = models.pack.manifest
    settings = resolve(request, manifest)
    plan = plan_of(settings, manifest)
    return Making(settings, plan, models, 3, image, "mp4", False, tail=(0, plan.frames - 1))


def whole(one, folder):
    folder.mkdir()
    bench = one.bench(Store(folder), Clock(), Aside(0))
    for index in range(len(one.plan.segments)):
        bench.segment(index)
    bench.close()
    return [bench.store.segment(index).read_bytes() for index in range(len(one.plan.segments))]


@pytest.fixture
def filled(monkeypatch):
    """How often each window of latents is filled."""
    counts, fill = Counter(), Denoiser.fill

    def watched(self, starts, *rest):
        counts.update((self.stage, start) for start in starts)
        return fill(self, starts, *rest)

    monkeypatch.setattr(Denoiser, "fill", watched)
    return counts


ASKED = [
    {},
    {"upscale": True, "frames": 31},
    {"interpolation": 4, "frames": 40},
    {"interpolation": 1, "frames": 20},
    {"between": "motion", "frames": 100},
    {"frames": 1},
    {"fps": Fraction(6), "frames": 70},
]
# On a GPU more windows go into one unit; how they are made is the same.
CASES = [(options, batch) for batch in ("cpu", "cuda") for options in ASKED]


@pytest.mark.parametrize(
    ("options", "batch"), some(CASES, [(options, "cpu") for options in ASKED] + [(ASKED[0], "cuda")]), ids=str
)
def test_in_any_order(models, tmp_path, filled, options, batch):
    one = making(models, **options)
    graph = one.graph(batch)
    wanted = whole(one, tmp_path / "plain")
    calls = Counter(filled)
    filled.clear()
    store, done, chance = Store(tmp_path), set(), random.Random(5)
    ranks = graph.ranked(lambda unit: unit.is_done(store))
    assert set(ranks) == set(graph.needs)
    while len(done) < len(ranks):
        unit = chance.choice(
            [unit for unit in graph.needs if unit not in done and done >= {*graph.needs[unit]}]
        )
        bench = one.bench(store, Clock(), Aside(0))
        bench.do(unit)
        bench.close()
        assert unit.is_done(store)
        done.add(unit)
    assert [store.segment(index).read_bytes() for index in range(len(wanted))] == wanted
    if batch == "cpu":
        assert filled == calls, "no window is made twice, or by a unit that is not its own"
    assert graph.ranked(lambda unit: unit.is_done(store)) == {}
    told = Counter()
    for unit in graph.needs:
        told.update(graph.told[unit])
    totals = {stage: total for stage, total in one.plan.totals.items() if stage not in ("join", "decode")}
    assert {stage: told[stage] for stage in totals} == totals


def test_a_given_frame_is_matched_once(models, tmp_path):
    import numpy as np

    image = np.random.default_rng(1).integers(0, 256, (32, 48, 3), np.uint8)
    one = making(models, image, frames=60)
    graph = one.graph("cpu")
    first, *others = graph.segments
    assert all(first in graph.needs[segment] for segment in others)
    wanted = whole(one, tmp_path / "plain")
    store = Store(tmp_path)
    for unit in sorted(
        graph.needs, key=lambda unit: (unit.stage == SEGMENT, unit.stage != "keyframes", unit)
    ):
        one.bench(store, Clock(), Aside(0)).do(unit)
    assert [store.segment(index).read_bytes() for index in range(len(wanted))] == wanted


def test_a_unit_that_is_begun_too_early_makes_what_it_needs(models, tmp_path):
    one = making(models, frames=40)
    wanted = whole(one, tmp_path / "plain")
    store = Store(tmp_path)
    last = one.graph("cpu").segments[-1]
    one.bench(store, Clock(), Aside(0)).do(last)
    assert store.segment(last.index).read_bytes() == wanted[last.index]
