"""Frames between two known ones, in pixels and without a model: motion found, followed from both sides, and blended
where both sides show the same; what only one side shows is taken from that one."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.motion.constants import LUMA, constant
from vldm_cli.motion.matching import doubled, inside, median, motion, pyramid, settled, warp

COARSE = 2  # level of the pyramid on which the two frames' own motions are found
AGREE = 2.0  # pixels by which motions may disagree
CUT, LOST = 0.12, 0.65
FLASH = 2.0


@dataclass(frozen=True)
class Guess:
    """What is known of a frame before it is made, on the first planes' pixels: the motion through it,
    v (N, 2, H, W), how surely each frame shows what is there, and how much of the second one to take (N, 1, H, W)."""

    v: Tensor
    sure_a: Tensor
    sure_b: Tensor
    share: Tensor


class Pair:
    """Two neighbouring frames as planes (1, 1, h, w) in [0, 1], the first one brightness (or 3 channels of RGB).
    beyond: what a motion out of the picture counts as (`matching.mismatch`); None: what the border shows goes on."""

    def __init__(self, a: list[Tensor], b: list[Tensor], *, beyond: float | None = None) -> None:
        self.a, self.b, self.beyond = a, b, beyond
        self.brightness = brightness(a[0]), brightness(b[0])
        self.features = tuple(pyramid(y_N1HW) for y_N1HW in self.brightness)
        self.level = min(COARSE, len(self.features[0]) - 1)

    def is_cut(self) -> bool:
        """Whether the second frame shows another scene, or the same one at another time: even along the best motion
        some of it is not found again, and the motions of the two frames hardly agree anywhere. (Measured: 0.67 and 0.91
        at the least at cuts of a film, 0.13 and 0.79 within a shot of which a second or more is left out; of 26 clips,
        of which every fourth frame was kept, none has more than 0.61 of the second.) Or it is so much darker or
        brighter that nothing could be followed.
        """
        coarse = self.features[0][self.level]
        one, two = (F.adaptive_avg_pool2d(y, (coarse.shape[-2], coarse.shape[-1])) for y in self.brightness)
        there, back = self.flows
        apart = (one - warp(two, there)).abs().mean() + (two - warp(one, -back)).abs().mean()
        spread = one.std(correction=0) + two.std(correction=0)
        gap, size = ((v.square().sum(1).sqrt()) for v in (warp(back, there) - there, there))
        lost = (gap > 1 + 0.1 * size).float().mean()
        apart = apart / (spread + 0.1)
        return bool((apart > CUT and lost > LOST) or apart > FLASH)

    @cached_property
    def flows(self) -> tuple[Tensor, Tensor]:
        """The motion from the first frame to the second on the one's pixels and on the other's, at `level`, as `is_cut`
        was measured on it."""
        one, two = self.features
        return motion(one, two, 0.0, self.level), motion(one, two, 1.0, self.level)

    @cached_property
    def hints(self) -> tuple[Tensor, Tensor]:
        """The same as it is followed."""
        if self.beyond is None:
            return self.flows
        one, two = self.features
        first = motion(one, two, 0.0, self.level, self.beyond)
        return first, motion(one, two, 1.0, self.level, self.beyond)

    def at(self, t: float) -> list[Tensor]:
        """The planes at time 0 < t < 1."""
        guess, made = self.guess(t), []
        for a, b in zip(self.a, self.b, strict=True):
            v, share = fitted(guess.v, a), resized(guess.share, a)
            from_a, from_b = warp(a, -t * v, "bicubic"), warp(b, (1 - t) * v, "bicubic")
            made.append((from_a + share * (from_b - from_a)).clamp(0, 1))
        return made

    def guess(self, t: float) -> Guess:
        """What is known of the frame at time 0 < t < 1."""
        a, b = self.features
        hints = [_carried(self.hints[0], t), _carried(self.hints[1], t - 1)]
        # Then finer and finer for this very time, which has neither holes nor what is hidden twice.
        v = settled(a[self.level], b[self.level], t, hints, beyond=self.beyond)
        for level in range(self.level - 1, -1, -1):
            size = a[level].shape[-2], a[level].shape[-1]
            hints = [doubled(hint, size) for hint in hints]
            v = settled(a[level], b[level], t, [doubled(v, size), *hints], level > 0, self.beyond)
        # Seen in the first frame at all? Then the motion there is the one that led here; and so for the second.
        full_a, full_b = self.hints
        for level in range(self.level - 1, -1, -1):
            size = a[level].shape[-2], a[level].shape[-1]
            full_a, full_b = (doubled(f, size) for f in (full_a, full_b))
        gap_a = (warp(full_a, -t * v) - v).square().sum(1, keepdim=True)
        gap_b = (warp(full_b, (1 - t) * v) - v).square().sum(1, keepdim=True)
        reach = AGREE**2 + 0.02 * v.square().sum(1, keepdim=True)
        sure_a, sure_b = (1 / (1 + (gap / reach).square()) + 1e-3 for gap in (gap_a, gap_b))
        inside_a, inside_b = inside(-t * v), inside((1 - t) * v)
        sure_a, sure_b = sure_a * inside_a.float() + 1e-4, sure_b * inside_b.float() + 1e-4
        share = t * sure_b / (t * sure_b + (1 - t) * sure_a)
        return Guess(v, sure_a, sure_b, F.avg_pool2d(share, 3, 1, 1, count_include_pad=False))


def fitted(v_N2HW: Tensor, plane_NCHW: Tensor) -> Tensor:
    """The motion on the pixels of a plane of another size, and in them."""
    height, width = plane_NCHW.shape[-2:]
    if plane_NCHW.shape[-2:] == v_N2HW.shape[-2:]:
        return v_N2HW
    scale = width / v_N2HW.shape[-1], height / v_N2HW.shape[-2]
    return resized(v_N2HW, plane_NCHW) * constant(scale, v_N2HW)


def resized(x_NCHW: Tensor, plane_NCHW: Tensor) -> Tensor:
    """A map on the pixels of a plane of another size."""
    size = plane_NCHW.shape[-2], plane_NCHW.shape[-1]
    return x_NCHW if x_NCHW.shape[-2:] == size else F.interpolate(x_NCHW, size=size, mode="area")


def brightness(plane_NCHW: Tensor) -> Tensor:
    """(N, 1, H, W): the plane itself, or what the eye sees of RGB."""
    if plane_NCHW.shape[1] == 1:
        return plane_NCHW
    return (plane_NCHW * constant(LUMA, plane_NCHW)).sum(1, keepdim=True)


def _carried(v_N2HW: Tensor, share: float) -> Tensor:
    """A frame's own motion carried to where its pixels are after `share` of it: each lands on four pixels, weighted;
    where none lands the old place's stays."""
    N, _, H, W = v_N2HW.shape
    y, x = torch.meshgrid(
        torch.arange(H, device=v_N2HW.device), torch.arange(W, device=v_N2HW.device), indexing="ij"
    )
    px, py = x + share * v_N2HW[:, 0], y + share * v_N2HW[:, 1]
    left, top = px.floor(), py.floor()
    total, weights = torch.zeros_like(v_N2HW).flatten(2), torch.zeros_like(v_N2HW[:, :1]).flatten(2)
    for dx in (0, 1):
        for dy in (0, 1):
            column, row = left + dx, top + dy
            weight = (1 - (px - column).abs()) * (1 - (py - row).abs())
            weight = weight * ((column >= 0) & (column < W) & (row >= 0) & (row < H))
            index = (row.clamp(0, H - 1) * W + column.clamp(0, W - 1)).long().flatten(1)[:, None]
            weights.scatter_add_(2, index, weight.flatten(1)[:, None])
            total.scatter_add_(2, index.expand(-1, 2, -1), (v_N2HW * weight[:, None]).flatten(2))
    landed = weights > 0.2
    carried = torch.where(landed, total / weights.clamp_min(1e-6), v_N2HW.flatten(2))
    return median(carried.view(N, 2, H, W))
