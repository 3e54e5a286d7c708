"""Decoding and upscaling on the tiny pack."""

import pytest
import torch

from tests.running import SHAPE, Watched, meter, source_of
from vldm_cli.align.pixels import upsample
from vldm_cli.denoise.noise import frame_noise
from vldm_cli.errors import RunError
from vldm_cli.stages.decode import Decode
from vldm_cli.stages.upscale import SHARED_NOISE, Upscale
from vldm_cli.stages.windows import fixed_windows


def latents(count):
    return list(torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(3)))


def decode(models, count, items=None, window=8, overlap=2):
    source = source_of(latents(count)) if items is None else items
    return Decode(fixed_windows(count, window, overlap), source, lambda: models.decoder, meter())


def upscale(models, count, source=None, window=6, noise=0.1, seed=1, steps=1, space="pixel"):
    frames = list(torch.rand(count, 3, 32, 48, generator=torch.Generator().manual_seed(4)) * 2 - 1)
    return Upscale(
        fixed_windows(count, window, 2),
        source or source_of(frames),
        lambda: models.upscaler_in(space),
        lambda: models.upscaler_scheduler("dpm++", space),
        meter(),
        seed=seed,
        steps=steps,
        noise=noise,
    )


def upscale_latents(*arguments, **options):
    return upscale(*arguments, **options, space="latent")


@pytest.mark.parametrize("stage", [decode, upscale, upscale_latents])
@pytest.mark.parametrize("count", [1, 5, 6, 8, 11, 19])
def test_frames_do_not_depend_on_where_one_starts(models, stage, count):
    whole = list(stage(models, count)(0))
    assert len(whole) == count
    for start in {1, count // 2, count - 1}:
        part = list(stage(models, count)(start))
        assert len(part) == count - start
        assert all(torch.equal(a, b) for a, b in zip(part, whole[start:], strict=True))


@pytest.mark.parametrize("count", [3, 8])
def test_one_window_is_decoded_as_it_is(models, count):
    z = torch.stack(latents(count))
    x = models.decoder.decode(z[None])[0].clamp(-1, 1)
    assert torch.equal(torch.stack(list(decode(models, count)(0))), x)
    assert x.shape == (count, 3, 32, 48)


def test_without_temporal_layers_each_frame_is_decoded_by_itself(models):
    z_TCHW = latents(5)
    source = Decode(
        fixed_windows(5, 8, 2), source_of(z_TCHW), lambda: models.decoder, meter(), temporal=False
    )
    with models.decoder.temporal_off():
        alone = torch.cat([models.decoder.decode(z[None, None])[0] for z in z_TCHW]).clamp(-1, 1)
    made = torch.stack(list(source(0)))
    torch.testing.assert_close(made, alone, atol=1e-5, rtol=0)
    assert (torch.stack(list(decode(models, 5)(0))) - made).abs().max() > 1e-3
    assert models.decoder.state.on


def test_frames_of_no_numbers_are_told(models):
    z_TCHW = [*latents(3), torch.full(SHAPE, torch.inf)]
    with pytest.raises(RunError, match="beyond what float32 holds; its weights may be damaged"):
        list(decode(models, 4, source_of(z_TCHW))(0))


def test_frames_outside_of_a_fade_are_those_of_their_window(models):
    z = torch.stack(latents(13))
    x = list(decode(models, 13)(0))
    last = models.decoder.decode(z[None, 5:])[0].clamp(-1, 1)  # moved back to keep eight frames
    assert torch.equal(torch.stack(x[8:]), last[3:])
    assert not torch.equal(x[6], last[1]), "frames 6 and 7 fade from the window before"


@pytest.mark.parametrize("stage", [decode, upscale, upscale_latents])
def test_memory_does_not_grow_with_the_length(models, stage):
    most = []
    for count in (20, 40):
        source = Watched(count, SHAPE if stage is decode else (3, 32, 48))
        for _ in stage(models, count, source)(0):
            pass
        most.append(source.most)
    assert most[0] == most[1] <= 9


@pytest.mark.parametrize("upscale", [upscale, upscale_latents])
def test_upscaling_is_four_times_the_size_and_follows_its_input(models, upscale):
    x = torch.stack(list(upscale(models, 6)(0)))
    assert x.shape == (6, 3, 128, 192) and x.abs().max() <= 1
    flat = [torch.full((3, 32, 48), value) for value in (-0.5, 0.5)]
    dark, light = (torch.stack(list(upscale(models, 2, source_of([f] * 2))(0))) for f in flat)
    # What is upscaled is a residual to the bicubic enlargement: the untrained model adds noise of zero mean.
    assert light.mean() - dark.mean() > 0.5
    assert upsample(flat[0][None], 4).shape[-2:] == dark.shape[-2:]


@pytest.mark.parametrize("upscale", [upscale, upscale_latents])
def test_upscaling_depends_on_seed_and_noise_level(models, upscale):
    x = torch.stack(list(upscale(models, 2)(0)))
    assert not torch.equal(x, torch.stack(list(upscale(models, 2, seed=2)(0))))
    assert not torch.equal(x, torch.stack(list(upscale(models, 2, noise=0.0)(0))))


def test_noise_is_drawn_once_and_is_that_of_every_frame(models, monkeypatch):
    """It is millions of numbers, and a GPU would wait for them in each window."""
    drawn = []

    def noise(*asked):
        drawn.append(asked[1])
        return frame_noise(*asked)

    monkeypatch.setattr("vldm_cli.stages.upscale.frame_noise", noise)
    assert len(list(upscale(models, 19)(0))) == 19
    assert sorted(drawn) == ["upscale", "upscale-input"]
    one, other = frame_noise(1, "upscale", [0, 7], (48, 32, 48), SHARED_NOISE)
    assert torch.equal(one, other)
