"""Keyframes, extension and interpolation on the tiny pack."""

from itertools import islice

import numpy as np
import pytest
import torch

from tests.running import SHAPE, Watched, denoiser, meter, source_of
from vldm_cli.runs.journal import Journal
from vldm_cli.stages.extend import extend
from vldm_cli.stages.interpolate import Interpolation
from vldm_cli.stages.keyframes import Keyframes, encode_image
from vldm_cli.stages.levels import Level
from vldm_cli.stages.windows import Window, continued_windows, interval_windows


def level(known, step=4, window=2):
    return Level(
        f"interpolate{step}", step, known, 4 * (known - 1) + 1, 2, interval_windows(known - 1, window)
    )


def known_frames(count):
    return list(torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(5)))


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_the_context_stays_exactly_and_matters(models):
    known = torch.randn(2, *SHAPE)
    z = extend(denoiser(models), Window(6, 10, 8), known)
    assert z.shape == (4, *SHAPE) and torch.equal(z[:2], known)
    assert not torch.allclose(extend(denoiser(models), Window(6, 10, 8), -known)[2:], z[2:], atol=1e-3)


def test_wrong_context_is_refused(models):
    with pytest.raises(ValueError, match="2 frames of context was given 1"):
        extend(denoiser(models), Window(6, 10, 8), torch.zeros(1, *SHAPE))


def test_noise_belongs_to_the_frame(models):
    z = extend(denoiser(models), Window(6, 10, 8), torch.zeros(2, *SHAPE))
    moved = extend(denoiser(models), Window(5, 9, 7), torch.zeros(2, *SHAPE))
    other = extend(denoiser(models, seed=2), Window(6, 10, 8), torch.zeros(2, *SHAPE))
    assert not torch.allclose(z[2:], moved[2:], atol=1e-3) and not torch.allclose(z[2:], other[2:], atol=1e-3)


def test_each_window_goes_on_from_the_last_two_of_the_one_before(models, journal):
    windows = continued_windows(9, 5, 2)
    z = list(Keyframes(windows, denoiser(models), journal, meter())(0))
    assert len(z) == 9
    again = extend(denoiser(models), windows[1], torch.stack(z[3:5]))
    assert same(again, z[3:8])


def test_keyframes_go_on_from_anywhere_without_making_anything_twice(models, journal, tmp_path):
    windows = continued_windows(9, 5, 2)
    z = list(Keyframes(windows, denoiser(models), journal, meter())(0))
    never = denoiser(models)
    object.__setattr__(never, "model", lambda: pytest.fail("a finished window was made again"))
    for start in range(10):
        assert same(list(Keyframes(windows, never, journal, meter())(start)), z[start:])
    # From the middle of nothing: what comes before is made first, and comes out the same.
    with Journal(tmp_path / ".other", {}) as empty:
        assert same(list(Keyframes(windows, denoiser(models), empty, meter())(8)), z[8:])
    # A unit that is lost in between is made again to the bit.
    journal._unit_path("keyframes", 1).write_bytes(b"")
    assert same(list(Keyframes(windows, denoiser(models), journal, meter())(8)), z[8:])
    assert same(list(Keyframes(windows, denoiser(models), journal, meter())(0)), z)


def test_keyframes_are_made_when_asked_for(models, journal):
    counter = meter()
    stream = Keyframes(continued_windows(9, 5, 2), denoiser(models), journal, counter)(0)
    list(islice(stream, 5))
    assert counter.done == 2 and journal.load("keyframes", 1) is None
    next(stream)
    assert counter.done == 4 and journal.load("keyframes", 1) is not None


def test_an_image_is_the_first_keyframe_exactly(models, journal):
    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    lead = encode_image(models.decoder, image)
    assert lead.shape == (1, *SHAPE)
    z = list(Keyframes(continued_windows(6, 5, 2, 1), denoiser(models), journal, meter(), lambda: lead)(0))
    assert len(z) == 6 and torch.equal(z[0], lead[0])


def test_two_given_frames_are_continued(models, journal):
    """As `extend` does with a clip."""
    lead = torch.randn(2, *SHAPE)
    z = list(Keyframes(continued_windows(4, 5, 2, 2), denoiser(models), journal, meter(), lambda: lead)(0))
    assert same(z[:2], lead) and same(z, extend(denoiser(models), Window(0, 4, 2), lead))


