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
from vldm_cli.measure.outlines.fit import fit_all
from vldm_cli.measure.outlines.kind import Kind
from vldm_cli.measure.outlines.nearest import nearest
from vldm_cli.measure.outlines.shapes import Solids, outline
from vldm_cli.toyland.batch import SceneBatch, joined
from vldm_cli.toyland.render import render
from vldm_cli.toyland.scene import from_attributes
from vldm_cli.toyland.silhouettes import silhouettes

# Other scenes of the same attributes, times in each, and how many colours are kept: of the object, of what is within
# some pixels of it (its shadow, too), and of all else.
TWINS, TIMES, COLOURS, BESIDE = 4, 2, (384, 512, 384), 10
TWIN_SECONDS = 4.7
SEED = 23_000
RENDERED = 16  # scenes whose twins are rendered together
# How much colours may say; how far from the fitted shape's outline (pixels) they must say so much to be believed.
CERTAIN, PRIOR = 0.3, 4.0
SPECK = 12  # holes and islands of fewer pixels are none
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
    for first in range(0, len(scenes), RENDERED):
        twins, times, picked = zip(
            *(_twins(scenes, i, size, device, rng) for i in range(first, min(first + RENDERED, len(scenes)))),
            strict=True,
        )
        x = render(joined(twins), np.concatenate(times), size, device=device)
        # of each scene, its twins' pixels one after the other
        colours_BNC = 2 * x.movedim(2, -1).reshape(len(picked), -1, 3) - 1
        for colours_NC, index in zip(colours_BNC, picked, strict=True):
            out.append(Palette(colours_NC[index[0]], colours_NC[torch.cat(index[1:])]))
    return out


def _twins(
    scenes: SceneBatch, i: int, size: tuple[int, int], device, rng: np.random.Generator
) -> tuple[SceneBatch, np.ndarray, list[Tensor]]:
    """Scenes like scene i, times in each, and which of their pixels are looked at: of the object, beside it, elsewhere.
    What is looked at is drawn before anything is rendered, so that many scenes can be rendered in one call."""
    twins = from_attributes([scenes.describe(i)] * TWINS, rng)
    times = rng.random((TWINS, TIMES)) * TWIN_SECONDS
    covered = silhouettes(twins, times, size, supersample=2, device=device)[:, :, 0].flatten(0, 1)
    near = F.max_pool2d(covered[:, None], 2 * BESIDE + 1, 1, BESIDE)[:, 0] > 0
    outside = covered == 0
    places = torch.stack([covered == covered.max(), outside & near, outside & ~near]).flatten(1).cpu()
    where = [torch.nonzero(place)[:, 0] for place in places]
    picked = [w[rng.integers(0, len(w), n)] for w, n in zip(where, COLOURS, strict=True) if len(w)]
    return twins, times, [index.to(device) for index in picked]


def segment(x_NCHW: Tensor, palettes: Sequence[Palette], kinds: Sequence[Kind]) -> Tensor:
    """Silhouettes (N, H, W) bool of the object of that palette and kind in each frame in [−1, 1]; all False where there
    is none. What colours leave open is settled by the shape that fits best."""
    size = (x_NCHW.shape[-2], x_NCHW.shape[-1])
    odds = _odds(x_NCHW.float(), palettes)
    holes = torch.tensor([kind.shape == "ring" for kind in kinds], device=odds.device)
    # a pixel is like those around it
    around = F.avg_pool2d(odds[:, None], 3, 1, 1, count_include_pad=False)[:, 0]
    mask = _tidy(around > 0, around, holes)
    there = mask.flatten(1).float().mean(1) >= SMALLEST
    away = _away(mask, there, kinds, size)
    mask = _tidy(odds > (away / PRIOR).clamp(-1, 1) * CERTAIN, odds, holes) & there[:, None, None]
    return mask & (mask.flatten(1).float().mean(1) >= SMALLEST)[:, None, None]


def _odds(x_NCHW: Tensor, palettes: Sequence[Palette]) -> Tensor:
    """(N, H, W): by how much each pixel's colour is nearer to the object's."""
    pixels = x_NCHW.movedim(1, -1).flatten(1, 2)
    unlike = [
        nearest(pixels, _stacked(colours).to(pixels))
        for colours in ([p.object_N3 for p in palettes], [p.other_N3 for p in palettes])
    ]
    return (unlike[1] - unlike[0]).clamp(-CERTAIN, CERTAIN).view(len(pixels), *x_NCHW.shape[-2:])


def _stacked(colours: Sequence[Tensor]) -> Tensor:
    """Colours of several palettes (N, n, 3); where there are fewer the last one is there again."""
    most = max(map(len, colours))
    return torch.stack(
        [torch.cat([c, c[-1:].expand(most - len(c), -1)]) if len(c) < most else c for c in colours]
    )


def _away(mask_NHW: Tensor, there_N: Tensor, kinds: Sequence[Kind], size: tuple[int, int]) -> Tensor:
    """(N, H, W): signed distance of each pixel from the shape that fits its silhouette best; 0 where there is none."""
    away = torch.zeros(mask_NHW.shape, device=mask_NHW.device)
    # those of one shape next to each other
    index = sorted(torch.nonzero(there_N)[:, 0].tolist(), key=lambda i: kinds[i].shape)
    if not index:
        return away
    masks, some = mask_NHW.cpu(), [kinds[i] for i in index]
    fits = fit_all(some, [contour(masks[i]) for i in index], size, away.device)
    params_NJ = torch.cat([near.params_NJ for near in fits]).to(away.device)
    solids = Solids.of([kind.shape for kind in some], [kind.tilted for kind in some], away.device)
    y, x = torch.meshgrid(*(torch.arange(n, device=away.device) + 0.5 for n in size), indexing="ij")
    grid = torch.stack([x, y], -1).view(1, -1, 2).expand(len(index), -1, -1)
    distance_NP = outline(solids, params_NJ, size).distance(grid)
    away[torch.tensor(index, device=away.device)] = distance_NP.view(-1, *size)
    return away


def overlap(a_NHW: Tensor, b_NHW: Tensor) -> Tensor:
    """(N,): intersection over union of silhouettes, 0 where both are empty."""
    a, b = a_NHW.flatten(1), b_NHW.flatten(1)
    return (a & b).sum(1) / (a | b).sum(1).clamp_min(1)


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
