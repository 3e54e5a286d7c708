"""Silhouettes of a lone object in frames, made ones or rendered: which pixels are its own.

What colours the object and what is around it have is looked up in rendered scenes of the same attributes (`palette`),
other ones than those that are measured. Where colours say little, as where a white ball lies on snow, the nearest shape
that the renderer can make says the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.measure.components import components
from vldm_cli.measure.outlines.contour import contour
from vldm_cli.measure.outlines.fit import Kind, fit_all
from vldm_cli.measure.outlines.shapes import outline
from vldm_cli.toyland.batch import SceneBatch
from vldm_cli.toyland.render import render
from vldm_cli.toyland.scene import from_attributes
from vldm_cli.toyland.silhouettes import silhouettes

# Other scenes of the same attributes, times in each, and how many colours are kept: of the object, of what is within
# some pixels of it (its shadow, too), and of all else.
TWINS, TIMES, COLOURS, BESIDE = 4, 2, (384, 512, 384), 10
TWIN_SECONDS = 4.7
SEED = 23_000
# How much colours may say; how far from the fitted shape's outline (pixels) they must say so much to be believed.
CERTAIN, PRIOR = 0.3, 4.0
SPECK = 12  # holes and islands of fewer pixels are none
EXACT = "donot_use_mm_for_euclid_dist"
SMALLEST = 60 / (160 * 256)  # an object of a smaller share of the frame is not there


@dataclass(frozen=True)
class Palette:
    """Colours (n, 3) in [−1, 1] of an object and of all that is around it."""

    object_N3: Tensor
    other_N3: Tensor


def palettes(scenes: SceneBatch, size: tuple[int, int], device) -> list[Palette]:
    """A palette for each scene of one object, from renders of scenes that share its attributes alone."""
    rng = np.random.default_rng(SEED)
    out = []
    for i in range(len(scenes)):
        twins = from_attributes([scenes.describe(i)] * TWINS, rng)
        times = rng.random((TWINS, TIMES)) * TWIN_SECONDS
        colours_NC = 2 * render(twins, times, size, device=device).movedim(2, -1).reshape(-1, 3) - 1
        covered = silhouettes(twins, times, size, supersample=2, device=device)[:, :, 0].flatten(0, 1)
        near = F.max_pool2d(covered[:, None], 2 * BESIDE + 1, 1, BESIDE)[:, 0] > 0
        outside = covered == 0
        colours = [
            colours_NC[where.flatten()]
            for where in (covered == covered.max(), outside & near, outside & ~near)
        ]
        few = [_some(c, n, rng) for c, n in zip(colours, COLOURS, strict=True) if len(c)]
        out.append(Palette(few[0], torch.cat(few[1:])))
    return out


def segment(x_NCHW: Tensor, palettes: Sequence[Palette], kinds: Sequence[Kind]) -> Tensor:
    """Silhouettes (N, H, W) bool of the object of that palette and kind in each frame in [−1, 1]; all False where there
    is none. What colours leave open is settled by the shape that fits best."""
    size = (x_NCHW.shape[-2], x_NCHW.shape[-1])
    odds = torch.stack([_odds(x.float(), palette) for x, palette in zip(x_NCHW, palettes, strict=True)])
    holes = torch.tensor([kind.shape == "ring" for kind in kinds], device=odds.device)
    # a pixel is like those around it
    around = F.avg_pool2d(odds[:, None], 3, 1, 1, count_include_pad=False)[:, 0]
    mask = _tidy(around > 0, around, holes)
    there = mask.flatten(1).float().mean(1) >= SMALLEST
    away = torch.zeros_like(odds)
    index = torch.nonzero(there)[:, 0].tolist()
    fits = fit_all([kinds[i] for i in index], [contour(mask[i]) for i in index], size)
    y, x = torch.meshgrid(*(torch.arange(n, device=odds.device) + 0.5 for n in size), indexing="ij")
    grid = torch.stack([x, y], -1).view(1, -1, 2)
    for i, near in zip(index, fits, strict=True):
        shape = outline(kinds[i].shape, kinds[i].tilted, near.params_NJ, size)
        away[i] = shape.distance(grid).view(size)
    mask = _tidy(odds > (away / PRIOR).clamp(-1, 1) * CERTAIN, odds, holes) & there[:, None, None]
    return mask & (mask.flatten(1).float().mean(1) >= SMALLEST)[:, None, None]


def _odds(x_CHW: Tensor, palette: Palette) -> Tensor:
    """(H, W): by how much each pixel's colour is nearer to the object's."""
    pixels = x_CHW.movedim(0, -1).flatten(0, 1)
    unlike = [
        torch.cdist(pixels, colours.to(pixels), compute_mode=EXACT).amin(-1)
        for colours in (palette.object_N3, palette.other_N3)
    ]
    return (unlike[1] - unlike[0]).clamp(-CERTAIN, CERTAIN).view(x_CHW.shape[-2:])


def overlap(a_NHW: Tensor, b_NHW: Tensor) -> Tensor:
    """(N,): intersection over union of silhouettes, 0 where both are empty."""
    a, b = a_NHW.flatten(1), b_NHW.flatten(1)
    return (a & b).sum(1) / (a | b).sum(1).clamp_min(1)


def _some(colours: Tensor, n: int, rng: np.random.Generator) -> Tensor:
    index = torch.as_tensor(rng.integers(0, len(colours), n), device=colours.device)
    return colours[index]


def _tidy(mask_NHW: Tensor, odds_NHW: Tensor, holes_N: Tensor) -> Tensor:
    """One piece without specks: that in which most speaks for the object; of its holes, those that may be there."""
    N = len(mask_NHW)
    label = components(mask_NHW)
    votes = label.new_zeros(N, label[0].numel() + 1, dtype=torch.float32)
    votes.scatter_add_(1, label.flatten(1), odds_NHW.flatten(1).float() * mask_NHW.flatten(1))
    votes[:, 0] = 0
    best_N = votes.argmax(1)
    piece = (label == best_N[:, None, None]) & mask_NHW
    rest = components(~piece)
    count = torch.zeros_like(votes).scatter_add_(1, rest.flatten(1), (~piece).flatten(1).float())
    border = torch.zeros_like(votes)
    edges = torch.cat([rest[:, 0], rest[:, -1], rest[:, :, 0], rest[:, :, -1]], 1)
    border.scatter_(1, edges, 1.0)
    kept = (border > 0) | ((count >= SPECK) & holes_N[:, None])
    kept[:, 0] = False
    return ~kept.gather(1, rest.flatten(1)).view_as(rest)
