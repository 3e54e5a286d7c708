"""A small network over the frames that motion makes: it sees both frames as they were carried to time t, and as they
lie, and says where the motion is a little off, which frame to take, and where what lies still is better than what was
carried. With its last layer at nought, as it begins, it changes nothing.

Its inputs are those of learned blending (Niklaus & Liu, CVPR 2018) over a motion that is found without learning; masks
and a small motion come out as in RIFE (Huang et al., ECCV 2022), but of one pass.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vldm_cli.motion.between import Guess, Pair, fitted, resized
from vldm_cli.motion.matching import warp

# Channels at a half, a quarter and an eighth of the frames' size.
WIDTHS = (24, 48, 64)
FOLD = 2  # pixels of a frame beside each other are channels of one pixel at half the size
MAPS = 4  # what comes out for each pixel beside the motion
PICTURES, FIELDS = 4, 7
FAR = 16.0  # pixels of motion that count as one
# What a motion out of the picture counts as here: what leaves the picture is torn where it is compared with the border.
# (With .01 and .03 in place of it some motions lead out that should not; with .075 some stay that should.)
BEYOND = 0.05


@dataclass(frozen=True)
class Change:
    """What the network would have otherwise, on the first planes' pixels. v: pixels (N, 2, H, W) to be added to the
    motion; to_b, to_still_a, to_still_b: how much more (N, 1, H, W) of the second frame in place of the first, and of
    each frame as it lies in place of what was made; add: brightness to be added."""

    v: Tensor
    to_b: Tensor
    to_still_a: Tensor
    to_still_b: Tensor
    add: Tensor


class Refiner(nn.Module):
    """`Change` of what is known of a frame; fully convolutional, for frames of any size."""

    def __init__(self, widths: tuple[int, int, int] = WIDTHS):
        super().__init__()
        half, quarter, eighth = self.widths = widths
        self.enter = nn.Conv2d(PICTURES * FOLD**2 + FIELDS, half, 3, padding=1)
        self.to_quarter = nn.Conv2d(half, quarter, 3, 2, 1)
        self.to_eighth = nn.Conv2d(quarter, eighth, 3, 2, 1)
        self.at_eighth = nn.Sequential(_Block(eighth), _Block(eighth))
        self.from_eighth = nn.Conv2d(eighth, quarter, 1)
        self.at_quarter = _Block(quarter)
        self.from_quarter = nn.Conv2d(quarter, half, 1)
        self.at_half = _Block(half)
        self.leave = nn.Conv2d(half, MAPS * FOLD**2 + 2, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        assert self.leave.bias is not None  # a convolution has one unless told otherwise
        nn.init.zeros_(self.leave.bias)

    def forward(self, still_NCHW: Tensor, carried_NCHW: Tensor, t: float | Tensor, guess: Guess) -> Change:
        """still, carried: brightness in [0, 1] of both frames (N, 2, H, W), as they lie and as they were carried to
        time t, which is a number or (N, 1, 1, 1)."""
        height, width = guess.v.shape[-2:]
        far = guess.v.square().sum(1, keepdim=True).sqrt()
        fields = [guess.share, guess.sure_a, guess.sure_b, guess.v / FAR]
        fields += [(t * far).log1p(), ((1 - t) * far).log1p()]
        seen = [F.pixel_unshuffle(_even(torch.cat([still_NCHW, carried_NCHW], 1)) * 2 - 1, FOLD)]
        seen += [F.avg_pool2d(_even(torch.cat(fields, 1)), FOLD)]
        half = F.leaky_relu(self.enter(torch.cat(seen, 1)), 0.1)
        quarter = F.leaky_relu(self.to_quarter(half), 0.1)
        eighth = self.at_eighth(F.leaky_relu(self.to_eighth(quarter), 0.1))
        quarter = self.at_quarter(quarter + F.interpolate(self.from_eighth(eighth), scale_factor=2.0))
        half = self.at_half(half + F.interpolate(self.from_quarter(quarter), scale_factor=2.0))
        out = self.leave(half)
        maps = F.pixel_shuffle(out[:, :-2], FOLD)[..., :height, :width]
        v = F.interpolate(out[:, -2:], scale_factor=FOLD, mode="bilinear", align_corners=False)
        return Change(v[..., :height, :width], *maps.split(1, 1))


class _Block(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.one, self.two = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.two(F.leaky_relu(self.one(x), 0.1)), 0.1)


def refined(pair: Pair, t: float, network: Refiner) -> list[Tensor]:
    """The planes at time 0 < t < 1, as `Pair.at` makes them, and then by the network."""
    guess = pair.guess(t)
    y_a, y_b = pair.brightness
    carried = [warp(y_a, -t * guess.v), warp(y_b, (1 - t) * guess.v)]
    change = network(torch.cat([y_a, y_b], 1), torch.cat(carried, 1), t, guess)
    v_N2HW, made = guess.v + change.v, []
    for number, (a, b) in enumerate(zip(pair.a, pair.b, strict=True)):
        v = fitted(v_N2HW, a)
        from_a, from_b = warp(a, -t * v, "bicubic"), warp(b, (1 - t) * v, "bicubic")
        out = mixed(a, b, from_a, from_b, guess.share, change)
        # colour planes have no brightness
        made.append((out + change.add if number == 0 else out).clamp(0, 1))
    return made


def mixed(a: Tensor, b: Tensor, from_a: Tensor, from_b: Tensor, share: Tensor, change: Change) -> Tensor:
    """What is made of a plane (N, C, H, W) of both frames as they lie and as they were carried."""
    share, to_b, to_still_a, to_still_b = (
        resized(x, a) for x in (share, change.to_b, change.to_still_a, change.to_still_b)
    )
    out = from_a + share * (from_b - from_a)
    return out + to_b * (from_b - from_a) + to_still_a * (a - out) + to_still_b * (b - out)


def _even(x_NCHW: Tensor) -> Tensor:
    """With rows and columns of the border repeated, so that both can be halved three times."""
    down, right = (-side % 8 for side in x_NCHW.shape[-2:])
    return F.pad(x_NCHW, (0, right, 0, down), mode="replicate") if down or right else x_NCHW
