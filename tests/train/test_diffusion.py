import pytest
import torch

from vldm_cli.packs.image_models import SCHEDULE
from vldm_cli.train.diffusion import Diffusion


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_times_are_all_there_and_shifted_ones_are_noisier(shift):
    torch.manual_seed(0)
    diffusion = Diffusion(SCHEDULE, torch.device("cpu"))
    t = diffusion.times(200_000, shift)
    assert t.min() == 0 and t.max() == diffusion.steps - 1
    # u below 1/2 becomes s u / (1 + (s - 1) u) below s / (s + 1)
    assert float((t < diffusion.steps * shift / (shift + 1)).float().mean()) == pytest.approx(0.5, abs=0.01)


def test_signal_and_noise_are_told_apart():
    diffusion = Diffusion(SCHEDULE, torch.device("cpu"))
    torch.manual_seed(0)
    z, noise, t = torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4), torch.tensor([0, 500, 999])
    noisy = diffusion.add(z, noise, t)
    torch.testing.assert_close(diffusion.clean(noisy, diffusion.target(z, noise, t), t), z)
