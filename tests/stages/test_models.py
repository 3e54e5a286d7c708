"""A pack's models on a GPU that has not the room for them."""

import weakref
from dataclasses import replace

import pytest
import torch

from tests.stages.test_plan import plan
from vldm_cli.errors import RequestError
from vldm_cli.packs.same import PackName
from vldm_cli.runs import memory
from vldm_cli.runs.here import here
from vldm_cli.stages import models as module
from vldm_cli.stages.models import Models
from vldm_cli.stages.running import FAST, Running


@pytest.fixture
def models(tiny_pack, monkeypatch):
    """On a GPU that has 10 GiB free."""
    for place in (module, memory):
        monkeypatch.setattr(place, "free_bytes", lambda device: 10 << 30)
    monkeypatch.setattr("vldm_cli.stages.ready.has_triton", lambda: False)
    made = Models(tiny_pack)
    made.device = torch.device("cuda")  # nothing goes there
    return made


def test_one_video_of_a_list_that_has_no_room_is_enough_for_weights_to_wait(models):
    small = replace(plan(24), estimated_peak_bytes=9 << 30, upscale=False)
    for one, waits in ((small, False), (replace(small, estimated_peak_bytes=11 << 30), True), (small, True)):
        models.prepare_for(one)
        assert models.low == waits


def test_the_weights_of_a_clips_upscaler_wait_where_there_is_no_room_for_them(models):
    models.prepare_upscaler("pixel", 9 << 30)
    assert not models.low
    models.prepare_upscaler("pixel", 11 << 30)
    assert models.low
    with pytest.raises(
        RequestError, match=r"about 20\.0 GiB of memory and cuda has 10\.0 free; a smaller --tile"
    ):
        models.prepare_upscaler("pixel", 20 << 30)


def test_a_worker_holds_on_to_the_models_of_few_packs(tiny_pack, monkeypatch):
    """Or a list of clips that many packs have made would fill its GPU."""
    monkeypatch.setattr(here, "device", "cpu")
    name, ways = PackName.of(tiny_pack), [Running(fast=FAST[:number]) for number in range(3)]
    first = weakref.ref(module.opened_here(name, "float16", ways[0]))
    assert module.opened_here(name, "float16", ways[0]) is first()
    for way in ways[1:]:
        module.opened_here(name, "float16", way)
    assert first() is None
