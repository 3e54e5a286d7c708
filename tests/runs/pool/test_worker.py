"""What a worker does with a unit, in this process."""

import pickle
import warnings
from threading import Event
from typing import ClassVar

import pytest
import torch

from vldm_cli import __version__
from vldm_cli.errors import RequestError, RunError
from vldm_cli.runs.aside import Aside
from vldm_cli.runs.here import here
from vldm_cli.runs.pool.graph import SEGMENT, Unit
from vldm_cli.runs.pool.told import Failure, Report, Setting, Task, write_token
from vldm_cli.runs.pool.worker import Worker
from vldm_cli.stages.models import Models
from vldm_cli.stages.running import Running

UNIT = Unit(SEGMENT, 1)


class Recipe:
    """Raises `error` when a unit is made of it."""

    def __init__(self, error=None):
        self.error = error

    def bench(self, store, clock, aside):
        self.clock, self.closed = clock, False
        return self

    def do(self, unit):
        assert torch.is_inference_mode_enabled()
        with self.clock.stage("decode"):
            if self.error:
                raise self.error

    def close(self):
        self.closed = True


@pytest.fixture
def worker(monkeypatch):
    monkeypatch.setattr(here, "device", here.device)
    monkeypatch.setattr(here, "checks", here.checks)
    monkeypatch.setattr(here, "machine", here.machine)
    threads = torch.get_num_threads()
    yield Worker(Setting("cpu", 1, ""))
    torch.set_num_threads(threads)


class Pieces:
    """What is coming: so many pieces; `broken` is raised after the first."""

    done: ClassVar[list[int]] = []

    def __init__(self, count, broken=None):
        self.count, self.broken = count, broken

    def steps(self):
        for number in range(self.count):
            assert torch.is_inference_mode_enabled()
            if number and self.broken:
                raise self.broken
            self.done.append(number)
            yield


def task(folder, recipe, number=0, token=None):
    return Task(number, folder, token or write_token(folder), pickle.dumps(recipe))


def test_what_is_coming_is_got_ready_piece_by_piece(worker, tmp_path):
    Pieces.done.clear()
    assert not worker.get_ready()
    worker.expect(pickle.dumps(Pieces(3)))
    assert Pieces.done == [0], "the first piece at once, the others where there is nothing else to do"
    assert isinstance(worker.do(task(tmp_path, Recipe()), UNIT, frozenset({0}))[0].came, Report)
    assert worker.get_ready() and worker.get_ready() and not worker.get_ready()
    assert Pieces.done == [0, 1, 2]


def test_what_cannot_be_got_ready_is_told_by_the_unit_that_needs_it(worker, tmp_path):
    worker.expect(pickle.dumps(Pieces(3, MemoryError())))
    assert not worker.get_ready()
    worker.expect(b"nothing that can be read")
    assert not worker.get_ready()
    assert worker.do(task(tmp_path, Recipe(MemoryError())), UNIT, frozenset({0}))[0].came.kind == "memory"


def test_a_unit_and_its_report(worker, tmp_path):
    (told,) = worker.do(task(tmp_path, Recipe()), UNIT, frozenset({0}))
    report = told.came
    assert (told.number, told.unit) == (0, UNIT)
    assert report.device == "cpu" and report.threads == 1 and report.peak_bytes > 0
    assert report.seconds.keys() == {"decode"} and report.total >= report.seconds["decode"]


class Remarks(Recipe):
    """Warns as vldm's own code does, and as a library."""

    def do(self, unit):
        for words, module in (("no kernel\non meta:1", "vldm_cli.align.fast.ops"), ("is old", "diffusers")):
            warnings.warn_explicit(words, UserWarning, "file.py", 1, module=module)


def test_what_vldm_warns_of_is_in_the_report_and_not_printed(worker, tmp_path, capfd):
    """Once, and without the number of one of several devices."""
    worker.device = torch.device("meta", 1)
    told = [worker.do(task(tmp_path, Remarks()), UNIT, frozenset({0}))[0].came for _ in range(2)]
    assert [report.remarks for report in told] == [("no kernel on meta",), ()]
    assert capfd.readouterr().err == ""


