"""Motion compensation: the detail that an upscaler adds to a frame, averaged with what it adds to the frames beside.

Convolutions over time see one place of several frames. Where something moves, these are places of different things, so
the detail of a moving edge stays each frame's own invention and shimmers. Upscalers see the frames that they enlarge,
so the motion is known: what the neighbours got is brought along it, and counts where the frames agree (frames brought
along the motion and then joined: Caballero et al. 2017, "Real-Time Video Super-Resolution with Spatio-Temporal Networks
and Motion Compensation"; there before the network, here after it, on the residual alone, so that nothing of the input
is blurred).
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.align.pixels import upsample_bilinear
from vldm_cli.motion.flow import flow, warp

# Low-resolution frames in [−1, 1] that differ by so much, once they are brought along the motion, count 1/e: about 6 of
# 255. With half of it, and with twice as much, rendered clips came out less steady.
AGREEMENT = 0.05
# Steps of the flow on every level of its pyramid. With four, as for measuring, the detail came out no steadier.
ITERATIONS = 2
# Pixels of frame pairs whose flow is found at a time: its steps keep some twenty numbers for each.
PIXELS = 2**22


def averaged(residual_BTCHW: Tensor, low_BTCHW: Tensor, scale: int) -> Tensor:
    """Folded residuals (B, T, 3·s², h, w) of videos (B, T, 3, h, w) in [−1, 1]: each frame's mean with those of the
    frame before and after, brought along the motion, where these agree with it; float32. What stands still and is alike
    stays as it is, and so does a single frame."""
    frames = residual_BTCHW.shape[1]
    if frames == 1:
        return residual_BTCHW.float()
    with torch.autocast(residual_BTCHW.device.type, enabled=False):
        low_BTCHW = low_BTCHW.float()
        found = zip(*(x_BTCHW.unbind(1) for x_BTCHW in _motion(low_BTCHW)), strict=True)
        frames_BCHW = (
            (_unfolded(residual_BCHW, scale), low_BCHW)
            for residual_BCHW, low_BCHW in zip(residual_BTCHW.unbind(1), low_BTCHW.unbind(1), strict=True)
        )
        means = _means(frames_BCHW, found, scale)
        return torch.stack([F.pixel_unshuffle(mean_BCHW, scale) for mean_BCHW in means], 1)


def _means(
    frames: Iterable[tuple[Tensor, Tensor]], motion: Iterator[tuple[Tensor, Tensor]], scale: int
) -> Iterator[Tensor]:
    """One frame after the other, since large ones are many numbers: no more than three are held."""
    coming = iter(frames)
    own, now = next(coming)
    total = own
    weight: float | Tensor = 1.0
    for following, then in coming:
        forth, back = next(motion)
        there, here = _agreement(now, then, forth, scale), _agreement(then, now, back, scale)
        total = torch.addcmul(total, there, warp(following, _enlarged(forth, scale)))
        yield total / (weight + there)
        total = torch.addcmul(following, here, warp(own, _enlarged(back, scale)))
        own, now, weight = following, then, 1.0 + here
    yield total / weight


@torch.no_grad()
def _motion(low_BTCHW: Tensor) -> tuple[Tensor, Tensor]:
    """The flow (B, T − 1, 2, h, w) of each frame to the next one, and of that one back."""
    B, T, _, h, w = low_BTCHW.shape
    some = max(1, PIXELS // (h * w))
    now, then = (x_BTCHW.flatten(0, 1).split(some) for x_BTCHW in (low_BTCHW[:, :-1], low_BTCHW[:, 1:]))
    found = [
        torch.stack([flow(a, b, ITERATIONS), flow(b, a, ITERATIONS)]) for a, b in zip(now, then, strict=True)
    ]
    return torch.cat(found, 1).unflatten(1, (B, T - 1)).unbind()


def _unfolded(residual_BCHW: Tensor, scale: int) -> Tensor:
    return F.pixel_shuffle(residual_BCHW.float(), scale)


@torch.no_grad()
def _agreement(a_BCHW: Tensor, b_BCHW: Tensor, flow_B2HW: Tensor, scale: int) -> Tensor:
    """(B, 1, s·h, s·w): 1 where frame b, brought along the flow, is frame a, 0 where it is something else."""
    gap = (a_BCHW - warp(b_BCHW, flow_B2HW)).abs().mean(1, keepdim=True)
    # the worst of the places around: what is next to an edge that has not been found again is none of its own either
    gap = F.max_pool2d(gap, 3, 1, 1)
    return upsample_bilinear(torch.exp(-((gap / AGREEMENT) ** 2)), scale)


def _enlarged(flow_B2HW: Tensor, scale: int) -> Tensor:
    return scale * upsample_bilinear(flow_B2HW, scale)
