"""A GPU's beginning beside imports: only of a GPU of this machine, and whatever is wrong with it is told later."""

from threading import enumerate as threads

import pytest
import torch

from vldm_cli.runs.awaken import awaken
from vldm_cli.runs.here import Elsewhere


def begun() -> list:
    return [thread for thread in threads() if thread.name == "awaken"]


@pytest.mark.parametrize("device", ["cpu", "mps", Elsewhere("cuda")])
def test_nothing_begins_elsewhere(device, monkeypatch):
    monkeypatch.setattr("vldm_cli.runs.awaken._awaken", lambda device: pytest.fail("it began"))
    before = begun()
    awaken(device)
    assert begun() == before


def test_a_gpu_begins_on_the_device_that_is_asked_for(monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(torch, "ones", lambda *shape, device, **_: asked.append(device) or 1 / 0)
    awaken("cuda:1")
    for thread in begun():
        thread.join()
    assert asked == ["cuda:1"]  # and its error is nobody's: it is met again where the GPU is used
