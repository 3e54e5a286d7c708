"""Whatever makes them, processes of this machine or actors of Ray, and however many: the same bytes, of every command;
and the same after workers were killed, and after the one that directs them was."""

import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import current_thread

import pytest

from tests.clusters import local_cluster
from tests.pipelines.generate.test_run import ask
from tests.video import clips
from vldm_cli.errors import RequestError, RunError
from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.clip.run import run as run_clip
from vldm_cli.pipelines.extend.job import make_job as extending
from vldm_cli.pipelines.extend.run import run as run_extend
from vldm_cli.pipelines.extend.settings import Options as Extending
from vldm_cli.pipelines.generate.run import generate
from vldm_cli.pipelines.interpolate.job import make_job as interpolating
from vldm_cli.pipelines.upscale.job import Options as Upscaling
from vldm_cli.pipelines.upscale.job import make_job as upscaling
from vldm_cli.runs import memory
from vldm_cli.runs.aside import WAITING, Aside
from vldm_cli.runs.here import here
from vldm_cli.runs.pool.pool import Pool
from vldm_cli.runs.pool.process import open_pool
from vldm_cli.runs.pool.told import Setting
from vldm_cli.runs.pool.worker import Worker
from vldm_cli.runs.progress import Clock, NullProgress
from vldm_cli.runs.recent import Recent
from vldm_cli.runs.store import Store
from vldm_cli.stages import models
from vldm_cli.video.clip import open_clip

THREADS = "1"  # on which a CPU's bytes depend
FRAMES = 120  # of a generated video: six segments


@pytest.fixture(scope="module", autouse=True)
def threads():
    import torch

    before, told = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    torch.set_num_threads(int(THREADS))
    os.environ["OMP_NUM_THREADS"] = THREADS
    yield
    torch.set_num_threads(before)
    os.environ.pop("OMP_NUM_THREADS") if told is None else os.environ.update(OMP_NUM_THREADS=told)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.make(tmp_path_factory.mktemp("clip"), "a.mp4", frames=60, size="24x16", rate="24")


def every_command(pack, clip, folder, pool=None):
    """The files that all commands make there, by name."""
    folder.mkdir()

    def job(make, name, *arguments, **options):
        return make(open_clip(clip), *arguments, **options, out=folder / name)

    made = [generate(ask(folder / "generate.mp4", frames=FRAMES, upscale=False), pack, pool=pool)]
    up = Upscaling(2, "pixel", 0.0, 1, None, 3, "cpu", "float32")
    for name, one, work in (
        ("extend.mp4", job(extending, "extend.mp4", pack, options=Extending(frames=40, seed=3)), run_extend),
        (
            "interpolate.mp4",
            job(interpolating, "interpolate.mp4", factor=2, slow=False, device="cpu", crf=16),
            run_clip,
        ),
        ("upscale.mp4", job(upscaling, "upscale.mp4", pack, options=up, crf=16), run_clip),
    ):
        assert one.out.name == name
        made.append(work(one, one.clip.fingerprint(), pool=pool))
    assert sorted(path.name for path in folder.iterdir()) == sorted(video.out.name for video in made)
    for video in made:
        assert (video.device, bool(video.workers)) == ((pool.words, True) if pool else ("cpu", False))
    return {video.out.name: video.out.read_bytes() for video in made}


@pytest.fixture(scope="module")
def plain(tiny_pack, clip, tmp_path_factory):
    return every_command(tiny_pack, clip, tmp_path_factory.mktemp("plain") / "a")


def test_encoded_aside_in_this_process(tiny_pack, clip, plain, tmp_path, monkeypatch):
    monkeypatch.setitem(WAITING, "cpu", WAITING["cuda"])
    name, options = "extend.mp4", Extending(frames=40, seed=3)
    one = extending(open_clip(clip), tiny_pack, options=options, out=tmp_path / name)
    assert run_extend(one, one.clip.fingerprint()).out.read_bytes() == plain[name]


@pytest.fixture(scope="module")
def pool():
    """Two processes, which all tests here share: beginning one takes longer than what it makes."""
    with open_pool(["cpu"] * 2) as pool:
        yield pool


