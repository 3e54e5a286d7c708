"""How models are run: what options say of it, and what is refused."""

import pytest
import torch

from vldm_cli.errors import RequestError
from vldm_cli.stages.models import Models
from vldm_cli.stages.running import AS_USUAL, Running


def test_options_say_it():
    assert Running() == AS_USUAL and AS_USUAL.plain and AS_USUAL.words() == []
    assert Running(False, "low", "cfg-skip").words() == [
        "--no-plain",
        "--memory",
        "low",
        "--fast",
        "cfg-skip",
    ]
    assert Running(fast=["cfg-skip", "deepcache", "cfg-skip"]).fast == ("deepcache", "cfg-skip")
    assert Running(fast="cfg-skip").guided < AS_USUAL.guided == 1


@pytest.mark.parametrize(
    "options, said",
    [({"memory": "much"}, "--memory much"), ({"fast": ["slow"]}, "--fast slow is none of deepcache")],
)
def test_what_is_none_is_refused(options, said):
    with pytest.raises(RequestError, match=said):
        Running(**options)


def test_weights_wait_where_there_is_no_room_for_them():
    assert not AS_USUAL.low(10, 10) and not AS_USUAL.low(10, None) and AS_USUAL.low(10, 9)
    assert Running(memory="low").low(1, 10) and not Running(memory="high").low(10, 1)


def test_what_does_not_go_together_is_refused():
    with pytest.raises(RequestError, match="--fast deepcache keeps what --memory low spares"):
        Running(memory="low", fast=["deepcache"]).check("cuda")


def test_kernels_are_a_gpus_and_are_asked_for(tiny_pack, monkeypatch):
    """They have not been measured on a GPU yet."""
    Running(plain=False).check("cuda")
    with pytest.raises(
        RequestError, match="--no-plain is for a CUDA GPU, and this runs on mps; leave it out"
    ):
        Running(plain=False).check("mps")
    monkeypatch.setattr("vldm_cli.stages.models.has_triton", lambda: True)
    for running, kernels in ((AS_USUAL, False), (Running(plain=False), True)):
        models = Models(tiny_pack, running=running)
        models.device = torch.device("cuda")
        assert models._has_engine == kernels


def test_low_memory_is_a_gpus():
    Running(memory="low").check("cuda:1")
    Running(memory="high").check("cpu")
    with pytest.raises(RequestError, match="--memory low is for the memory of a GPU"):
        Running(memory="low").check("cpu")
