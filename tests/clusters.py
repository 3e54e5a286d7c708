"""A Ray for a test: a real one on this machine, or what passes for one with GPUs."""

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


class FarCluster:
    """In the place of a cluster of other machines with GPUs, asked from one without. opened: (kind, count) of the pools
    that were asked for; begin(count): what stands in the place of one."""

    def __init__(self, gpus=2, begin=None):
        self.gpus, self.machines, self.begin, self.opened = gpus, [8], begin, []

    def dtype_of_gpus(self):
        return "float16"

    def open_pool(self, kind, count, threads):
        self.opened.append((kind, count))
        return self.begin(count)


def far_cluster(monkeypatch, **options):
    """`connect` finds a `FarCluster`, and this machine has no GPU."""
    cluster = FarCluster(**options)
    monkeypatch.setattr("vldm_cli.runs.pool.ray.connect", lambda *_: cluster)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    return cluster
