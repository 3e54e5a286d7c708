"""The discriminator of 3D convolutions."""

import torch

from vldm_cli.train.discriminator import Discriminator, adversarial_losses, flicker


def test_a_score_sees_several_frames_and_a_patch():
    net = Discriminator(8)
    x = torch.randn(1, 9, 3, 64, 64, requires_grad=True)
    scores = net(x)
    assert scores.shape == (1, 1, 9, 8, 8)
    # through the group norms a score depends a little on everything: its own patch is what stands out
    (gradient,) = torch.autograd.grad(scores[0, 0, 4, 4, 4], x)
    by_frame = gradient[0].abs().amax((1, 2, 3))
    assert (by_frame[1:8] > 0.02 * by_frame.max()).sum() >= 5
    assert gradient[0, 4, :, 24:44, 24:44].abs().max() > 20 * gradient[0, 4, :, :, :4].abs().max()


def test_one_backward_pass_serves_both_players():
    net = Discriminator(8)
    real = torch.randn(2, 4, 3, 16, 16)
    fake = torch.randn(2, 4, 3, 16, 16, requires_grad=True)
    decoder, hinge = adversarial_losses(net, real, fake)
    decoder.backward(retain_graph=True)
    assert fake.grad.abs().sum() > 0
    assert all(p.grad is None for p in net.parameters())
    fake.grad = None
    hinge.backward()
    assert fake.grad is None
    assert all(p.grad is not None for p in net.parameters())


def test_it_learns_to_tell_flicker_from_stillness():
    """Single frames of both kinds are alike: only a discriminator over time can tell."""
    net = Discriminator(8)
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(60):
        still = torch.randn(4, 1, 3, 16, 16).expand(-1, 6, -1, -1, -1)
        flickering = torch.randn(4, 6, 3, 16, 16)
        _, hinge = adversarial_losses(net, still, flickering)
        optimizer.zero_grad()
        hinge.backward()
        optimizer.step()
    assert hinge.item() < 0.2
    assert flicker(still) == 0 and flicker(flickering) > 0.5
