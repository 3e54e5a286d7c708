"""Upscaling clips by a network for single pictures, made steady: each frame's own enlargement, whose detail is averaged
along the motion. Nothing is trained for it."""

from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor

from vldm_cli.align.compensation import steadied
from vldm_cli.align.network import ImageNetwork
from vldm_cli.align.pixels import upsample
from vldm_cli.packs.network import same_network
from vldm_cli.pipelines.upscale.clip import MULTIPLE, OVERLAP, TILE, shrunk
from vldm_cli.pipelines.upscale.enlarged import Enlarged
from vldm_cli.runs.here import here
from vldm_cli.stages.tiles import Tiles
from vldm_cli.video.clip import Clip

# The neighbours' detail counts 1/2 beside the frame's own: weights 1/4, 1/2, 1/4. Of detail that every frame invents
# anew, .354 of the changes from frame to frame are left, and .333 if all three count alike (of weights s, 1, s:
# √(s² + (1 − s)²) / (1 + 2 s)); but a frame keeps half of what is its own instead of a third, and what the motion does
# not fetch exactly blurs it less. On two clips with two real networks, it was as steady as with 1 within 1 %.
STEADY = 0.5


class NetworkClip(Enlarged):
    """Frames of a clip `scale` times as large, 1 to the network's own; the same ones wherever one starts.

    steady: what the detail of the frames before and after counts where the motion leads to it, 0 (the network alone)
    to 1 (as much as the frame's own). tile: in pixels of the clip, of those that the network can be asked for
    (`least_tile`). The network is moved to the device, and into the number format, when it is first needed.
    """

    def __init__(
        self,
        clip: Clip,
        network: ImageNetwork,
        *,
        scale: int,
        steady: float = STEADY,
        tile: int = TILE,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(clip, scale)
        self.network, self.steady, self.dtype, self._device = network, steady, dtype, device
        size, overlap, times = (clip.height, clip.width), min(OVERLAP, tile // 4), network.scale
        self.tiles = Tiles(*size, tile, overlap, network.multiple)
        self.large = _times(self.tiles, times)
        # flow is not for frames of a pixel or two
        self.wide = Tiles(*size, tile, overlap, MULTIPLE if min(size) < MULTIPLE else 1)

    def __getstate__(self) -> dict:
        """What another process is sent: where the network lies, and none of its weights."""
        state = {name: value for name, value in vars(self).items() if name != "ready"}
        return {**state, "network": self.network.file}

    def __setstate__(self, state: dict) -> None:
        """In another process it works on that one's device."""
        vars(self).update(state, network=same_network(*state["network"]), _device=torch.device(here.device))

    @property
    def device(self) -> torch.device:
        return self._device

    @cached_property
    def ready(self) -> ImageNetwork:
        """The network where it is needed."""
        self.network.to(self.device, self.dtype)
        return self.network

    def images(self, start: int, device: torch.device) -> Iterator[Tensor]:
        frames = self._enlarged(start, device) if not self.steady else self._steadied(start, device)
        for y_CHW in frames:
            if self.scale != self.network.scale:
                y_CHW = (shrunk(2 * y_CHW[None] - 1, self.scale / self.network.scale)[0] + 1) / 2
            yield y_CHW * self.raw.peak

    def _enlarged(self, start: int, device: torch.device) -> Iterator[Tensor]:
        """What the network makes of each frame, (3, s·H, s·W) in [0, 1]."""
        for x_CHW in self.source(start, device):
            yield self._whole(x_CHW / self.read.peak)

    def _steadied(self, start: int, device: torch.device) -> Iterator[Tensor]:
        """The same with its residual over the bicubic enlargement averaged along the motion. A frame's neighbours alone
        have a say in it, so one frame before is all that is made to start anywhere."""
        times, before = self.network.scale, min(start, 1)
        wide = _times(self.wide, times)
        bicubic: list[Tensor] = []

        def frames() -> Iterator[tuple[Tensor, Tensor]]:
            for x_CHW in self.source(start - before, device):
                x_NCHW = x_CHW[None] / self.read.peak
                bicubic_NCHW = upsample(x_NCHW, times)
                bicubic.append(bicubic_NCHW)
                r_NCHW = self._whole(x_NCHW[0])[None] - bicubic_NCHW
                yield wide.pad(r_NCHW), 2 * self.wide.pad(x_NCHW) - 1

        for number, r_NCHW in enumerate(steadied(frames(), times, self.steady)):
            bicubic_NCHW = bicubic.pop(0)
            if number >= before:
                yield (bicubic_NCHW + wide.crop(r_NCHW))[0].clamp(0, 1)

    def _whole(self, x_CHW: Tensor) -> Tensor:
        """A frame (3, H, W) in [0, 1] enlarged, put together from tiles."""
        if len(self.tiles.places) == 1:
            return self.large.crop(self.ready.enlarged(self.tiles.pad(x_CHW)))
        x_CHW = self.tiles.pad(x_CHW)
        sum_CHW = torch.zeros(3, *self.large.padded, device=x_CHW.device)
        sum_HW = torch.zeros(self.large.padded, device=x_CHW.device)
        for (y, x), (Y, X) in zip(self.tiles.places, self.large.places, strict=True):
            w_HW = self.large.weight((Y, X), sum_HW)
            sum_CHW[:, Y, X] += self.ready.enlarged(x_CHW[:, y, x]) * w_HW
            sum_HW[Y, X] += w_HW
        return self.large.crop(sum_CHW / sum_HW)


def least_tile(network: ImageNetwork) -> int:
    """The side of the smallest tiles: what the network asks for, and so many of its own cells that tiles overlap."""
    return max(network.least, 2 * network.multiple if network.multiple > 1 else 1)


def _times(tiles: Tiles, scale: int) -> Tiles:
    """The same tiles of the enlarged frame."""
    sides = (tiles.height, tiles.width, tiles.tile, tiles.overlap, tiles.multiple)
    return Tiles(*(scale * side for side in sides))
