"""Where models are to be run, and what that says of how."""

import pytest
import torch

from vldm_cli.api.lent import lend
from vldm_cli.errors import RequestError
from vldm_cli.stages.running import Running

LOW = Running(memory="low")


def test_little_memory_is_a_matter_of_where_the_work_is_done(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    lent = lend("all", None, None, dtype="float16", running=LOW)
    assert (lent.kind, lent.count, lent.device) == ("cuda", 2, "cpu")
    assert lend(None, None, None, "auto", running=LOW).count == 0
    for options in ({"workers": 2}, {"device": "cpu"}):
        asked = {"gpus": None, "workers": None, "ray": None, "running": LOW, **options}
        with pytest.raises(
            RequestError, match="--memory low is for the memory of a GPU, and this runs on cpu"
        ):
            lend(**asked)


def test_a_number_of_gpus_as_a_command_line_has_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    for gpus in ("2", 2):
        lent = lend(gpus, None, None, dtype="float16")
        assert (lent.kind, lent.count) == ("cuda", 2)
    with pytest.raises(RequestError, match="--gpus 4: there are 3 here"):
        lend("4", None, None)
    for gpus in ("", "0", "-1", "2.0", "²", "9" * 5000, True):
        with pytest.raises(RequestError, match="is none of all and numbers from 1 on"):
            lend(gpus, None, None)
