"""A clip's frames as tensors, in the model's own size and back: turned upright, scaled, mirrored beyond their borders.
What is round stays round, whatever the clip's shape, the shape of its pixels and the way it is held."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.video.clip import Clip


@dataclass(frozen=True)
class Fit:
    """Frames of (height, width) as they are stored, shown `turns` quarter turns counter-clockwise of that with pixels
    of shape `sar`, in frames of the model's (model_height, model_width)."""

    height: int
    width: int
    turns: int
    sar: Fraction
    model_height: int
    model_width: int

    @classmethod
    def of(cls, clip: Clip, size: tuple[int, int]) -> "Fit":
        """`size`: the model's height and width."""
        turned = clip.report if clip.report is not None and not clip.upright else None
        turns = int(turned.rotation // 90) % 4 if turned is not None else 0
        return cls(clip.height, clip.width, turns, clip.look.sar or Fraction(1), *size)

    @property
    def stored(self) -> tuple[int, int]:
        """Height and width upright, in stored pixels."""
        return (self.width, self.height) if self.turns % 2 else (self.height, self.width)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Where the clip's frame lies in the model's: top, left, height, width, as large as it goes."""
        tall, wide = Fraction(self.height), self.width * self.sar
        if self.turns % 2:
            tall, wide = wide, tall
        scale = min(self.model_height / tall, self.model_width / wide)
        height = min(max(1, round(tall * scale)), self.model_height)
        width = min(max(1, round(wide * scale)), self.model_width)
        return (self.model_height - height) // 2, (self.model_width - width) // 2, height, width

    @property
    def whole(self) -> bool:
        """Whether the clip's frame is the model's as it is, or a whole number of times as large."""
        scale, rest = divmod(self.height, self.model_height)
        same = (self.height, self.width) == (scale * self.model_height, scale * self.model_width)
        return same and not rest and not self.turns and self.sar == 1

    @property
    def enlarges(self) -> bool:
        """Whether the clip has more pixels than the model makes of it, on either side."""
        return self.stored[0] > self.box[2] or self.stored[1] > self.box[3]

    def to_model(self, x_NCHW: Tensor) -> Tensor:
        """Frames (N, 3, height, width) in [−1, 1] as the model sees them."""
        top, left, height, width = self.box
        x_NCHW = _resized(torch.rot90(x_NCHW, self.turns, (-2, -1)), (height, width))
        rows = _mirrored(height, top, self.model_height, x_NCHW.device)
        columns = _mirrored(width, left, self.model_width, x_NCHW.device)
        return x_NCHW.index_select(-2, rows).index_select(-1, columns)

    def from_model(self, x_NCHW: Tensor) -> Tensor:
        """Frames of the model's size, or a whole number of times that, as frames of the clip."""
        scale = x_NCHW.shape[-2] // self.model_height
        top, left, height, width = (scale * side for side in self.box)
        inner_NCHW = x_NCHW[..., top : top + height, left : left + width]
        return torch.rot90(_resized(inner_NCHW, self.stored), -self.turns, (-2, -1))


def rgb_frames(clip: Clip, start: int) -> Iterator[Tensor]:
    """Frames start, start + 1, … of a clip, RGB (3, H, W) in [−1, 1]."""
    raw = clip.raw(rgb=True)
    for frame in clip.read(start, raw):
        (image,) = raw.planes(frame)
        x_HWC = torch.from_numpy(image.astype(np.float32))
        yield x_HWC.permute(2, 0, 1).contiguous() / (raw.peak / 2) - 1


def _resized(x_NCHW: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(x_NCHW.shape[-2:]) == size:
        return x_NCHW
    x_NCHW = F.interpolate(x_NCHW, size, mode="bicubic", antialias=True, align_corners=False)
    return x_NCHW.clamp(-1, 1)


def _mirrored(length: int, before: int, whole: int, device: torch.device) -> Tensor:
    """Indices into `length` items that, put in a row of `whole` with `before` in front, mirror them at both ends."""
    period = max(1, 2 * length - 2)
    at = (torch.arange(whole, device=device) - before) % period
    return torch.where(at < length, at, period - at)
