"""The patch-wise discriminator of 3D convolutions that the temporal decoder is trained against (METHOD §3)."""

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F


class Discriminator(nn.Module):
    """Frames (B, T, 3, H, W) → one score a patch, (B, 1, T', H/8, W/8); real is high.

    Every score sees at least seven frames, so flicker, which no single frame shows, is plain to it.
    """

    def __init__(self, channels: int = 32):
        super().__init__()
        c = channels
        # group norms, not batch norms: no running state, the same on any number of GPUs
        self.layers = nn.Sequential(
            nn.Conv3d(3, c, (3, 4, 4), (1, 2, 2), (1, 1, 1)),
            nn.LeakyReLU(0.2),
            nn.Conv3d(c, 2 * c, (3, 4, 4), (1, 2, 2), (1, 1, 1)),
            nn.GroupNorm(8, 2 * c),
            nn.LeakyReLU(0.2),
            nn.Conv3d(2 * c, 4 * c, (3, 4, 4), (1, 2, 2), (1, 1, 1)),
            nn.GroupNorm(8, 4 * c),
            nn.LeakyReLU(0.2),
            nn.Conv3d(4 * c, 1, 3, 1, 1),
        )

    def forward(self, x_BTCHW: Tensor) -> Tensor:
        return self.layers(x_BTCHW.transpose(1, 2))


def adversarial_losses(
    net: Discriminator, real_BTCHW: Tensor, fake_BTCHW: Tensor, weight_B: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """(decoder's loss, discriminator's hinge loss), so made that one backward pass serves both. weight_B: how much each
    clip counts, 1 where it is left out.

    The decoder's loss goes through a copy of the discriminator whose weights take no gradient, and the
    discriminator's through frames that take none (hinge loss: Lim & Ye 2017).
    """

    def mean(scores: Tensor) -> Tensor:
        return scores.mean() if weight_B is None else (weight_B * scores.flatten(1).mean(1)).mean()

    frozen = {name: p.detach() for name, p in net.named_parameters()}
    decoder = -mean(functional_call(net, frozen, (fake_BTCHW,)).float())
    real, fake = net(real_BTCHW).float(), net(fake_BTCHW.detach()).float()
    return decoder, 0.5 * (mean(F.relu(1 - real)) + mean(F.relu(1 + fake)))


@torch.no_grad()
def flicker(x_BTCHW: Tensor) -> float:
    """Mean absolute difference of neighbouring frames, in units of the [−1, 1] range."""
    return float(x_BTCHW.float().diff(dim=1).abs().mean())
