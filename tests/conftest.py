import os

# Each process of the tests gets its share of the cores, before torch is imported: more threads than cores wait for each
# other.
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share)))

import pytest

from tests.tiny import tiny_pack as make_tiny_pack


@pytest.fixture(scope="session")
def tiny_pack(tmp_path_factory):
    """One tiny pack for the whole run: read it, never write to it (copy its folder for that)."""
    return make_tiny_pack(tmp_path_factory.mktemp("packs"))
