"""The schedule of `vldm train all`: pure arithmetic."""

import pytest

from vldm_cli.errors import RequestError
from vldm_cli.train.objectives import OBJECTIVES
from vldm_cli.train.schedule import AFTER, PARTS, fitted, make_lanes, make_schedule, parse_parts, table

MINUTES = 26.0


def ends(job):
    return job.start + job.minutes


@pytest.mark.parametrize("gpus", [0, 1, 2, 3, 8])
def test_every_part_once_after_what_it_needs_and_every_gpu_full(gpus):
    jobs = make_schedule(MINUTES, gpus)
    by_part = {job.part: job for job in jobs}
    # which is for models that a pack names, and nothing of a pack that is trained as a whole
    named = {"upscaler-frame"}
    assert sorted(by_part) == sorted(PARTS) == sorted(OBJECTIVES.keys() - named) and len(jobs) == len(PARTS)
    for part, needed in AFTER.items():
        assert by_part[part].after == needed
        assert all(ends(by_part[name]) <= by_part[part].start + 1e-9 for name in needed)
    for place in {place for job in jobs for place in job.places}:
        mine = [job for job in jobs if place in job.places]
        at = 0.0
        for job in mine:
            assert job.start == pytest.approx(at)
            at = ends(job)
        assert at == pytest.approx(MINUTES)
    assert {g for job in jobs for g in job.gpus} == set(range(gpus))


def test_two_gpus():
    """Autoencoder, then image LDM on both; then two lanes to the end: keyframes, and all others."""
    jobs = {job.part: job for job in make_schedule(MINUTES, 2)}
    assert jobs["autoencoder"].gpus == (0, 1) and jobs["autoencoder"].minutes == pytest.approx(MINUTES / 4)
    assert jobs["image"].gpus == (0, 1) and jobs["keyframes"].gpus == (0,)
    lane = ("probe", "upscaler-image", "decoder", "upscaler", "upscaler-latent", "interpolation")
    assert all(jobs[part].gpus == (1,) for part in lane)
    assert jobs["keyframes"].start == pytest.approx(jobs["interpolation"].start)
    assert 0.4 <= jobs["keyframes"].minutes / MINUTES <= 0.45


def test_some_parts_with_shares_of_their_own():
    jobs = make_schedule(10, 2, parse_parts("image=3, keyframes=2,interpolation=1"))
    assert [(job.part, job.gpus) for job in jobs] == [
        ("image", (0, 1)),
        ("keyframes", (0,)),
        ("interpolation", (1,)),
    ]
    assert [job.minutes for job in jobs] == pytest.approx([6, 4, 4])
    assert jobs[0].after == () and jobs[1].after == ("image",)


def test_the_round_trip_needs_a_trained_autoencoder():
    def options(roundtrip, parts=None):
        jobs = make_schedule(10, 1, parts, roundtrip)
        return {job.part: job.options for job in jobs if job.part.startswith("upscaler")}

    alone = {"upscaler": None, "upscaler-image": None}
    assert set(options(False, alone).values()) == {()}
    assert set(options(True, alone).values()) == set(options(False).values()) == {("--vae-roundtrip",)}


def test_minutes_are_fitted_to_what_is_left():
    jobs = make_schedule(MINUTES, 2)
    by_part = {job.part: job for job in jobs}
    image, keyframes = by_part["image"], by_part["keyframes"]
    on_time = fitted(image, jobs, image.start, MINUTES)
    assert on_time == pytest.approx(image.minutes - 0.25)
    late = fitted(image, jobs, image.start + 3, MINUTES)
    assert 0.8 * on_time < late < on_time
    # the last part of a GPU takes all that is left of it
    assert fitted(keyframes, jobs, 20, MINUTES) == pytest.approx(5.75)
    assert fitted(keyframes, jobs, 1000, MINUTES) == pytest.approx(keyframes.minutes / 4 - 0.25)
    tiny = make_schedule(0.1, 0)
    assert all(0 < fitted(job, tiny, job.start, 0.1) < job.minutes for job in tiny)


def test_the_table_names_everything():
    text = table(make_schedule(MINUTES, 2))
    assert len(text.splitlines()) == 1 + len(PARTS) and "GPU 0, 1" in text and "round trip" in text
    assert "CPU" in table(make_schedule(1, 0))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image,unet", "'unet' is no part"),
        ("", "'' is no part"),
        ("image,image", "image twice"),
        ("image=0", "number above 0"),
        ("image=many", "number above 0"),
        ("image=inf", "number above 0"),
    ],
)
def test_parts_that_are_none(text, words):
    with pytest.raises(RequestError, match=words):
        parse_parts(text)


def test_numbers_that_are_none():
    with pytest.raises(RequestError, match="--minutes"):
        make_schedule(0, 1)
    with pytest.raises(RequestError, match="--minutes"):
        make_schedule(float("nan"), 1)
    with pytest.raises(RequestError, match="--gpus"):
        make_schedule(1, -1)


def test_lanes_side_by_side():
    lanes = [parse_parts("image=2,keyframes=5"), parse_parts("decoder=3,interpolation=1")]
    jobs = make_lanes(14, 3, lanes)
    assert [(job.part, job.gpus) for job in jobs] == [
        ("image", (0, 1)),
        ("keyframes", (0, 1)),
        ("decoder", (2,)),
        ("interpolation", (2,)),
    ]
    assert [job.minutes for job in jobs] == pytest.approx([4, 10, 10.5, 3.5])
    assert [job.start for job in jobs] == pytest.approx([0, 4, 0, 10.5])
    by_part = {job.part: job for job in jobs}
    assert by_part["interpolation"].after == ("image",)  # of the other lane
    assert by_part["decoder"].after == ()  # its autoencoder is not trained here


def test_a_lane_without_shares_has_the_usual_ones():
    image, keyframes = make_lanes(10, 1, [parse_parts("image,keyframes")])
    usual = {job.part: job.minutes for job in make_schedule(10, 1)}
    assert image.minutes / keyframes.minutes == pytest.approx(usual["image"] / usual["keyframes"])


@pytest.mark.parametrize(
    ("gpus", "lanes", "says"),
    [
        (1, ["image", "decoder"], "2 lanes need 2 GPUs"),
        (2, ["image", "decoder,image"], "image is in two lanes"),
        (2, ["keyframes,image"], "keyframes needs image"),
        (2, ["keyframes,autoencoder", "image"], "keyframes needs image"),
    ],
)
def test_lanes_that_cannot_be_are_refused(gpus, lanes, says):
    with pytest.raises(RequestError, match=says):
        make_lanes(10, gpus, [parse_parts(lane) for lane in lanes])
