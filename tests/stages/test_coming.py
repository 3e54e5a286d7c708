"""What workers get ready of a pack before they are given a unit."""

import pickle

import pytest

from vldm_cli.packs.same import PackName
from vldm_cli.pipelines.generate.request import GenerateRequest
from vldm_cli.pipelines.generate.settings import plan_of, resolve
from vldm_cli.runs.here import here
from vldm_cli.runs.recent import Recent
from vldm_cli.stages import models as all_models
from vldm_cli.stages.coming import ComingModels
from vldm_cli.stages.models import Models
from vldm_cli.stages.running import AS_USUAL


@pytest.fixture
def loaded(monkeypatch):
    """The parts that are loaded, one after the other."""
    names, load = [], Models._load
    monkeypatch.setattr(
        Models,
        "_load",
        lambda models, part, own=False: names.append(part) or load(models, part, own),
    )
    monkeypatch.setattr(all_models, "_opened", Recent())
    monkeypatch.setattr(here, "device", "cpu")
    return names


def coming(pack, **options):
    settings = resolve(GenerateRequest("a ball", None, **options), pack.manifest)
    plan = plan_of(settings, pack.manifest) if options else None
    return pickle.loads(pickle.dumps(ComingModels(PackName.of(pack), "float32", AS_USUAL, plan)))


def test_on_a_cpu_models_are_only_opened(tiny_pack, loaded):
    assert len(list(coming(tiny_pack, frames=100).steps())) == 1
    assert loaded == [] and len(all_models._opened._things) == 1


@pytest.mark.parametrize(
    "options, wanted",
    [
        ({"frames": 100}, ["text", "keyframes", "interpolation", "decoder", "upscaler_pixel_temporal"]),
        ({"frames": 20, "interpolation": 1, "upscale": False}, ["text", "keyframes", "decoder"]),
        ({}, ["text", "keyframes", "decoder"]),
    ],
)
def test_on_a_gpu_they_are_loaded_one_by_one_in_the_order_of_the_stages(
    tiny_pack, loaded, monkeypatch, options, wanted
):
    opened = all_models.opened_here

    def on_cpu(*arguments):
        models = opened(*arguments)
        here.device = "cuda:0"  # which there need not be
        return models

    monkeypatch.setattr(all_models, "opened_here", on_cpu)
    steps, seen = coming(tiny_pack, **options).steps(), []
    for _ in steps:
        seen.append(len(loaded))
    assert loaded == wanted and seen == list(range(len(wanted) + 1))
