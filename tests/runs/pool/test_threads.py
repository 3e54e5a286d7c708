"""How many threads each of several workers has."""

import os

import pytest
import torch

from vldm_cli.runs.pool import threads
from vldm_cli.runs.pool.threads import cores_of, share_of_threads


def test_what_is_told_counts_for_each(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert share_of_threads(5) == 3


def test_otherwise_they_share_the_cores_and_torch_is_asked_where_the_system_does_not_tell(
    monkeypatch, tmp_path
):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 12)
    monkeypatch.setattr(threads, "CPUS", tmp_path)
    assert [share_of_threads(workers) for workers in (1, 4, 5, 64)] == [12, 3, 2, 1]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux tells")
def test_two_threads_of_one_core_are_one(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 4, 5})
    for cpu, (package, core) in enumerate([(0, 0), (0, 1), (0, 2), (0, 3), (0, 0), (1, 0)]):
        about = tmp_path / f"cpu{cpu}" / "topology"
        about.mkdir(parents=True)
        (about / "physical_package_id").write_text(f"{package}\n")
        (about / "core_id").write_text(f"{core}\n")
    assert cores_of(tmp_path) == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 6})
    assert cores_of(tmp_path) is None
