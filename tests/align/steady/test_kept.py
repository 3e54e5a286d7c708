"""What is kept of the frame before, without training."""

import torch

from vldm_cli.align.steady.kept import Kept, keep

STILL = torch.zeros(1, 2, 12, 20)
AGREE = torch.ones(1, 1, 12, 20)


def kept(frames, strength=1.0, agree=AGREE):
    before = Kept()
    return [keep(y, STILL, agree, before, strength) for y in frames]


def test_detail_that_comes_and_goes_is_calmed():
    draw = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 3, 48, 80, generator=draw)
    frames = [picture + 0.05 * torch.randn(picture.shape, generator=draw) for _ in range(8)]
    made = kept(frames)

    def flicker(x):
        return float((x[-1] - x[-2]).abs().mean())

    assert flicker(made) < 0.3 * flicker(frames)
    assert all(map(torch.equal, kept(frames, 0.0), frames))


def test_so_are_blotches_that_are_finer_than_what_counts_as_light():
    draw = torch.Generator().manual_seed(0)
    blotches = [
        0.1 * torch.randn(1, 3, 6, 10, generator=draw).repeat_interleave(8, -1).repeat_interleave(8, -2)
        for _ in range(8)
    ]
    made = kept([0.5 + x for x in blotches])
    assert (made[-1] - made[-2]).abs().mean() < 0.7 * (blotches[-1] - blotches[-2]).abs().mean()


def test_what_does_not_agree_does_not_shine_into_its_surroundings():
    """A bright square goes away; where it was nothing agrees."""
    ground = torch.rand(1, 3, 48, 80, generator=torch.Generator().manual_seed(0)) / 2
    square = ground.clone()
    square[..., 16:32, 32:48] = 1.0
    agree = torch.ones(1, 1, 12, 20)
    agree[..., 3:9, 7:13] = 0.0
    _, made = kept([square, ground], agree=agree)
    assert (made - ground).abs().max() < 1e-5


def test_light_follows_the_clip():
    """A picture that fades, a quarter of it faster than the rest."""
    picture = torch.rand(1, 3, 48, 80, generator=torch.Generator().manual_seed(0))
    faster = torch.ones(48, 80)
    faster[:24, :40] = 2.0
    frames = [picture * (1 - 0.02 * t * faster) for t in range(12)]
    made = kept(frames)[-1] - frames[-1]
    assert made.mean().abs() < 1e-3
    assert max(made[..., :16, :32].mean().abs(), made[..., 32:, 48:].mean().abs()) < 4e-3
