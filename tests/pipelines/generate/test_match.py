from itertools import pairwise

import pytest
import torch

from vldm_cli.pipelines.generate.match import Match, fading


def picture(seed, mean, spread):
    x_CHW = torch.randn(3, 40, 60, generator=torch.Generator().manual_seed(seed))
    return (x_CHW * spread + torch.tensor(mean)[:, None, None]).clamp(-1, 1)


@pytest.mark.parametrize("spread", [0.1, 0.3, 0.8])
def test_mean_and_contrast_of_each_channel_become_the_old_frames(spread):
    old, new = picture(1, (0.2, -0.1, -0.6), 0.2), picture(2, (-0.3, 0.4, 0.1), spread)
    matched = Match.of(new, old)(new, 1.0)
    assert (matched.mean((1, 2)) - old.mean((1, 2))).abs().max() < 1 / 255
    if spread < 0.5:
        assert (matched.std((1, 2)) / old.std((1, 2)) - 1).abs().max() < 0.05
    assert matched.abs().max() <= 1


def test_flat_frames_and_gains_without_end():
    old, new = picture(1, (0.2, -0.1, -0.6), 0.5), torch.full((3, 40, 60), 0.3)
    matched = Match.of(new, old)(new, 1.0)
    assert (matched.mean((1, 2)) - old.mean((1, 2))).abs().max() < 1e-4
    gain = Match.of(picture(2, (0, 0, 0), 0.01), old).gain_C
    assert torch.equal(gain, torch.full((3,), 2.0))


def test_it_fades_out_smoothly_and_then_changes_nothing():
    weights = [fading(frame, 24) for frame in range(30)]
    assert weights[0] == 1 and weights[24:] == [0] * 6
    assert all(0 <= a - b < 0.07 for a, b in pairwise(weights))
    new = picture(2, (0, 0, 0), 0.3)
    match = Match.of(new, picture(1, (0.5, 0, 0), 0.3))
    assert match(new, 0.0) is new
    assert torch.allclose(match(new, 0.5), (new + match(new, 1.0)) / 2)