def test_videos_that_are_no_more_are_closed(worker, tmp_path):
    worker.do(task(tmp_path, Recipe()), UNIT, frozenset({0}))
    ((bench, _),) = worker._open.values()
    worker.do(task(tmp_path, Recipe(), 1), UNIT, frozenset({1}))
    assert bench.closed and worker._open.keys() == {1}


@pytest.mark.parametrize(
    "error, kind",
    [
        (RequestError("no such pack"), "request"),
        (RunError("ffmpeg says: no space left"), "run"),
        (MemoryError(), "memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "memory"),
        (OSError(24, "Too many open files"), "file handles"),
        (ValueError("a fault\nin two lines"), "unexpected"),
    ],
)
def test_what_breaks_is_told_by_its_kind(worker, tmp_path, error, kind):
    failure = worker.do(task(tmp_path, Recipe(error)), UNIT, frozenset({0}))[0].came
    assert isinstance(failure, Failure) and (failure.kind, failure.stage) == (kind, "decode")
    assert "\n" not in failure.words and failure.words and worker._open == {}
    assert kind != "unexpected" or failure.words == "ValueError: a fault in two lines"


def test_a_folder_that_is_not_seen(worker, tmp_path):
    failure = worker.meet(task(tmp_path, Recipe(), token="other"), __version__)
    write_token(tmp_path)
    assert failure.kind == "request" and str(tmp_path) in failure.words and "share" in failure.words
    assert worker.do(task(tmp_path, Recipe(), token="other"), UNIT, frozenset({0}))[0].came.kind == "request"


def test_another_version(worker, tmp_path):
    failure = worker.meet(task(tmp_path, Recipe()), "0.0.1")
    assert failure.kind == "request" and "0.0.1" in failure.words and __version__ in failure.words
    assert worker.meet(task(tmp_path, Recipe()), __version__) is None


def test_models_are_found_by_the_hash_of_their_pack_and_loaded_once(worker, tiny_pack):
    models = Models(tiny_pack)
    (sent, again) = (pickle.loads(pickle.dumps(models)) for _ in range(2))
    assert sent is again and sent is not models and sent.pack.manifest.hash == tiny_pack.manifest.hash
    assert len(pickle.dumps(models)) < 2000, "no weights are sent"
    quick = Models(tiny_pack, running=Running(fast=("cfg-skip",)))
    assert pickle.loads(pickle.dumps(quick)).running == quick.running != sent.running


class Encoded(Recipe):
    """Makes segments whose frames are encoded aside: the first only when the second is begun; `broken` breaks that."""

    begun = Event()

    def bench(self, store, clock, aside):
        self.aside = aside
        return super().bench(store, clock, aside)

    def do(self, unit):
        def work(items):
            self.begun.wait()
            if self.error:
                raise self.error
            return list(items)

        with self.clock.stage("decode"):
            done = self.aside.do(work, [unit.index])
        if unit.index:
            self.begun.set()
        return done


@pytest.mark.parametrize("error", [None, RunError("no space left")])
def test_a_segment_is_told_when_the_encoder_is_done_with_it(worker, tmp_path, error):
    Encoded.begun.clear()
    worker._aside = Aside(4)
    one, live = task(tmp_path, Encoded(error)), frozenset({0})
    assert worker.do(one, Unit(SEGMENT, 0), live) == []
    told = [*worker.do(one, Unit(SEGMENT, 1), live), *worker.rest()]
    assert [one.unit.index for one in told] == [0, 1] and worker.rest() == []
    if error:
        assert [(one.came.kind, one.came.words) for one in told] == [("run", "no space left")] * 2
    else:
        assert all(one.came.seconds.keys() == {"decode", "write"} for one in told)
        assert all(one.came.total >= sum(one.came.seconds.values()) for one in told)
    worker._aside.close()
