"""Actors of a real Ray, started here: one that is killed is begun anew, and the bytes are the same. That all commands
make the same by them: tests/pipelines/test_together.py."""

import os
import signal
from pathlib import Path

import pytest
import torch

from tests.clusters import local_cluster
from tests.pipelines.generate.test_run import ask
from vldm_cli.errors import RequestError
from vldm_cli.pipelines.generate.run import generate
from vldm_cli.runs.pool.ray import connect
from vldm_cli.runs.progress import NullProgress

pytest.importorskip("ray")
pytestmark = pytest.mark.ray


@pytest.fixture
def cluster(monkeypatch):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with local_cluster(2, monkeypatch) as found:
        yield found
    torch.set_num_threads(threads)


class Killer(NullProgress):
    """Ends one of the actors' processes after the second segment."""

    def __init__(self, parent):
        self.parent, self.left, self.killed = parent, 2, None

    def finished(self, segment_frames):
        self.left -= 1
        if not self.left:
            (self.killed, *_) = actors()
            os.kill(self.killed, signal.SIGKILL)


def actors():
    """The processes of workers that this machine's Ray has."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if words.startswith(b"ray::Worker"):
            found.append(int(path.parent.name))
    return found


@pytest.mark.long
def test_actors_make_the_same_bytes_and_one_that_is_killed_is_begun_anew(cluster, tiny_pack, tmp_path):
    plain = generate(ask(tmp_path / "plain.mp4", frames=102, upscale=False), tiny_pack)
    with cluster.open_pool("cpu", 2, 1) as pool:
        killer = Killer(os.getpid())
        video = generate(ask(tmp_path / "ray.mp4", frames=102, upscale=False), tiny_pack, killer, pool=pool)
    assert killer.killed and video.out.read_bytes() == plain.out.read_bytes()
    assert video.device == "2 x cpu" and 1 <= len(video.workers) <= 3
    assert sorted(os.listdir(tmp_path)) == ["plain.mp4", "ray.mp4"]


@pytest.mark.parametrize(
    "address, words",
    [
        ("127.0.0.1:1", "nobody answers"),
        ("somewhere", "none of auto, local and HOST:PORT"),
        ("auto", "no Ray"),
    ],
)
def test_where_there_is_no_ray(address, words, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(RequestError, match=words) as raised:
        connect(address)
    assert "ray start --head" in str(raised.value) or address == "somewhere"
