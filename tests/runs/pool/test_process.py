"""Workers that are processes: how they begin and end."""

import sys

import pytest

from vldm_cli.runs.pool import process
from vldm_cli.runs.pool.pool import Lost
from vldm_cli.runs.pool.process import Begun, ProcessHand, open_pool
from vldm_cli.runs.pool.told import Setting

QUICK = [sys.executable, "-c", "import sys; sys.stdin.read()"]


@pytest.fixture
def began(monkeypatch):
    """The processes that were begun; they do nothing."""
    made = []
    popen = process.subprocess.Popen

    def begin(command, **options):
        made.append((popen(QUICK, **options), command, options["env"]["OMP_NUM_THREADS"]))
        return made[-1][0]

    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setattr(process.subprocess, "Popen", begin)
    return made


def test_those_that_were_begun_become_the_workers(began):
    begun = Begun(2, "vldm_cli.stages.plan")
    assert [(command[-1], threads) for _, command, threads in began] == [("vldm_cli.stages.plan", "3")] * 2
    with open_pool(["cuda:0", "cuda:1"], "vldm_cli.stages.plan", begun) as pool:
        assert {hand._process for hand in pool._hands} == {one for one, *_ in began} and len(pool) == 2
        assert [hand.setting.device for hand in pool._hands] == ["cuda:0", "cuda:1"] and pool.device == "cuda"
    assert all(one.returncode is not None for one, *_ in began)
    assert all(one.stdin.closed and one.stdout.closed for one, *_ in began)


def test_of_one_that_is_lost_nothing_stays_open(began):
    hand = ProcessHand(Setting("cpu", 1, ""))
    hand.start()
    ((one, *_),) = began
    one.kill()
    with pytest.raises(Lost):
        hand.rest()
    assert one.stdin.closed and one.stdout.closed


@pytest.mark.parametrize("count", [1, 3])
def test_those_of_another_number_are_ended(began, count):
    begun = Begun(count, "")
    with open_pool(["cpu"] * 2, "", begun) as pool:
        assert begun.processes == [] and all(one.returncode is not None for one, *_ in began[:count])
        assert {hand._process for hand in pool._hands} == {one for one, *_ in began[count:]}


def test_what_cannot_be_imported_is_met_again_by_whoever_needs_it():
    """The process goes on."""
    hand = ProcessHand(Setting("cpu", 1, ""), "vldm_cli.no_such_module")
    try:
        hand.expect(b"nothing that can be read")
        assert hand._process is not None and hand._process.poll() is None
    finally:
        hand.close()