def test_processes_make_the_same_bytes(tiny_pack, clip, plain, tmp_path, pool):
    assert every_command(tiny_pack, clip, tmp_path / "a", pool) == plain


@pytest.mark.long
def test_more_processes_than_cores_make_the_same_bytes(tiny_pack, clip, plain, tmp_path):
    with open_pool(["cpu"] * 5) as pool:
        assert every_command(tiny_pack, clip, tmp_path / "a", pool) == plain


@pytest.mark.ray
def test_actors_of_ray_make_the_same_bytes(tiny_pack, clip, plain, tmp_path, monkeypatch):
    with local_cluster(2, monkeypatch) as cluster, cluster.open_pool("cpu", 2, int(THREADS)) as pool:
        assert every_command(tiny_pack, clip, tmp_path / "a", pool) == plain


class Killer(NullProgress):
    """Kills a worker of the pool, after so many segments each time."""

    def __init__(self, pool, seed, after):
        self.pool, self.chance, self.after, self.killed = pool, random.Random(seed), list(after), []

    def finished(self, segment_frames):
        if self.after:
            self.after[0] -= 1
            if not self.after[0]:
                self.after.pop(0)
                process = self.chance.choice(self.pool._hands)._process
                if process is not None:
                    os.kill(process.pid, signal.SIGKILL)
                    self.killed.append(process.pid)


def test_workers_that_are_killed_are_replaced(tiny_pack, plain, tmp_path, monkeypatch):
    """They encode aside, as on GPUs, so that two segments are lost with each."""
    monkeypatch.setitem(WAITING, "cpu", WAITING["cuda"])
    with open_pool(["cpu"] * 2) as pool:
        killer = Killer(pool, 4, [1, 3])
        video = generate(ask(tmp_path / "a.mp4", frames=FRAMES, upscale=False), tiny_pack, killer, pool=pool)
    assert len(killer.killed) == 2
    assert video.out.read_bytes() == plain["generate.mp4"]
    assert os.listdir(tmp_path) == ["a.mp4"], "nothing is left lying about"


DRIVER = """
import os, signal, sys
from pathlib import Path
from tests.pipelines.generate.test_run import ask
from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.generate.run import generate
from vldm_cli.runs.pool.process import open_pool
from vldm_cli.runs.progress import NullProgress

class Killer(NullProgress):
    left = 3
    def finished(self, segment_frames):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

pool = open_pool(["cpu"] * 2)
generate(ask(Path(sys.argv[2]), frames=int(sys.argv[3]), upscale=False), Pack.open(sys.argv[1]), Killer(), pool=pool)
"""


