"""The pool with workers that only pretend: what happens when one is lost, breaks or cannot take part."""

import json
import pickle
from dataclasses import replace
from threading import Event, Thread

import pytest

from vldm_cli.errors import RequestError, RunError
from vldm_cli.runs.pool.graph import SEGMENT, Graph, Unit
from vldm_cli.runs.pool.pool import Broken, Lost, Pool
from vldm_cli.runs.pool.told import TOKEN, Failure, Report, Told

UNITS = {Unit(SEGMENT, index): () for index in range(6)}
GRAPH = Graph(UNITS, {unit: {"write": 24} for unit in UNITS})
REPORT = Report({}, 0.0, None, "here", "cpu", 1, 1)


class Pretended:
    """A hand; `does` is asked with (hand, unit) and returns what comes of it, or raises Lost."""

    def __init__(self, does=lambda hand, unit: REPORT, meets=None):
        self.does, self.meets, self.done, self.stopped, self.closed = does, meets, [], Event(), False

    def expect(self, coming):
        self.expected = pickle.loads(coming)

    def meet(self, task):
        return self.meets

    def do(self, task, unit, live):
        came = self.does(self, unit)
        self.done.append(unit)
        return [Told(task.number, unit, came)]

    def rest(self):
        raise AssertionError("nothing was left")

    def stop(self):
        self.stopped.set()

    def close(self):
        self.closed = True


def make(pool, folder, without=None):
    folder.mkdir(exist_ok=True)
    missing = GRAPH.ranked(lambda unit: unit.index == without)
    return [unit for unit, _ in pool.make("recipe", GRAPH, folder, missing)]


def test_all_is_done_once_and_the_workers_end(tmp_path):
    hands = [Pretended() for _ in range(3)]
    with Pool(hands, "cpu") as pool:
        assert sorted(make(pool, tmp_path)) == sorted(UNITS)
        assert sorted(make(pool, tmp_path)) == sorted(UNITS), "and for another video"
    assert sorted(unit for hand in hands for unit in hand.done) == sorted([*UNITS, *UNITS])
    assert all(hand.closed for hand in hands)
    assert json.loads((tmp_path / TOKEN).read_text())["token"]


def test_what_workers_remark_is_told_once(tmp_path):
    """By whichever says it first, and of all videos."""
    said = {0: ("a",), 1: ("a", "b"), 2: ("b", "b"), 3: ("c",)}
    hands = [
        Pretended(lambda hand, unit: replace(REPORT, remarks=said.get(unit.index, ()))) for _ in range(2)
    ]
    missing = GRAPH.ranked(lambda unit: False)
    told = []
    with Pool(hands, "cpu") as pool:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            for _, report in pool.make("recipe", GRAPH, tmp_path / name, missing):
                told += report.remarks
    assert sorted(told) == ["a", "b", "c"]


def test_nothing_is_asked_where_nothing_is_missing(tmp_path):
    with Pool([Pretended()], "cpu") as pool:
        assert list(pool.make("recipe", GRAPH, tmp_path, {})) == []
    assert list(tmp_path.iterdir()) == []


def test_a_lost_worker_costs_its_unit_and_nothing_else(tmp_path):
    lost = []

    def does(hand, unit):
        if len(lost) < 2:
            lost.append(unit)
            raise Lost("by signal 9")
        return REPORT

    hands = [Pretended(does), Pretended(does)]
    with Pool(hands, "cpu") as pool:
        assert sorted(make(pool, tmp_path)) == sorted(UNITS)
    assert sum(len(hand.done) for hand in hands) == len(UNITS)


def test_a_unit_that_ends_three_workers_is_given_up(tmp_path):
    tries = []

    def does(hand, unit):
        if unit.index == 2:
            tries.append(unit)
            raise Lost("(process 7) by signal 11")
        return REPORT

    with Pool([Pretended(does), Pretended(does)], "cpu") as pool:
        with pytest.raises(RunError, match=r"3 workers ended .*segment 2.* signal 11"):
            make(pool, tmp_path)
        assert len(tries) == 3


@pytest.mark.parametrize(
    "kind, raised",
    [("request", RequestError), ("run", RunError), ("memory", MemoryError), ("unexpected", RuntimeError)],
)
def test_what_breaks_in_a_worker_breaks_here_and_the_others_are_ended(tmp_path, kind, raised):
    failure = Failure(kind, "the disk is full", "write", "cpu")
    begun = Event()

    def slow(hand, unit):
        begun.set()
        hand.stopped.wait()
        raise Lost("because it was stopped")

    def breaks(hand, unit):
        begun.wait()
        return failure

    hands = [Pretended(slow), Pretended(breaks)]
    with Pool(hands, "cpu") as pool:
        with pytest.raises(Broken) as broken:
            make(pool, tmp_path)
        assert isinstance(broken.value.failure.exception(), raised)
        assert pool._board.at(0) == [] and len(hands[1].done) == 1


def test_who_cannot_take_part_is_told_before_anything_is_done(tmp_path):
    hands = [Pretended(), Pretended(meets=Failure("request", "another version", None, "cpu"))]
    with Pool(hands, "cpu", meets=True) as pool, pytest.raises(Broken, match="another version"):
        make(pool, tmp_path)
    assert hands[0].done == []


