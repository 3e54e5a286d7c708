import json
from itertools import pairwise

import pytest

from vldm_cli.stages.levels import LEVELS, Numbers
from vldm_cli.stages.plan import make_plan
from vldm_cli.stages.windows import continued_windows, fixed_windows, interval_windows

NUMBERS = Numbers(guidance=3.0, context_guidance=1.5)
COUNTS = [*range(1, 60), 112, 113, 114, 239, 240, 241, 999, 4095, 9999, 10_000]


def plan(frames, interpolation=16, **options):
    options = {"numbers": NUMBERS, "size": (160, 256), **options}
    return make_plan(frames, interpolation, **options)


@pytest.mark.parametrize("interpolation", LEVELS)
@pytest.mark.parametrize("lead", [0, 1])
def test_every_frame_is_made_exactly_once(interpolation, lead):
    for frames in COUNTS:
        p = plan(frames, interpolation, lead=lead)
        keyframes = [i for w in p.keyframe_windows for i in range(w.new, w.stop)]
        assert keyframes == list(range(min(lead, p.keyframes), p.keyframes))
        known = p.keyframes
        for level in p.levels:
            assert level.known == known
            made = [i for w in level.windows for i in range(w.new, 4 * (w.stop - 1) + 1)]
            assert made == list(range(4 * (known - 1) + 1 if known > 1 else 0))
            assert level.made <= 4 * (known - 1) + 1 < level.made + 4, "no interval too many, none missing"
            known = level.made
        assert known == frames
        assert [i for start, stop in p.segments for i in range(start, stop)] == list(range(frames))


def test_the_last_keyframe_reaches_the_last_frame_and_no_further_than_needed():
    for frames in COUNTS:
        p = plan(frames)
        last = (p.keyframes - 1) * p.keyframe_step
        assert frames - 1 <= last < frames - 1 + 16


@pytest.mark.parametrize(("window", "context"), [(8, 2), (5, 2), (3, 1)])
def test_keyframe_windows(window, context):
    for count in COUNTS:
        windows = continued_windows(count, window, context)
        assert windows[0].start == windows[0].new == 0
        for before, after in pairwise(windows):
            assert after.start == before.stop - context and after.new == before.stop
        assert all(0 < w.length <= window and w.new < w.stop for w in windows)
        assert all(w.length == window for w in windows[:-1]) and windows[-1].stop == count


def test_interpolation_windows_share_one_known_frame():
    for intervals in range(60):
        windows = interval_windows(intervals, 4)
        assert sum(w.length - 1 for w in windows) == intervals
        for before, after in pairwise(windows):
            assert after.start == before.stop - 1
        assert all(2 <= w.length <= 5 for w in windows)


@pytest.mark.parametrize(
    ("window", "overlap", "first"),
    [
        (12, 2, None),
        (8, 1, None),
        (6, 3, None),
        (5, 0, None),
        (18, 2, 8),
        (8, 3, 3),
        (6, 3, 5),
        (5, 0, 1),
        (8, 2, 99),
    ],
)
def test_fixed_windows_keep_their_length_and_never_meet_three_in_a_frame(window, overlap, first):
    for count in COUNTS:
        windows = fixed_windows(count, window, overlap, first)
        assert windows[0].length == (count if count <= window else min(first or window, window))
        assert all(w.length == window for w in windows[1:])
        assert windows[0].start == windows[0].new == 0 and windows[-1].stop == count
        for before, after in pairwise(windows):
            assert after.start <= after.new == before.stop - overlap
            assert after.stop > before.stop
        for one, third in zip(windows, windows[2:], strict=False):
            assert third.new >= one.stop


@pytest.mark.parametrize(("window", "overlap", "first"), [(8, 5, None), (4, -1, None), (8, 2, 1), (8, 0, 0)])
def test_impossible_overlap_is_refused(window, overlap, first):
    with pytest.raises(ValueError, match="overlap"):
        fixed_windows(30, window, overlap, first)


@pytest.mark.parametrize("decode_window", [9, 14, 18])
@pytest.mark.parametrize("upscale", [False, True])
def test_the_first_window_decodes_what_the_first_segment_is_made_of_and_no_more(decode_window, upscale):
    p = plan(240, upscale=upscale, numbers=Numbers(decode_window=decode_window))
    first, second = p.decode_windows[:2]
    seen = p.upscale_windows[0].stop if upscale else p.segments[0][1]
    assert first.length == min(seen + 2, decode_window) and second.length == decode_window
    assert second.new == min(seen, decode_window - 2), "frames before that are finished"


def test_known_frames_before_the_first_one_are_in_the_first_window():
    p = plan(240, run_up=5, upscale=False, numbers=Numbers(decode_window=18))
    assert p.decode_windows[0].length == 5 + 6 + 2


