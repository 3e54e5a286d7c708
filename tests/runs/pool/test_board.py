"""Who does what next: every unit once, after those that it needs, in an order that keeps the first frames first."""

import random

import pytest

from tests.runs.pool.simulation import Costs, graph, simulate
from vldm_cli.runs.pool.board import LANE_AHEAD, Board
from vldm_cli.runs.pool.graph import SEGMENT, SPINE, Graph, Unit

COSTS = Costs(keyframes=5, interpolate4=2, interpolate1=1.5, frame=0.2, row=0.6)
# what workers of one machine, recorded costs and this order came to, at the least
FASTER = {2: 1.8, 3: 2.6, 5: 3.5}


@pytest.fixture(scope="module")
def one():
    return graph(960, 1)


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 64])
def test_every_unit_once_and_after_what_it_needs(one, workers):
    made = simulate([one], workers, COSTS)
    units = [unit for _, _, unit in made.order]
    assert sorted(units) == sorted(one.needs)
    seen = set()
    for unit in units:
        assert seen.issuperset(one.needs[unit])
        seen.add(unit)
    if workers in FASTER:
        assert simulate([one], 1, COSTS).seconds >= FASTER[workers] * made.seconds


def test_one_worker_makes_the_first_segment_before_the_last_keyframes(one):
    units = [unit for _, _, unit in simulate([one], 1, COSTS).order]
    spine = [place for place, unit in enumerate(units) if unit.stage == SPINE]
    assert units.index(Unit(SEGMENT, 0)) < spine[1]
    segments = [unit.index for unit in units if unit.stage == SEGMENT]
    assert segments == sorted(segments)


def test_several_workers_never_keep_the_spine_waiting(one):
    """No time passes between one window of keyframes and the next."""
    made = simulate([one], 4, Costs(5, 0, 0, 0.001, 0))
    ends = [when for when, _, unit in made.order if unit.stage == SPINE]
    assert ends == pytest.approx([5 * (n + 1) for n in range(len(ends))], abs=0.1)


def test_nobody_runs_far_ahead_of_the_first_segment_that_is_missing():
    whole = graph(4800, 1)
    board = Board(4)
    board.add(0, whole, whole.ranked(lambda unit: False))
    (stuck,) = [number for number in range(4) if number == 3]
    first = None
    while first is None:  # the worker that gets the first segment is slow
        board.next(stuck)
        at = board.units(stuck)
        if at == [(0, Unit(SEGMENT, 0))]:
            first = at
        elif at:
            board.finished(stuck)
    seen = []
    while any(board.next(worker) and seen.append(board.finished(worker)[1]) is None for worker in (0, 1, 2)):
        pass
    reach = LANE_AHEAD * (4 + 2)
    assert max(unit.index for unit in seen if unit.stage == SEGMENT) < reach + LANE_AHEAD
    assert board.finished(stuck)[1] == Unit(SEGMENT, 0)
    assert board.next(stuck) is not None


def test_what_the_encoder_alone_is_at_is_finished_first_and_lost_with_the_rest():
    whole = graph(240, 1)
    board = Board(1)
    board.add(0, whole, whole.ranked(lambda unit: False))
    done: list[Unit] = []
    while len(at := board.units(0)) < 2 or Unit(SEGMENT, 0) not in done:
        # one that the encoder is at, and the next one
        if len(at) == 2 or (at and at[0][1].stage != SEGMENT):
            done.append(board.finished(0)[1])
        else:
            board.next(0)
    assert board.at(0) == [0]
    assert board.lost(0) == at and board.units(0) == [] and board.at(0) == []
    again = []
    while (found := board.next(0)) is not None:
        again.append(found[1])
        board.finished(0)
    assert sorted([*done, *again]) == sorted(whole.needs)


@pytest.mark.parametrize("seed", range(5))
def test_what_lost_workers_were_at_is_done_again(one, seed):
    chance = random.Random(seed)
    made = simulate([one], 3, COSTS, lose=lambda n: chance.random() < 0.2)
    assert sorted(unit for _, _, unit in made.order) == sorted(one.needs)


def test_only_what_is_missing_is_done(one):
    """The last segment, and the latents of it alone."""
    last = max(unit.index for unit in one.segments)
    ranks = one.ranked(lambda unit: unit.stage == SPINE or (unit.stage == SEGMENT and unit.index < last))
    assert {unit.stage for unit in ranks} == {"interpolate4", "interpolate1", SEGMENT}
    assert set(ranks.values()) == {last} and len(ranks) < 12


def test_each_worker_has_a_video_of_its_own_and_then_they_help():
    some = [graph(48, 4) for _ in range(3)]
    board = Board(2)
    for video, each in enumerate(some):
        board.add(video, each, each.ranked(lambda unit: False))
    assert board.next(0)[0] == 0 and board.next(1)[0] == 1
    while 1 in board.at(1):
        board.finished(1)
        if board.next(1) is None:
            break
    made = simulate([graph(480, 1), *some], 2, COSTS)
    by_worker = simulate([graph(480, 1), *some], 1, COSTS)
    assert by_worker.seconds > 1.7 * made.seconds, "the long one is not left to one of them"


def test_a_row_that_nobody_has_begun_is_shared():
    units = {Unit(SEGMENT, index): () for index in range(10)}
    whole = Graph(units, {unit: {"write": 24} for unit in units}, lane=100)
    made = simulate([whole], 5, Costs(0, 0, 0, 1 / 24, 0.1))
    assert made.seconds < 3.5
