"""A run's length and its learning rate."""

from itertools import pairwise

import pytest

from vldm_cli.train.pace import Schedule


def test_schedule():
    schedule = Schedule(lr=1.0, steps=1000)
    assert schedule.progress(250, 99.0) == 0.25
    assert Schedule(lr=1.0, minutes=2).progress(7, 30.0) == 0.25
    rates = [schedule.rate(step, step / 1000) for step in range(1001)]
    assert rates[0] < 0.05 and max(rates) > 0.9 and rates[1000] == pytest.approx(0.02)
    assert rates.index(max(rates)) < 100
    assert all(a > b for a, b in pairwise(rates[100:]))
