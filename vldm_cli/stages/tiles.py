"""A frame of any size for a model that sees a small one: even tiles that overlap and fade into each other."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Tiles:
    """Tiles over (height, width), which is padded to `padded` first. All tiles are of one size, because group norms
    average over it: as few as there can be with sides of `tile` at most, and no larger than these then must be. They
    overlap by `overlap` at least, or by all but one cell, where weights go from one to the other."""

    height: int
    width: int
    tile: int
    overlap: int
    multiple: int

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width of whole multiples, a multiple at least."""
        height, width = (-(-side // self.multiple) * self.multiple for side in (self.height, self.width))
        return height, width

    @property
    def places(self) -> list[tuple[slice, slice]]:
        """Rows and columns of every tile of a padded frame."""
        rows, columns = (self._along(side) for side in self.padded)
        return [(y, x) for y in rows for x in columns]

    def _along(self, side: int) -> list[slice]:
        """The tiles of one padded side, counted in cells of `multiple` pixels: so all of them halve the same pixels
        together, and agree where they overlap."""
        side, tile = side // self.multiple, max(1, self.tile // self.multiple)
        # a tile that is all overlap would get nowhere
        overlap = min(-(-self.overlap // self.multiple), tile - 1)
        if side <= tile:
            count, size = 1, side
        else:
            count = -(-(side - overlap) // (tile - overlap))
            size = -(-(side + (count - 1) * overlap) // count)
        starts = [i * (side - size) // max(1, count - 1) for i in range(count)]
        return [slice(start * self.multiple, (start + size) * self.multiple) for start in starts]

    def pad(self, x_NCHW: Tensor) -> Tensor:
        """The frame mirrored beyond its right and lower border, as far as needed."""
        for axis, side, want in ((-2, self.height, self.padded[0]), (-1, self.width, self.padded[1])):
            index = torch.arange(want, device=x_NCHW.device)
            if side > 1:
                period = 2 * side - 2
                index = index % period
                index = torch.where(index < side, index, period - index)
            x_NCHW = x_NCHW.index_select(axis, index.clamp(max=side - 1))
        return x_NCHW

    def crop(self, x_NCHW: Tensor) -> Tensor:
        return x_NCHW[..., : self.height, : self.width]

    def weight(self, place: tuple[slice, slice], like: Tensor) -> Tensor:
        """(h, w) of one tile; those of all tiles do not add up to one: divide by their sum."""
        rows, columns = (
            self._ramp(where, side, like) for where, side in zip(place, self.padded, strict=True)
        )
        return rows[:, None] * columns[None, :]

    def _ramp(self, where: slice, side: int, like: Tensor) -> Tensor:
        length = where.stop - where.start
        at = torch.arange(length, device=like.device, dtype=torch.float32)
        weight = torch.ones(length, device=like.device)
        reach = min(self.overlap, side // 2)
        if where.start > 0 and reach:
            weight = torch.minimum(weight, (at + 1) / (reach + 1))
        if where.stop < side and reach:
            weight = torch.minimum(weight, (length - at) / (reach + 1))
        return weight
