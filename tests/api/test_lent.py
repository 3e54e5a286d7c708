"""Where models are to be run, and what that says of how."""

import subprocess
import sys
from contextlib import suppress
from importlib import import_module

import pytest
import torch

from vldm_cli.api.lent import NEEDS, gpus_told, lend
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


def test_what_workers_import_is_there():
    for name in NEEDS.values():
        import_module(name)


@pytest.mark.parametrize(
    "told, count", [(None, 2), ("", 0), ("-1", 0), ("3", 1), ("0,2,GPU-8f0e", 3), ("NoDevFiles", 1)]
)
def test_how_many_gpus_there_seem_to_be(monkeypatch, tmp_path, told, count):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name in ("nvidia0", "nvidia7", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    if told is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", told)
    assert gpus_told(tmp_path) == count


class _Begun:
    """In the place of processes."""

    all: list = []  # noqa: RUF012

    def __init__(self, count, needs):
        self.count, self.needs, self.ended = count, needs, False
        self.all.append(self)

    def end(self):
        self.ended = True


def test_workers_for_gpus_begin_before_these_are_looked_for(monkeypatch):
    _Begun.all.clear()
    monkeypatch.setattr("vldm_cli.runs.pool.process.Begun", _Begun)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")

    def look():
        assert [begun.count for begun in _Begun.all] == [3]
        return 3

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", look)
    lent = lend("all", None, None, dtype="float16", command="generate")
    assert lent.begun is _Begun.all[0] and not lent.begun.ended and lent.begun.needs == NEEDS["generate"]
    with lent.pool(wanted=False) as pool:
        assert pool is None and lent.begun.ended
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RequestError, match="there is no CUDA GPU"):
        lend("2", None, None, dtype="float16", command="generate")
    assert [(begun.count, begun.ended) for begun in _Begun.all] == [(3, True), (2, True)]
    for gpus in ("4", "1", None):  # more than there seem to be; this process alone
        with suppress(RequestError):
            lend(gpus, None, None, dtype="float16", command="generate")
    with suppress(RequestError):
        lend("2", None, None, dtype="float16")  # nothing is carried out
    assert len(_Begun.all) == 2


def test_workers_begin_before_torch_is_imported_here(monkeypatch):
    """By what is imported until they are there."""
    code = """
import sys
from vldm_cli.api.lent import lend
with lend(None, 2, None, command="generate").pool() as pool:
    print(len(pool), *({"torch", "diffusers", "transformers"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "2\n", done.stderr
