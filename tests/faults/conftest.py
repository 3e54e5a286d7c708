import json
import os
import subprocess
import sys
from itertools import count
from types import SimpleNamespace

import pytest

from tests.video import clips


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """program(cwd, *argv, **how) → what the vldm command in that folder came to; `how` as in `forks`."""
    if not hasattr(os, "fork"):
        pytest.skip("the commands are forked")
    logs, numbers = tmp_path_factory.mktemp("logs"), count()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.forks"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )

    def run(cwd, *argv, **how):
        case = {"argv": [*map(str, argv)], "cwd": str(cwd), "log": str(logs / str(next(numbers))), **how}
        process.stdin.write(json.dumps(case) + "\n")
        process.stdin.flush()
        return SimpleNamespace(**json.loads(process.stdout.readline()))

    yield run
    process.stdin.close()
    process.wait()
    process.stdout.close()


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """A clip of eight small frames."""
    return clips.make(tmp_path_factory.mktemp("clip"), "tiny.mp4", frames=8, size="32x24", rate="12")