def test_calls_and_passes_of_the_default_video():
    p = plan(240)
    assert (p.keyframes, [level.made for level in p.levels]) == (16, [61, 240])
    assert p.calls == {
        "keyframes": 3 * 20,
        "interpolate4": 4 * 8,
        "interpolate1": 15 * 6,
        "upscale": len(p.upscale_windows),
    }
    # 8 keyframes with text guidance, then 8 and 4 with text and context guidance
    assert p.model_frames["keyframes"] == 20 * (8 * 2 + 8 * 3 + 4 * 3)
    assert p.model_frames["interpolate1"] == 6 * (15 * 16 + 15)


def test_steps_without_guidance_need_one_pass():
    half = plan(240, numbers=Numbers(guidance=3.0, context_guidance=1.5, guided=0.5))
    assert half.model_frames["keyframes"] == 20 * (8 * 1.5 + 8 * 2 + 4 * 2)


def test_guidance_of_one_costs_nothing():
    plain = plan(240, numbers=Numbers(guidance=1.0, context_guidance=1.0))
    assert plain.model_frames["keyframes"] == 20 * (8 + 8 + 4)


def test_a_given_first_frame_alone_needs_no_denoiser():
    p = plan(1, lead=1)
    assert p.calls["keyframes"] == 0 and p.model_frames["keyframes"] == 0


def test_without_upscaling():
    p = plan(30, upscale=False)
    assert p.upscale_windows == () and "upscale" not in p.totals and p.out_size == (160, 256)
    assert plan(30).out_size == (640, 1024)


def test_hash_follows_what_is_made_and_not_the_estimates():
    assert plan(240).hash == plan(240, device="cuda").hash
    assert plan(240).estimated_seconds != plan(240, device="cuda").estimated_seconds
    others = [
        plan(241),
        plan(240, 4),
        plan(240, lead=1),
        plan(240, upscale=False),
        plan(240, size=(160, 288)),
    ]
    assert len({p.hash for p in [plan(240), *others]}) == 6


def test_memory_does_not_depend_on_the_length():
    assert plan(240).estimated_peak_bytes == plan(10_000).estimated_peak_bytes > plan(1).estimated_peak_bytes


def test_little_memory_is_a_gpus():
    on_gpu, on_cpu = plan(240, device="cuda"), plan(240)
    assert on_gpu.estimated_low_bytes < on_gpu.estimated_peak_bytes
    assert on_cpu.estimated_low_bytes == on_cpu.estimated_peak_bytes


def test_as_dict_is_json_and_complete():
    table = plan(50).as_dict()
    assert json.loads(json.dumps(table)) == table
    assert table["keyframe_windows"] == [[0, 5, 0]]
    assert table["levels"][1]["windows"][-1] == [12, 14, 49]
    assert table["segments"] == [[0, 6], [6, 30], [30, 50]]
    assert table["estimated_total_seconds"] > 0


def test_estimates_have_no_more_digits_than_they_are_worth():
    """As sums of thousandths they had seventeen."""
    totals = [plan(frames).as_dict()["estimated_total_seconds"] for frames in range(1, 40)]
    assert totals == [round(total, 3) for total in totals]


@pytest.mark.parametrize(("frames", "interpolation"), [(0, 16), (-1, 1), (10, 2)])
def test_no_plan(frames, interpolation):
    with pytest.raises(ValueError, match="no plan"):
        plan(frames, interpolation)


@pytest.mark.parametrize("interpolation", [4, 16])
@pytest.mark.parametrize("upscale", [False, True])
def test_where_motion_fills_in_only_keyframes_are_decoded(interpolation, upscale):
    for frames in COUNTS:
        p = plan(frames, interpolation, between="motion", upscale=upscale, run_up=3)
        assert p.levels == () and p.run_up == 0
        assert p.keyframes == -(-(frames - 1) // interpolation) + 1
        assert p.decode_windows[-1].stop == p.keyframes == p.totals["decode"]
        assert p.totals["fill"] == p.frames == p.totals["write"]
        if upscale:
            assert p.upscale_windows[-1].stop == frames
        done = [p.progress(stop) for _, stop in p.segments]
        assert done[-1] == {k: v for k, v in p.totals.items() if k not in ("keyframes", "join")}
        assert all(d["decode"] <= interpolation + d["write"] for d in done)


def test_without_frames_between_there_is_nothing_to_fill_in():
    assert plan(20, 1, between="motion") == plan(20, 1)


def test_what_fills_in_decides_what_is_made():
    assert plan(20, 4, between="motion").hash != plan(20, 4).hash
