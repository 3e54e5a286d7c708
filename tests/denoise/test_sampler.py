import pytest
import torch

from tests.align.shapes import UNETS, randomise
from vldm_cli.align import Context, align
from vldm_cli.denoise.guidance import Guidance
from vldm_cli.denoise.noise import frame_noise
from vldm_cli.denoise.sampler import predicted_x0, sample
from vldm_cli.denoise.schedulers import make_scheduler
from vldm_cli.denoise.times import Times
from vldm_cli.errors import RequestError, RunError

CONFIG = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
    "clip_sample": False,
    "set_alpha_to_one": True,
    "steps_offset": 1,
}
SCHEDULERS = pytest.mark.parametrize("name", ["ddim", "dpm++"])


@pytest.fixture
def model():
    model = align(UNETS["sd15"]()).eval()
    randomise(model)
    return model


class Oracle(torch.nn.Module):
    """Predicts v for one known clean video exactly, so any right sampler must end there."""

    def __init__(self, clean, scheduler):
        super().__init__()
        self.clean, self.scheduler = torch.nn.Parameter(clean), scheduler

    def forward(self, z, t, text=None, *, context=None, **_conditions):
        signal = self.scheduler.alphas_cumprod[t.long()].sqrt()
        noise = (1 - signal**2).sqrt()
        return signal * (z - signal * self.clean) / noise - noise * self.clean


@SCHEDULERS
@pytest.mark.parametrize("shift", [1, 3])
@pytest.mark.parametrize("steps", [1, 2, 8])
@torch.no_grad()
def test_it_ends_at_the_clean_video(name, steps, shift):
    scheduler = make_scheduler(CONFIG, name, Times(shift))
    clean = torch.randn(1, 3, 4, 4, 4)
    seen = []
    out = sample(
        Oracle(clean, scheduler),
        scheduler,
        torch.randn_like(clean),
        steps=steps,
        callback=lambda i, n, x0: seen.append((i, n, x0)),
    )
    torch.testing.assert_close(out, clean, rtol=1e-3, atol=1e-3)
    assert [(i, n) for i, n, _ in seen] == [(i + 1, steps) for i in range(steps)]
    for _, _, x0 in seen:
        torch.testing.assert_close(x0, clean, rtol=1e-2, atol=1e-2)


@torch.no_grad()
def test_ddim_with_hardly_a_shift_is_ddim(model):
    noise, text = torch.randn(1, 2, 4, 8, 8), torch.randn(1, 3, 12)
    even, moved = (
        sample(model, make_scheduler(CONFIG, "ddim", Times(shift)), noise, steps=4, text_BLD=text)
        for shift in (1, 1 + 1e-9)
    )
    torch.testing.assert_close(even, moved, rtol=1e-3, atol=1e-3)


@SCHEDULERS
@torch.no_grad()
def test_known_frames_come_back_exactly(model, name):
    z = torch.randn(1, 4, 4, 8, 8)
    known = Context.at(z, torch.tensor([[1, 0, 0, 1]]))
    text = torch.randn(1, 3, 12)
    out = sample(
        model,
        make_scheduler(CONFIG, name),
        torch.randn_like(z),
        steps=3,
        text_BLD=text,
        negative_BLD=0 * text,
        context=known,
        guidance=Guidance(2, 1.5),
        frame_step=16,
    )
    assert torch.equal(out[:, [0, 3]], z[:, [0, 3]])
    assert out.isfinite().all()


@SCHEDULERS
@torch.no_grad()
def test_passes_are_made_where_there_is_guidance(model, name):
    """Two passes a step as long as much of the latents is noise, then one."""
    rows = []
    hook = model.unet.register_forward_pre_hook(lambda _m, args: rows.append(len(args[0])))
    noise, text = torch.randn(1, 2, 4, 8, 8), torch.randn(1, 3, 12)
    guided = dict(text_BLD=text, negative_BLD=0 * text, guidance=Guidance(2, from_noise=0.9))
    sample(model, make_scheduler(CONFIG, name), noise, steps=4, frame_step=16, **guided)
    hook.remove()
    assert rows[0] == 4 and rows[-1] == 2 and rows == sorted(rows, reverse=True) and len(rows) == 4


@SCHEDULERS
@torch.no_grad()
def test_the_same_seed_gives_the_same_video_for_every_batch_size(model, name):
    scheduler = make_scheduler(CONFIG, name)
    text = torch.randn(1, 3, 12)
    noise = torch.stack([frame_noise(3, "s", range(5 * i, 5 * i + 5), (4, 8, 8)) for i in range(3)])
    together = sample(model, scheduler, noise, steps=4, text_BLD=text, frame_step=4)
    alone = [sample(model, scheduler, n[None], steps=4, text_BLD=text, frame_step=4) for n in noise]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_half_precision_models_sample_in_float32(model):
    model.to(torch.bfloat16)
    out = sample(
        model,
        make_scheduler(CONFIG),
        torch.randn(1, 2, 4, 8, 8),
        steps=2,
        text_BLD=torch.randn(1, 3, 12).bfloat16(),
    )
    assert out.dtype == torch.float32 and out.isfinite().all()


@pytest.mark.parametrize("kind", ["epsilon", "sample"])
def test_predicted_x0_of_other_kinds(kind):
    scheduler = make_scheduler({**CONFIG, "rescale_betas_zero_snr": False, "prediction_type": kind})
    clean, noise = torch.randn(1, 2, 1, 4, 4), torch.randn(1, 2, 1, 4, 4)
    signal = scheduler.alphas_cumprod[400].sqrt()
    z = signal * clean + (1 - signal**2).sqrt() * noise
    prediction = noise if kind == "epsilon" else clean
    x0 = predicted_x0(scheduler, z, prediction, float(signal), float((1 - signal**2).sqrt()))
    torch.testing.assert_close(x0, clean, rtol=1e-4, atol=1e-4)


def test_unknown_schedulers_are_refused():
    with pytest.raises(RequestError, match="heun"):
        make_scheduler(CONFIG, "heun")


def test_samplers_with_times_of_their_own_take_no_shift():
    with pytest.raises(RequestError, match="shift"):
        make_scheduler(CONFIG, "lcm", Times(3))


@torch.no_grad()
def test_numbers_beyond_float16_are_told_and_not_made_black():
    scheduler = make_scheduler(CONFIG, "ddim", Times(1))
    model = Oracle(torch.full((1, 3, 4, 4, 4), 60_000.0), scheduler)
    noise = torch.randn(1, 3, 4, 4, 4)
    assert sample(model, scheduler, noise, steps=2).isfinite().all()
    with pytest.raises(RunError, match="beyond what float16 holds; --dtype bfloat16"):
        sample(_Doubled(model).half(), scheduler, noise, steps=2)


class _Doubled(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, z, t, *words, **conditions):
        return 2 * self.model(z, t, *words, **conditions)
