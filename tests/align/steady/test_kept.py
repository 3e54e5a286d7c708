"""What is kept of the frame before, without training."""

import torch

from vldm_cli.align.steady.kept import Kept, keep

STILL = torch.zeros(1, 2, 12, 20)
AGREE = torch.ones(1, 1, 12, 20)


def kept(frames, strength=1.0):
    before = Kept()
    return [keep(y, STILL, AGREE, before, strength) for y in frames]


def test_detail_that_comes_and_goes_is_calmed():
    draw = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 3, 48, 80, generator=draw)
    frames = [picture + 0.05 * torch.randn(picture.shape, generator=draw) for _ in range(8)]
    made = kept(frames)

    def flicker(x):
        return float((x[-1] - x[-2]).abs().mean())

    assert flicker(made) < 0.3 * flicker(frames)
    assert all(map(torch.equal, kept(frames, 0.0), frames))


def test_light_follows_the_clip():
    """A picture that fades, a quarter of it faster than the rest."""
    picture = torch.rand(1, 3, 48, 80, generator=torch.Generator().manual_seed(0))
    faster = torch.ones(48, 80)
    faster[:24, :40] = 2.0
    frames = [picture * (1 - 0.02 * t * faster) for t in range(12)]
    made = kept(frames)[-1] - frames[-1]
    assert made.mean().abs() < 1e-3
    assert max(made[..., :16, :32].mean().abs(), made[..., 32:, 48:].mean().abs()) < 4e-3
