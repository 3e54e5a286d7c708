"""Temporal layers on a frozen network for pictures, which see along the motion.

Two kinds. After blocks of the body a residual block of convolutions over a frame's features and those of the frame
before, fetched along the optical flow of the input (`Tap`): the paper's temporal layer l_φ (§3.1, §3.4) with α folded
into its last convolution, which begins at nought. And, as features at the low resolution cannot hold detail in its
place to a quarter of a pixel, one more at the output (`Fusion`): what came out for the frame before is brought along
the motion, which is refined for it, and mixed in where it agrees; beside it a residual that is never fed back, so that
nothing grows over time (frame recurrence: Sajjadi et al. 2018, "Frame-Recurrent Video Super-Resolution")."""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vldm_cli.align.pixels import upsample, upsample_bilinear
from vldm_cli.motion.matching import warp

# No more of the frame before is kept, so that a mistake is forgotten: .95^45 = .1.
KEPT = 0.95
# The motion of the detail may be so many low-resolution pixels from that of the input.
ASTRAY = 1.0
# Low-resolution frames in [0, 1] that differ by so much, once they are brought along the motion, count 1/e.
AGREEMENT = 0.05
# The share that is kept falls where frames agree less than one in so many.
SURE = 4.0


@dataclass(frozen=True)
class Sizes:
    """taps: temporal layers in the body; inner: channels inside one; width, depth: channels and residual blocks of the
    layer at the output; memory: channels that it hands on to the next frame."""

    taps: int
    inner: int
    width: int
    depth: int
    memory: int


# From the largest: the first that fits into a share of the network's weights is taken.
TABLE = (
    Sizes(4, 48, 96, 5, 32),
    Sizes(4, 32, 64, 3, 24),
    Sizes(2, 24, 48, 2, 16),
    Sizes(2, 16, 24, 1, 8),
    Sizes(1, 8, 12, 1, 4),
    Sizes(1, 2, 4, 1, 2),
)
LARGEST_SHARE = 0.15


@dataclass
class Scene:
    """What the layers are told of the frames in a batch of B clips of T frames: flow (B·T, 2, h, w) in pixels of the
    input from each frame to the one before it, agree (B·T, 1, h, w) where that is found again, nought in a first
    frame. last: of each tap the features of the frame before the first, None where there is none."""

    clips: int
    flow: Tensor
    agree: Tensor
    last: list[Tensor | None]


class Tap(nn.Module):
    """Features (B·T, C, h, w) → the same with what the frame before adds. loudness: the features' root mean square."""

    loudness: Tensor

    def __init__(self, width: int, inner: int, loudness: float):
        super().__init__()
        self.into = nn.Conv2d(2 * width + 1, inner, 3, 1, 1)
        self.out = nn.Conv2d(inner, width, 3, 1, 1)
        self.register_buffer("loudness", torch.tensor(loudness))
        _begin_at_nought(self.out)

    def forward(self, x_NCHW: Tensor, scene: Scene, index: int) -> Tensor:
        dtype = self.out.weight.dtype
        frames = x_NCHW.unflatten(0, (scene.clips, -1))
        before = scene.last[index]
        before = frames[:, :1] if before is None else before
        scene.last[index] = frames[:, -1:].detach()
        previous = torch.cat([before, frames[:, :-1]], 1).flatten(0, 1)
        h, w = x_NCHW.shape[-2:]
        flow, agree = _at_size(scene.flow, scene.agree, h, w)
        loud = self.loudness.to(dtype)
        own, fetched = x_NCHW.to(dtype) / loud, warp(previous.float(), flow).to(dtype) / loud
        z = F.leaky_relu(self.into(torch.cat([own, fetched, agree.to(dtype)], 1)), 0.1)
        return x_NCHW + (loud * self.out(z)).to(x_NCHW.dtype)


