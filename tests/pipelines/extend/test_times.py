"""When new frames are shown: at the clip's own rate, whatever its clock and its recorder made of it."""

import random
from array import array
from fractions import Fraction

import pytest

from tests.video import clips
from vldm_cli.pipelines.extend.job import frame_ticks, longer
from vldm_cli.video.clip import open_clip
from vldm_cli.video.times import Times, constant


def times_of(lengths, clock=10_000):
    ticks = [sum(lengths[:i]) for i in range(len(lengths))]
    return Times(clock, array("q", ticks), sum(lengths))


@pytest.mark.parametrize(
    ("lengths", "step"),
    [
        ([300] * 7 + [400] * 4 + [300], 336),  # jitter: the mean of those that are followed by another
        ([400] * 40 + [4000] + [400] * 40, 400),  # one stands still: what most are shown for
        ([333, 334, 333, 334, 333], 334),
        ([417] * 24, 417),
        ([500], 500),
        ([300, 5000], 300),  # the last one's length says nothing of the rate
    ],
)
def test_a_new_frame_is_as_long_as_those_before(lengths, step):
    times = times_of(lengths)
    assert frame_ticks(times) == step
    more = longer(times, 5)
    assert [more.length(i) for i in range(len(more))] == [*lengths, *[step] * 5]
    alone = longer(times, 5, only_new=True)
    assert [alone.length(i) for i in range(5)] == [step] * 5 and alone.start == 0


def test_a_recording_that_jitters_goes_on_at_its_mean_rate(tmp_path):
    """Of a phone: 30 frames a second on the average, most of them shown for a little less, some for longer."""
    chance = random.Random(1)
    at = [0]
    for _ in range(59):
        at.append(at[-1] + chance.choice([30, 30, 30, 46]))
    table = "+".join(f"eq(N,{n})*{t}" for n, t in enumerate(at))
    path = clips.make(
        tmp_path,
        "a.mkv",
        *("-enc_time_base", "1/1000"),
        filters=f"settb=1/1000,setpts='{table}'",
        frames=60,
    )
    times = open_clip(path).times
    mean = Fraction(times.ticks[-1], 59 * times.clock)
    new = longer(times, 60)
    took = Fraction(new.end - times.end, new.clock)
    assert not times.constant and abs(took - 60 * mean) < Fraction(1, 100)


def test_an_exact_rate_stays_exact():
    times = longer(constant(24, Fraction(24000, 1001)), 24)
    assert times.constant and times.fps == Fraction(24000, 1001)
