"""Room on a GPU: what each way of keeping weights needs, and what is said where it is not there."""

from dataclasses import replace

import pytest
import torch

from tests.stages.test_plan import plan
from vldm_cli.errors import RequestError
from vldm_cli.runs import memory
from vldm_cli.stages.room import check_room
from vldm_cli.stages.running import Running

NEEDS = {"estimated_peak_bytes": 9 << 30, "estimated_low_bytes": 6 << 30, "estimated_lowest_bytes": 3 << 30}


@pytest.mark.parametrize(
    "running, low, needed, remedy",
    [
        (Running(), False, 9, "use --memory low, or free some"),
        (Running(fast=["fp8"]), False, 9, "leave --fast fp8 out and use --memory low, or free some"),
        (Running(), True, 6, "--memory lowest, a smaller --size"),
        (Running(memory="lowest"), True, 3, "free; a smaller --size, or --no-upscale, needs less"),
    ],
)
def test_each_needs_less_and_says_what_does(monkeypatch, running, low, needed, remedy):
    wanted, device = replace(plan(24), **NEEDS), torch.device("cuda")
    monkeypatch.setattr(memory, "free_bytes", lambda device: (needed << 30) - (needed << 28))
    with pytest.raises(RequestError, match=f"about {needed}.0 GiB of memory .*{remedy}"):
        check_room(wanted, running, low, device)
    monkeypatch.setattr(memory, "free_bytes", lambda device: needed << 30)
    check_room(wanted, running, low, device)
