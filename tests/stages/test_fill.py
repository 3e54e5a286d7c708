"""Frames between keyframes: keyframes as they are, the others along the motion, the same wherever one starts."""

import pytest
import torch
from torch.nn import functional as F

from vldm_cli.runs.progress import Meter, NullProgress
from vldm_cli.stages.fill import Fill


def ball(x, size=(48, 64), y=24, radius=9):
    """A soft bright disc on a dark ramp, (3, H, W) in [−1, 1]."""
    rows, columns = (torch.arange(n, dtype=torch.float32) for n in size)
    distance = ((rows[:, None] - y) ** 2 + (columns[None] - x) ** 2).sqrt()
    disc = torch.sigmoid(radius - distance)
    ground = (rows[:, None] / size[0] * 0.3 + columns[None] * 0).expand(size)
    return torch.stack([disc, 0.5 * disc + 0.5 * ground, ground]) * 1.6 - 0.8


def filled(keyframes, step, frames, start=0):
    source = Fill(lambda first: iter(keyframes[first:]), step, frames, Meter(NullProgress(), "fill", frames))
    return list(source(start))


@pytest.mark.parametrize("frames", [1, 2, 4, 5, 8, 9])
def test_as_many_as_are_wanted_and_keyframes_as_they_are(frames):
    keyframes = [ball(20 + 4 * i) for i in range(-(-(frames - 1) // 4) + 1)]
    made = filled(keyframes, 4, frames)
    assert len(made) == frames
    for number in range(0, frames, 4):
        assert torch.equal(made[number], keyframes[number // 4])


def test_what_moves_is_between():
    made = filled([ball(20), ball(28)], 4, 5)
    for k in (1, 2, 3):
        right = F.l1_loss(made[k], ball(20 + 2 * k))
        blended = F.l1_loss(ball(20).lerp(ball(28), k / 4), ball(20 + 2 * k))
        assert right < 0.4 * blended


@pytest.mark.parametrize("start", range(7))
def test_the_same_wherever_one_starts(start):
    keyframes = [ball(20), ball(26), ball(30)]
    whole = filled(keyframes, 4, 7)
    part = filled(keyframes, 4, 7, start)
    assert len(part) == 7 - start and all(map(torch.equal, part, whole[start:]))


def test_two_scenes_are_not_mixed():
    torch.manual_seed(0)
    one, other = (F.interpolate(torch.rand(1, 3, 12, 16), (48, 64))[0] * 2 - 1 for _ in range(2))
    made = filled([one, other], 4, 5)
    assert torch.equal(made[1], one) and torch.equal(made[2], one) and torch.equal(made[3], other)
