import os

# Each process of the tests gets its share of the cores, before torch is imported: more threads than cores wait for each
# other.
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share)))

import signal
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from tests.tiny import tiny_pack as make_tiny_pack
from vldm_cli.runs.journal import Journal
from vldm_cli.stages.models import Models

TESTS = Path(__file__).parent

# Signals that whoever started the tests ignores (a shell's background job, nohup) would be ignored by what the tests
# start as well.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    with suppress(ValueError):  # not in the main thread
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory):
    """What vldm keeps for a user lies in a folder of the tests', and nobody's own packs are seen by them."""
    before = os.environ.get("VLDM_HOME")
    os.environ["VLDM_HOME"] = str(tmp_path_factory.mktemp("home"))
    yield
    if before is None:
        del os.environ["VLDM_HOME"]
    else:
        os.environ["VLDM_HOME"] = before


@pytest.fixture(scope="session")
def tiny_pack(tmp_path_factory):
    """One tiny pack for the whole run: read it, never write to it (copy its folder for that)."""
    return make_tiny_pack(tmp_path_factory.mktemp("packs"))


@pytest.fixture(scope="session")
def models(tiny_pack):
    return Models(tiny_pack)


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / ".run", {}) as journal:
        yield journal


@pytest.fixture(autouse=True)
def inference(request):
    """What makes videos runs as it does in a command: without gradients."""
    folders = {"stages", "pipelines", "runs", "motion"}
    with torch.inference_mode(request.path.relative_to(TESTS).parts[0] in folders):
        yield


# Files that take longest, which are begun first: at the end no core waits for the other.
LONG = (
    "pipelines/test_together.py",
    "video/test_clip.py",
    "train/test_objectives.py",
    "faults/test_kills.py",
    "train/test_command.py",
    "outlines/test_outlines.py",
    "upscale/test_clip.py",
    "extend/test_clip.py",
    "generate/test_run.py",
    "commands/test_interpolate.py",
    "faults/test_damage.py",
    "extend/test_saved.py",
    "upscale/test_network.py",
    "weights/test_toyland.py",
)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONG))
