"""How far a network for pictures looks: which pixels of its input one pixel of its output depends on, measured."""

from collections.abc import Callable

import torch
from torch import Tensor

# A pixel counts that changes what comes out by this share of what the nearest ones do: beyond it, it cannot be seen.
VISIBLE = 1e-2
# Sides of the pictures that are tried, the smaller first: a network that looks further than half of one is tried on the
# next.
SIDES = (32, 64, 128)


@torch.no_grad()
def reach(run: Callable[[Tensor], Tensor], channels: int, multiple: int, least: int) -> int | None:
    """How many pixels to each side matter to what a network makes of one, of those that do visibly; None where it looks
    at the whole of a picture of the largest of `SIDES`."""
    for side in SIDES:
        side = max(-(-side // multiple) * multiple, -(-least // multiple) * multiple)
        generator = torch.Generator().manual_seed(0)
        picture = torch.rand(1, channels, side, side, generator=generator)
        other = picture.clone()
        middle = side // 2
        other[..., middle, middle] = 1 - other[..., middle, middle]
        changed = (run(picture) - run(other)).abs().sum(1)[0]
        scale = changed.shape[-1] // side
        seen = changed.unfold(0, scale, scale).unfold(1, scale, scale).amax((-1, -2))
        far = _farthest(seen > VISIBLE * seen.max(), middle)
        if far < middle - 1:
            return far
    return None


def _farthest(seen_HW: Tensor, middle: int) -> int:
    rows, columns = seen_HW.nonzero(as_tuple=True)
    return int(torch.cat([rows - middle, columns - middle]).abs().max()) if len(rows) else 0