class Block(nn.Module):
    """A residual block of two convolutions."""

    def __init__(self, width: int):
        super().__init__()
        self.one, self.two = (nn.Conv2d(width, width, 3, 1, 1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.two(F.leaky_relu(self.one(x), 0.1))


@dataclass
class Carried:
    """What the layer at the output hands on: frame (B, 3, s·h, s·w), low (B, 3, h, w), memory (B, m, h, w)."""

    frame: Tensor
    low: Tensor
    memory: Tensor


class Fusion(nn.Module):
    """One frame after the other, at the low resolution: what the network made of it, mixed with the frame before."""

    def __init__(self, features: int, scale: int, sizes: Sizes):
        super().__init__()
        fold, width = scale**2, sizes.width
        self.scale, self.memory = scale, sizes.memory
        seen = 2 * 3 * fold + 7
        self.astray = nn.Sequential(
            nn.Conv2d(seen, width // 2, 1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(width // 2, width // 2, 3, 1, 1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(width // 2, 2, 3, 1, 1),
        )
        self.into = nn.Conv2d(seen + sizes.memory + features, width, 1)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(sizes.depth)))
        self.mix = nn.Conv2d(width, fold, 3, 1, 1)
        self.add = nn.Conv2d(width, 3 * fold, 3, 1, 1)
        self.keep = nn.Conv2d(width, sizes.memory, 3, 1, 1)
        for last in (self.astray[-1], self.mix, self.add):
            _begin_at_nought(last)

    def forward(
        self,
        y_BCHW: Tensor,
        x_BCHW: Tensor,
        features_BCHW: Tensor,
        flow_B2HW: Tensor,
        agree_B1HW: Tensor,
        carried: Carried | None,
    ) -> tuple[Tensor, Carried]:
        """y: what the network made, x: its input, both in [0, 1] and float32; flow, agree: as a `Scene` has them."""
        s, dtype = self.scale, self.mix.weight.dtype
        h, w = x_BCHW.shape[-2:]
        if carried is None:
            memory = x_BCHW.new_zeros(len(x_BCHW), self.memory, h, w)
            carried = Carried(y_BCHW, x_BCHW, memory)
        base = upsample(x_BCHW, s)

        def folded(z: Tensor) -> Tensor:
            return F.pixel_unshuffle(z - base, s) * 4

        change = 4 * (x_BCHW - warp(carried.low, flow_B2HW))
        own = folded(y_BCHW)
        guess = folded(warp(carried.frame, upsample_bilinear(s * flow_B2HW, s), "bicubic"))
        seen = torch.cat([own, guess - own, x_BCHW - 0.5, change, agree_B1HW], 1).to(dtype)
        refined = flow_B2HW + ASTRAY * torch.tanh(self.astray(seen).float())
        fetched = warp(carried.frame, upsample_bilinear(s * refined, s), "bicubic")
        memory = warp(carried.memory, refined)
        seen = torch.cat([own, folded(fetched) - own, x_BCHW - 0.5, change, agree_B1HW, memory], 1).to(dtype)
        z = self.blocks(self.into(torch.cat([seen, features_BCHW.to(dtype)], 1)))
        z = F.leaky_relu(z, 0.1)
        share = F.pixel_shuffle(self.mix(z).float(), s).clamp(0, KEPT)
        # nothing where the input is another one altogether, so nothing over cuts
        share = share * upsample_bilinear((SURE * agree_B1HW).clamp_max(1), s)
        kept = y_BCHW + share * (fetched - y_BCHW)
        made = kept + F.pixel_shuffle(self.add(z).float(), s) / 4
        return made, Carried(kept, x_BCHW, torch.tanh(self.keep(z).float()))


class TemporalLayers(nn.Module):
    """All of them for one network. width: of the body's features; loudness: of each tap's; scale: the network's."""

    loudness: Tensor

    def __init__(self, width: int, loudness: tuple[float, ...], scale: int, sizes: Sizes):
        super().__init__()
        self.sizes, self.scale = sizes, scale
        self.taps = nn.ModuleList(Tap(width, sizes.inner, loud) for loud in loudness)
        self.fusion = Fusion(width, scale, sizes)
        self.register_buffer("loudness", torch.tensor(loudness[-1]))

    def config(self) -> dict[str, int]:
        return asdict(self.sizes)


def agreement(now_NCHW: Tensor, before_NCHW: Tensor, flow_N2HW: Tensor) -> Tensor:
    """(N, 1, h, w): 1 where the frame before, brought along the flow, is this one, 0 where it is something else; frames
    in [0, 1]."""
    gap = (now_NCHW - warp(before_NCHW, flow_N2HW)).abs().mean(1, keepdim=True)
    return torch.exp(-((F.max_pool2d(gap, 3, 1, 1) / AGREEMENT) ** 2))


def _begin_at_nought(module: nn.Module) -> None:
    for parameter in module.parameters():
        nn.init.zeros_(parameter)


def _at_size(flow: Tensor, agree: Tensor, h: int, w: int) -> tuple[Tensor, Tensor]:
    """The motion for features of that size: of a folded picture, or of one that has been padded below and right."""
    height, width = flow.shape[-2:]
    if (h, w) == (height, width):
        return flow, agree
    fold = max(1, round(height / h))
    if fold > 1:
        flow, agree = (
            F.avg_pool2d(flow, fold, ceil_mode=True) / fold,
            F.avg_pool2d(agree, fold, ceil_mode=True),
        )
        height, width = flow.shape[-2:]
    pad = (0, w - width, 0, h - height)
    return F.pad(flow, pad, mode="replicate"), F.pad(agree, pad)
