import ctypes
import subprocess
import sys

import pytest
import torch

from vldm_cli.errors import RequestError
from vldm_cli.runs import memory
from vldm_cli.runs.memory import check_free, fetch_memory, first_that_fits, keep_freed_memory


def test_freed_memory_is_kept_where_the_c_library_can(monkeypatch):
    told = []
    library = type("C", (), {"mallopt": staticmethod(lambda *words: told.append(words) or 1)})
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: library)
    assert keep_freed_memory()
    assert told == [(-4, 0), (-1, 2**31 - 1)]


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])
def test_other_c_libraries_are_left_alone(monkeypatch, error):
    def none(_name):
        raise error

    monkeypatch.setattr(ctypes, "CDLL", none)
    assert not keep_freed_memory()


@pytest.fixture
def filled(monkeypatch):
    """Sizes in bytes of the blocks that are fetched, by a process that has held 1000 and keeps what it frees."""
    sizes = []
    monkeypatch.setattr(memory, "peak_bytes", lambda device: 1000)
    monkeypatch.setattr(memory, "keep_freed_memory", lambda: True)
    monkeypatch.setattr(torch.Tensor, "fill_", lambda block, value: sizes.append(block.nbytes))
    return sizes


def test_what_is_missing_is_fetched_in_one_piece_and_written_to(filled):
    fetch_memory(5000)
    assert filled == [4000]


@pytest.mark.parametrize("most", [0, 999, 1000])
def test_what_has_been_held_is_not_fetched_again(filled, most):
    fetch_memory(most)
    assert filled == []


@pytest.mark.parametrize(("name", "value"), [("keep_freed_memory", False), ("peak_bytes", None)])
def test_nothing_is_fetched_where_it_would_not_be_kept_or_nobody_knows_how_much(
    filled, monkeypatch, name, value
):
    monkeypatch.setattr(memory, name, lambda *_: value)
    fetch_memory(5000)
    assert filled == []


def test_memory_that_is_not_there_is_left_to_the_stage_that_needs_it(monkeypatch):
    fetched = []

    def fetch(error):
        def empty(*_, **__):
            fetched.append(error)
            raise error

        monkeypatch.setattr(torch, "empty", empty)
        fetch_memory(5000)

    monkeypatch.setattr(memory, "peak_bytes", lambda device: 1000)
    monkeypatch.setattr(memory, "keep_freed_memory", lambda: True)
    fetch(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    fetch(MemoryError())
    with pytest.raises(RuntimeError, match="shapes"):
        fetch(RuntimeError("shapes do not match"))
    assert len(fetched) == 3


@pytest.mark.skipif(not keep_freed_memory(), reason="another C library")
def test_the_peak_of_a_fresh_process_is_what_was_asked_for():
    """In a process of its own: in this one there may be as much that was freed before."""
    code = """
import torch
from vldm_cli.runs.memory import fetch_memory, peak_bytes
cpu = torch.device("cpu")
most = peak_bytes(cpu) + 2**28
fetch_memory(most)
print(peak_bytes(cpu) / most)
"""
    share = float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert 0.85 < share < 1.05  # without it .55


def test_the_first_way_that_fits_is_taken():
    tried = []

    def way(number, error=None):
        def go():
            tried.append(number)
            if error:
                raise error
            return number

        return go

    full = torch.OutOfMemoryError("CUDA out of memory")
    assert first_that_fits(way(1, full), way(2, MemoryError()), way(3), way(4)) == 3
    assert tried == [1, 2, 3]
    with pytest.raises(torch.OutOfMemoryError):
        first_that_fits(way(1), way(2)) and first_that_fits(way(3, full))
    with pytest.raises(RuntimeError, match="shapes"):
        first_that_fits(way(5, RuntimeError("shapes")), way(6))
    assert 6 not in tried


def test_what_a_gpu_has_free_is_looked_at(monkeypatch):
    gpu = torch.device("cuda")
    check_free(2**60, torch.device("cpu"), "use less")
    for name, value in (
        ("memory_reserved", 2**30),
        ("memory_allocated", 0),
        ("mem_get_info", (3 * 2**30, 0)),
    ):
        monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)
    check_free(4 * 2**30, gpu, "use less")
    with pytest.raises(RequestError, match=r"needs about 8.0 GiB of memory and cuda has 4.0 free; use less"):
        check_free(8 * 2**30, gpu, "use less")
