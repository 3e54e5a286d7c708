"""When the steps of a sampler are taken."""

from itertools import pairwise

import pytest

from tests.denoise.test_sampler import CONFIG
from vldm_cli.denoise.schedulers import make_scheduler
from vldm_cli.denoise.times import Times, shifted, timed


@pytest.mark.parametrize("steps", [1, 2, 8, 12])
def test_times_without_a_shift_are_the_even_trailing_ones(steps):
    scheduler = make_scheduler(CONFIG)
    scheduler.set_timesteps(steps)
    assert shifted(steps, 1) == scheduler.timesteps.tolist()


def test_a_shift_takes_more_of_the_steps_near_noise():
    # 1000 · 3u / (1 + 2u) − 1 at u = 1, 3/4, 1/2, 1/4
    assert shifted(4, 3) == [999, 899, 749, 499]


def test_the_last_time_may_be_chosen():
    assert timed(5, Times(3, 150)) == [999, 899, 749, 499, 150]
    assert timed(1, Times(3, 150)) == [999]
    # so many steps end nearer to nought by themselves
    assert timed(40, Times(3, 150)) == shifted(40, 3)
    # a schedule of other lengths
    assert timed(3, Times(1, 150), 100) == [99, 49, 15]


@pytest.mark.parametrize("shift", [0.25, 1, 4])
@pytest.mark.parametrize("steps", [8, 300, 1000])
def test_no_time_comes_twice(steps, shift):
    times = shifted(steps, shift)
    assert len(times) == steps and times[0] == 999 and times[-1] >= 0
    assert all(later < earlier for earlier, later in pairwise(times))