def test_keyframes_that_rest_stay_what_they_were_and_are_kept_so(models, journal):
    """A threshold beyond all that is made; each window goes on from what the one before it was left with."""
    stage = denoiser(models)
    z = list(Keyframes(continued_windows(9, 5, 2), stage, journal, meter(), still=100.0)(0))
    alone = extend(stage, Window(0, 5, 0), torch.empty(0, *SHAPE))
    for made in z:
        torch.testing.assert_close(made, alone.mean(0))
    assert same(journal.load("keyframes", 1)["z"][2:], z[5:8])


@pytest.mark.parametrize("known", [2, 3, 4, 6])
def test_known_frames_pass_through_interpolation_exactly(models, journal, known):
    frames = known_frames(known)
    stage = denoiser(models, "interpolate4", 4)
    z = list(Interpolation(level(known), source_of(frames), stage, journal, meter())(0))
    assert len(z) == 4 * (known - 1) + 1
    assert same(z[::4], frames)
    assert all(x.isfinite().all() for x in z)


def test_what_rests_is_held_still_and_kept_so(models, journal):
    """A threshold beyond all that is made: the line between known frames, which the journal has as well."""
    frames, stage = known_frames(3), denoiser(models, "interpolate4", 4)
    z = list(Interpolation(level(3), source_of(frames), stage, journal, meter(), still=100.0)(0))
    assert same(z[::4], frames)
    for k in range(2):
        torch.testing.assert_close(z[4 * k + 1], frames[k].lerp(frames[k + 1], 0.25))
    assert same(journal.load("interpolate4", 0)["z"], z)


def test_a_single_keyframe_needs_no_interpolation(models, journal):
    frames = known_frames(1)
    stage = denoiser(models, "interpolate4", 4)
    assert same(list(Interpolation(level(1), source_of(frames), stage, journal, meter())(0)), frames)


def test_the_same_for_every_batch_of_windows(models, journal, tmp_path):
    frames, stage = known_frames(8), denoiser(models, "interpolate4", 4)
    one = list(Interpolation(level(8), source_of(frames), stage, journal, meter())(0))
    for batch in (2, 3, 4):
        with Journal(tmp_path / f".{batch}", {}) as other:
            many = list(Interpolation(level(8), source_of(frames), stage, other, meter(), batch)(0))
        torch.testing.assert_close(torch.stack(many), torch.stack(one), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("batch", [1, 2])
def test_interpolation_goes_on_from_anywhere(models, journal, tmp_path, batch):
    frames, stage = known_frames(6), denoiser(models, "interpolate4", 4)
    whole = list(Interpolation(level(6), source_of(frames), stage, journal, meter(), batch)(0))

    def never(start):
        pytest.fail("a finished window was made again")

    for start in (0, 1, 8, 9, 20, 21):
        assert same(
            list(Interpolation(level(6), never, stage, journal, meter(), batch)(start)), whole[start:]
        )
    with Journal(tmp_path / ".other", {}) as empty:
        late = list(Interpolation(level(6), source_of(frames), stage, empty, meter(), batch)(10))
    assert same(late, whole[10:])
    journal._unit_path("interpolate4", 1).write_bytes(b"")
    assert same(
        list(Interpolation(level(6), source_of(frames), stage, journal, meter(), batch)(9)), whole[9:]
    )


def test_interpolation_is_lazy_and_keeps_only_its_window(models, journal):
    known = Watched(12)
    stream = Interpolation(level(12), known, denoiser(models, "interpolate4", 4), journal, meter())(0)
    next(stream)
    assert known.made == 3, "the first window needs its three known frames and no more"
    for _ in stream:
        pass
    assert known.made == 12 and known.most <= 4


def test_when_memory_runs_out_windows_are_made_in_smaller_batches(models, journal, tmp_path):
    frames, stage = known_frames(8), denoiser(models, "interpolate4", 4)
    whole = list(Interpolation(level(8), source_of(frames), stage, journal, meter())(0))
    sizes = []
    fill = stage.fill

    def tight(starts, *rest):
        sizes.append(len(starts))
        if len(starts) > 1:
            raise torch.OutOfMemoryError("out of memory")
        return fill(starts, *rest)

    object.__setattr__(stage, "fill", tight)
    with Journal(tmp_path / ".tight", {}) as other:
        assert same(list(Interpolation(level(8), source_of(frames), stage, other, meter(), 3)(0)), whole)
    assert sizes == [3, 1, 2, 1, 1, 1]
