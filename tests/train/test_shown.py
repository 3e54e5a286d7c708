"""The error of decoded frames: nought where the prediction is right, and what the decoder makes of it elsewhere."""

import pytest
import torch

from tests.train.common import setup
from vldm_cli.train.diffusion import Diffusion
from vldm_cli.train.objectives.image import Image
from vldm_cli.train.objectives.temporal import Keyframes
from vldm_cli.train.shown import BELOW, Shown

CONFIG = {"num_train_timesteps": 1000, "prediction_type": "v_prediction"}


class Painter:
    """Decodes one of two channels, each cell to 2 × 2 pixels: what is in the other nobody sees."""

    class config:
        scaling_factor = 1.0

    def decode(self, z):
        frames = z[:, :1].repeat_interleave(2, 2).repeat_interleave(2, 3)
        return type("Decoded", (), {"sample": frames.expand(-1, 3, -1, -1)})


def test_an_error_counts_as_it_is_seen():
    torch.manual_seed(0)
    diffusion = Diffusion(CONFIG, torch.device("cpu"))
    shown = Shown(Painter(), diffusion, torch.float32, outlines=3.0)
    z, noise, t = torch.randn(2, 2, 4, 4), torch.randn(2, 2, 4, 4), torch.tensor([300, 500])
    noisy, target = diffusion.add(z, noise, t), diffusion.target(z, noise, t)
    off = torch.tensor([0.0, 1.0])[None, :, None, None]
    assert shown.error(noisy, target, target, t) == 0
    assert shown.error(noisy, target + off, target, t) < 1e-10
    seen = shown.error(noisy, target + 0.5 * off.flip(1), target, t)
    assert seen.item() == pytest.approx(0.25, rel=1e-4)  # the v-loss of that channel
    # an error in a marked cell weighs four times
    at = torch.zeros(2, 1, 4, 4)
    at[:, :, 1, 2] = 1.0
    mark = at[:, 0].bool()
    on = shown.error(noisy, target + at * off.flip(1), target, t, mark)
    beside = shown.error(noisy, target + at.roll(1, 3) * off.flip(1), target, t, mark)
    assert on.item() == pytest.approx(4 * beside.item(), rel=1e-4)


def test_a_few_of_a_batch_are_drawn_where_something_is_seen():
    torch.manual_seed(0)
    diffusion = Diffusion(CONFIG, torch.device("cpu"))
    shown = Shown(Painter(), diffusion, torch.float32)
    late = torch.full((64,), 999)
    times = shown.times(late)
    assert (times[:16] < 1000 * BELOW).all() and (times[16:] == 999).all()
    loss = shown.beside(torch.tensor(2.0), torch.tensor(0.1), 0.5)
    assert loss.item() == pytest.approx(3.0)


@pytest.mark.parametrize("kind", [Image, Keyframes])
def test_it_reaches_what_is_trained(tiny_pack, kind):
    objective = kind(setup(tiny_pack, shown=1.0))
    objective.bank.add()
    objective.choose(0.0)
    measured = objective.losses()
    assert measured["shown"].item() > 0 and measured["loss"].item() > measured["shown"].item()
    measured["loss"].backward()
    (name, model), *_ = objective.trained.items()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters()), name
    assert all(p.grad is None for p in objective.vae.parameters())
