"""Losses of the single step: what each of them answers to, and what it does not."""

import torch
from torch.nn import functional as F

from vldm_cli.train.discriminator import Discriminator, adversarial_losses
from vldm_cli.train.onestep import (
    DETAIL,
    SQUARED_WEIGHT,
    STEADY_OTHERS,
    STEADY_RENDERED,
    detail,
    motion_of,
    one_step_losses,
    rise,
    unsteady,
)


def pan(frames=4, pixels=3, size=64):
    """A picture that moves to the left, (1, frames, 3, size, size) in [−1, 1]."""
    g = torch.Generator().manual_seed(0)
    wide = F.interpolate(torch.rand(1, 3, 12, 20, generator=g), size=(size, 2 * size), mode="bicubic") * 2 - 1
    return torch.stack([wide[..., pixels * i : pixels * i + size] for i in range(frames)], 1).clamp(-1, 1)


def bytes_of(x):
    return ((x + 1) * 127.5).round().to(torch.uint8)


def test_motion_is_found():
    motion = motion_of(bytes_of(pan(pixels=4)))
    assert motion.shape == (1, 3, 3, 32, 32) and motion.dtype == torch.float16
    inner = motion[..., 6:-6, 6:-6].float()
    assert (inner[:, :, 0] - 4).abs().median() < 0.4  # what moves to the left was to the right of it
    assert inner[:, :, 1].abs().median() < 0.4 and inner[:, :, 2].mean() > 0.8


def test_an_error_that_goes_along_is_steady_and_one_that_blinks_is_not():
    truth = pan(pixels=4)
    motion = motion_of(bytes_of(truth))
    pattern = pan(pixels=4) * 0.3  # moves as the picture does
    blinking = pattern * torch.tensor([1.0, -1.0, 1.0, -1.0])[:, None, None, None]
    resting = pattern[:, :1].expand_as(pattern)
    along, blinks, rests = (float(unsteady(e, motion)) for e in (pattern, blinking, resting))
    assert along < 0.3 * rests and rests < blinks
    assert float(unsteady(torch.zeros_like(truth), motion)) == 0


def test_detail_is_wanted_where_the_noise_says_so():
    level = torch.tensor([0.0, DETAIL / 2, DETAIL, 0.5])
    torch.testing.assert_close(detail(level), torch.tensor([0.0, 0.5, 1.0, 1.0]))
    assert (rise(0.1, 0.2, 0.4), rise(0.4, 0.2, 0.4)) == (0.0, 1.0) and abs(rise(0.3, 0.2, 0.4) - 0.5) < 1e-9


class Looks(torch.nn.Module):
    def distance(self, a, b):
        return ((a - b) ** 2).mean((1, 2, 3))


def losses(level, looks=1.0, adversarial=1.0, discriminator=None, made=None, rendered=True, **weights):
    truth = pan()
    made = truth * 0.8 if made is None else made
    return one_step_losses(
        truth,
        made,
        torch.tensor([level]),
        motion_of(bytes_of(truth)),
        torch.tensor([rendered]),
        Looks(),
        discriminator,
        torch.tensor(looks),
        torch.tensor(adversarial),
        **weights,
    )


def test_without_noise_only_exactness_counts():
    torch.manual_seed(0)
    net = Discriminator(8)
    exact = losses(0.0, discriminator=net)
    squares = (0.2 * pan()).square().mean()
    assert torch.isclose(
        exact["loss"], exact["l1"] + STEADY_RENDERED * exact["flicker"] + SQUARED_WEIGHT * squares
    )
    assert losses(DETAIL)["loss"] > losses(DETAIL / 2)["loss"] > losses(0.0)["loss"]
    assert losses(DETAIL, looks=0.5)["loss"] < losses(DETAIL)["loss"]


def test_steadiness_counts_less_in_footage():
    rendered, footage = losses(0.0), losses(0.0, rendered=False)
    fewer = (STEADY_RENDERED - STEADY_OTHERS) * rendered["flicker"]
    torch.testing.assert_close(footage["loss"], rendered["loss"] - fewer)


def test_the_discriminator_learns_from_its_own_words_and_the_frames_from_what_it_says():
    torch.manual_seed(0)
    net, made = Discriminator(8), (pan() * 0.8).requires_grad_()
    alone = losses(DETAIL, looks=0.0, adversarial=0.0, discriminator=net, made=made)
    before = torch.autograd.grad(alone["loss"], [made, *net.parameters()])
    both = losses(DETAIL, looks=0.0, discriminator=net, made=made)
    after = torch.autograd.grad(both["loss"], [made, *net.parameters()])
    assert not torch.allclose(before[0], after[0])
    assert all(torch.allclose(a, b) for a, b in zip(before[1:], after[1:], strict=True))
    assert any(x.abs().max() > 0 for x in after[1:])


def test_clips_are_weighed():
    torch.manual_seed(0)
    net, real, fake = Discriminator(8), torch.rand(2, 3, 3, 32, 32), torch.rand(2, 3, 3, 32, 32)
    first = adversarial_losses(net, real[:1], fake[:1])
    weighed = adversarial_losses(net, real, fake, torch.tensor([1.0, 0.0]))
    for a, b in zip(first, weighed, strict=True):
        torch.testing.assert_close(a / 2, b)
    for a, b in zip(
        adversarial_losses(net, real, fake), adversarial_losses(net, real, fake, torch.ones(2)), strict=True
    ):
        torch.testing.assert_close(a, b)


def test_steadiness_and_squares_count_as_much_as_they_are_said_to():
    made = pan() * 0.8
    squares = float((made - pan()).square().mean())
    usual, more = losses(0.0, made=made), losses(0.0, made=made, steady_rendered=50.0, squared=17.0)
    torch.testing.assert_close(
        more["loss"] - usual["loss"],
        (50.0 - STEADY_RENDERED) * usual["flicker"] + (17.0 - SQUARED_WEIGHT) * squares,
    )
    others = losses(0.0, made=made, steady_rendered=50.0, rendered=False)  # of footage they count as before
    torch.testing.assert_close(others["loss"], losses(0.0, made=made, rendered=False)["loss"])
