"""A real Ray on this machine, for a test."""

from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def local_cluster(cpus, monkeypatch):
    """`connect("local")`, whose actors find vldm where this process does. Skips where there is no Ray."""
    ray = pytest.importorskip("ray")

    from vldm_cli.errors import RequestError
    from vldm_cli.runs.pool.ray import connect

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    try:
        found = connect("local", cpus)
    except RequestError:  # it gives itself 30 s to begin, which on a busy machine may be too few
        ray.shutdown()
        found = connect("local", cpus)
    try:
        yield found
    finally:
        ray.shutdown()