def test_the_driver_is_killed_and_the_same_command_goes_on_in_this_process(tiny_pack, plain, tmp_path):
    """Workers hold the pipe that is read here to its end, so that they have ended is seen by it."""
    out = tmp_path / "a.mp4"
    command = [sys.executable, "-c", DRIVER, str(tiny_pack.folder), str(out), str(FRAMES)]
    done = subprocess.run(command, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert done.returncode == -signal.SIGKILL and not out.exists()
    folder = tmp_path / ".a.mp4.vldm"
    assert len(list(folder.glob("segment-*.video"))) >= 3
    video = generate(ask(out, frames=FRAMES, upscale=False), tiny_pack)
    assert video.out.read_bytes() == plain["generate.mp4"]
    assert os.listdir(tmp_path) == ["a.mp4"], "nothing is left lying about"


class Asked:
    """In the place of a pool: its worker opens what is to be made, on a machine that is called so."""

    device, words = "cpu", "1 x cpu"

    def __init__(self, monkeypatch):
        self.monkeypatch = monkeypatch

    def make(self, recipe, graph, folder, missing):
        with self.monkeypatch.context() as patch:
            patch.setattr(here, "machine", "far")
            yield recipe.bench(Store(folder), Clock(), Aside(0))


def test_memory_is_looked_at_where_it_is_needed(tiny_pack, clip, tmp_path, pool, monkeypatch):
    """By workers in theirs, and not by the process that only directs them."""
    monkeypatch.setattr(memory, "host_bytes", lambda: 2**20)
    request = ask(tmp_path / "a.mp4", frames=7, upscale=False)
    up = Upscaling(2, "pixel", 0.0, 1, None, 3, "cpu", "float32")
    longer = Extending(frames=7, seed=3)
    opened = open_clip(clip)
    larger = upscaling(opened, tiny_pack, tmp_path / "b.mp4", up, crf=16)
    extended = extending(opened, tiny_pack, tmp_path / "c.mp4", longer)
    for made in (
        lambda pool: generate(request, tiny_pack, pool=pool),
        lambda pool: run_clip(larger, opened.fingerprint(), pool=pool),
        lambda pool: run_extend(extended, opened.fingerprint(), pool=pool),
    ):
        with pytest.raises(RequestError, match=r"about \d+ GiB of memory and cpu has 0.0; "):
            made(None)
        with pytest.raises(RequestError, match=r"about \d+ GiB of memory and cpu of far has 0.0; "):
            made(Asked(monkeypatch))
    assert os.listdir(tmp_path) == []
    assert generate(request, tiny_pack, pool=pool).frames == 7
    assert run_clip(larger, opened.fingerprint(), pool=pool).frames == 60


class Beside:
    """A hand whose worker is a thread of this process."""

    def __init__(self):
        self.worker = Worker(Setting("cpu", int(THREADS), ""))

    def do(self, task, unit, live):
        return self.worker.do(task, unit, live)

    def rest(self):
        return self.worker.rest()

    def stop(self):
        pass

    def close(self):
        pass


def test_what_a_worker_has_to_say_of_its_device_is_said_once(tiny_pack, clip, tmp_path, monkeypatch):
    """Where this process has another device, of which there is nothing to say."""

    words = ["of the fast kernels none"]

    def remark(*_):
        return words[0] if current_thread().name.startswith("worker") else None

    monkeypatch.setattr(models, "has_engine", lambda *_: True)
    monkeypatch.setattr(models, "_opened", Recent())
    monkeypatch.setattr("vldm_cli.align.fast.trial.remark", remark)
    for name in ("device", "checks", "machine"):
        monkeypatch.setattr(here, name, getattr(here, name))
    request = ask(tmp_path / "a.mp4", frames=30, upscale=False)
    with Pool([Beside()], "cpu") as pool:
        video = generate(request, tiny_pack, pool=pool)
        assert video.warnings.count(words[0]) == 1
        again = generate(replace(request, out=tmp_path / "b.mp4"), tiny_pack, pool=pool)
        assert words[0] not in again.warnings
    monkeypatch.setattr(models, "_opened", Recent())
    words[0] = "of the fast kernels one"
    opened, up = open_clip(clip), Upscaling(2, "pixel", 0.0, 1, None, 3, "cpu", "float32")
    job = upscaling(opened, tiny_pack, tmp_path / "c.mp4", up, crf=16)
    with Pool([Beside()], "cpu") as pool:
        assert run_clip(job, opened.fingerprint(), pool=pool).warnings.count(words[0]) == 1


def test_what_breaks_in_a_worker_is_said_as_here_and_the_finished_is_kept(tiny_pack, tmp_path, pool):
    """A pack whose weights vanish once the run has been begun; and one that is another where the worker runs."""
    import shutil

    shutil.copytree(tiny_pack.folder, tmp_path / "tiny")
    pack = Pack.open(tmp_path / "tiny")
    request = ask(tmp_path / "a.mp4", frames=30, upscale=False)
    shutil.rmtree(tmp_path / "tiny" / "vae")

    class Gone(NullProgress):
        def start(self, stage, total):
            (tmp_path / "tiny" / "temporal" / "decoder.safetensors").unlink(missing_ok=True)

    with pytest.raises((RunError, RequestError)) as raised:
        generate(request, pack, Gone(), pool=pool)
    assert "\n" not in str(raised.value)
    other = replace(tiny_pack, manifest=replace(tiny_pack.manifest, hash="0" * 64))
    with pytest.raises(RequestError, match="pack tiny is another one where a worker runs"):
        generate(ask(tmp_path / "b.mp4", frames=30, upscale=False), other, pool=pool)
    assert not (tmp_path / "b.mp4").exists() and not (tmp_path / ".b.mp4.vldm").exists()