def test_who_is_not_ready_for_what_is_coming_is_given_nothing(tmp_path):
    """And one that breaks over it is asked all the same: its unit will tell."""
    free, begun = Event(), Event()

    class Slow(Pretended):
        def expect(self, coming):
            begun.set()
            free.wait()

    class Breaks(Pretended):
        def expect(self, coming):
            raise Lost("by signal 9")

    slow, breaks = Slow(), Breaks()
    with Pool([slow, breaks], "cpu") as pool:
        pool.expect("models")
        begun.wait()
        assert sorted(make(pool, tmp_path)) == sorted(UNITS)
        assert sorted(breaks.done) == sorted(UNITS) and slow.done == []
        free.set()
    hand = Pretended()
    with Pool([hand], "cpu") as pool:
        pool.expect("models")
        make(pool, tmp_path)
    assert hand.expected == "models"


class Behind(Pretended):
    """Tells of a unit with the next one, or when it is asked for the rest."""

    def __init__(self, does=lambda hand, unit: REPORT):
        super().__init__(does)
        self.left, self.most = [], 0

    def do(self, task, unit, live):
        came = super().do(task, unit, live)
        told, self.left = self.left, came
        self.most += bool(told)
        return told

    def rest(self):
        told, self.left = self.left, []
        return told


def test_units_that_only_the_encoder_is_at_are_told_later(tmp_path):
    hands = [Behind(), Behind()]
    with Pool(hands, "cpu") as pool:
        for folder in ("a", "b"):
            assert sorted(make(pool, tmp_path / folder)) == sorted(UNITS)
        assert pool._board._at == {0: [], 1: []} or not any(pool._board._at.values())
    assert sum(hand.most for hand in hands) > 0 and not any(hand.left for hand in hands)


def test_what_breaks_in_the_encoder_breaks_the_video(tmp_path):
    failure = Failure("run", "the disk is full", "write", "cpu")
    hand = Behind(lambda hand, unit: failure if unit.index == 2 else REPORT)
    with Pool([hand], "cpu") as pool:
        with pytest.raises(Broken, match="the disk is full"):
            make(pool, tmp_path)
        assert [unit.index for unit in hand.done] == [0, 1, 2, 3], "one more was begun"
        assert sorted(make(pool, tmp_path / "other", without=2)) == [u for u in sorted(UNITS) if u.index != 2]


@pytest.mark.parametrize("told", ["lost", "begun anew"])
def test_a_lost_worker_costs_what_the_encoder_was_at_as_well(tmp_path, told):
    """Also where it is another by then, which knows of nothing."""
    lost = []

    def does(hand, unit):
        if unit.index == 3 and not lost:
            lost.append(unit)
            hand.left = []
            if told == "lost":
                raise Lost("by signal 9")
        return REPORT

    hand = Behind(does)
    with Pool([hand], "cpu") as pool:
        assert sorted(make(pool, tmp_path)) == sorted(UNITS)
    assert lost and [unit.index for unit in hand.done].count(2) == 2


def test_who_waits_for_a_video_is_told_when_the_workers_end(tmp_path):
    begun, raised = Event(), []

    def slow(hand, unit):
        begun.set()
        hand.ended.wait()
        raise Lost("because it was ended")

    hand = Pretended(slow)
    hand.ended = Event()
    hand.close = hand.ended.set

    def wait():
        with pytest.raises(RunError, match="the workers were ended"):
            make(pool, tmp_path)
        raised.append(True)

    with Pool([hand], "cpu") as pool:
        thread = Thread(target=wait)
        thread.start()
        begun.wait()
    thread.join()
    assert raised


def in_time(pool, folder):
    """What `make` raises, in a thread that may wait for ever."""
    raised = []

    def wait():
        with pytest.raises(RunError) as told:
            make(pool, folder)
        raised.append(str(told.value))

    thread = Thread(target=wait, daemon=True)
    thread.start()
    return thread, raised


@pytest.mark.parametrize("meets", [False, True])
def test_a_pool_that_was_closed_makes_no_video(tmp_path, meets):
    hand = Pretended()
    pool = Pool([hand], "cpu", meets)
    pool.close()
    hand.meet = None  # it would be started anew
    thread, raised = in_time(pool, tmp_path)
    thread.join(10)
    assert raised == ["the workers were ended"] and list(tmp_path.iterdir()) == []


def test_a_pool_that_is_closed_while_it_meets_a_video_makes_none(tmp_path):
    class Meets(Pretended):
        def meet(self, task):
            pool.close()

    hand = Meets()
    pool = Pool([hand], "cpu", meets=True)
    thread, raised = in_time(pool, tmp_path)
    thread.join(10)
    assert raised == ["the workers were ended"] and hand.done == []


def test_who_waits_for_the_encoder_is_told_when_the_workers_end(tmp_path):
    """The worker's thread ends with a unit that it was not told of."""
    begun, closing = Event(), Event()

    class Slow(Behind):
        def do(self, task, unit, live):
            begun.set()
            closing.wait()
            return super().do(task, unit, live)

        def close(self):
            closing.set()

    with Pool([Slow()], "cpu") as pool:
        thread, raised = in_time(pool, tmp_path)
        begun.wait()
    thread.join(10)
    assert raised == ["the workers were ended"]


def test_videos_side_by_side(tmp_path):
    hands, made = [Pretended() for _ in range(2)], {}
    with Pool(hands, "cpu") as pool:
        threads = [
            Thread(target=lambda n=n: made.update({n: make(pool, tmp_path / str(n))})) for n in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(sorted(units) == sorted(UNITS) for units in made.values()) and len(made) == 5
