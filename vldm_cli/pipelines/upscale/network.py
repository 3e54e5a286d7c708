"""Upscaling clips by a network for single pictures, made steady: by temporal layers that were trained for it, or by
keeping of the frame before, along the motion, what agrees. Both go from frame to frame, in windows."""

import warnings
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from vldm_cli.align.fast import trial
from vldm_cli.align.fast.graphs import recorded_on
from vldm_cli.align.network import ImageNetwork
from vldm_cli.align.steady.kept import Kept, keep
from vldm_cli.align.steady.network import State, SteadyNetwork, motion_before
from vldm_cli.pipelines.upscale.clip import MULTIPLE, OVERLAP, TILE, shrunk
from vldm_cli.pipelines.upscale.enlarged import Enlarged
from vldm_cli.pipelines.upscale.motion import motion_to
from vldm_cli.pipelines.upscale.windows import first_frame, streamed, windows_of
from vldm_cli.runs.here import here
from vldm_cli.stages.tiles import Tiles
from vldm_cli.video.clip import Clip

# How much of what can be kept of the frame before is kept, without layers. Of six clips at crf 28 and 12, by
# networks of three makes, .5 takes 3 to 9 % off the flicker and leaves likeness as it is; 1 takes 1 to 5 % more,
# for up to 5 points of VMAF-NEG.
STEADY = 0.5


@dataclass
class _Frame:
    """A frame as it is looked at by every window that it is in: x (3, H, W) in [0, 1], and its motion from the frame
    before, whole; alone: what the network makes of it, once that is known."""

    x_CHW: Tensor
    moved: tuple[Tensor, Tensor]
    alone: Tensor | None = None


class _Ready:
    """A network and its layers where they are to run. enlarge: what the network makes of a tile, of x4plus a thousand
    short kernels."""

    def __init__(self, network: ImageNetwork, layers: SteadyNetwork | None, device: torch.device) -> None:
        self.network, self.layers = network, layers
        # networks with attention may make masks for each size on the host, which cannot be recorded
        enlarge = network.enlarged
        self.enlarge = recorded_on(device, enlarge) if network.convolutional else enlarge


# Copies of what is open, by device and number format.
_READY: WeakKeyDictionary[ImageNetwork | SteadyNetwork, dict[tuple[torch.device, torch.dtype], _Ready]] = (
    WeakKeyDictionary()
)


class NetworkClip(Enlarged):
    """Frames of a clip `scale` times as large, 1 to the network's own; the same ones wherever one starts.

    steady: without layers, how much of what agrees with the frame before is kept of it, 0 (the network alone) to 1;
    with layers, 0 is the network alone. layers: temporal layers on that network, or None. tile: in pixels of the clip,
    of those that the network can be asked for (`least_tile`); overlap: of the tiles, None for the usual one. A copy of
    the network goes to the device, and into the number format, when one is first needed."""

    def __init__(
        self,
        clip: Clip,
        network: ImageNetwork,
        *,
        scale: int,
        steady: float = STEADY,
        layers: SteadyNetwork | None = None,
        tile: int = TILE,
        overlap: int | None = None,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(clip, scale)
        self.network, self.steady, self.dtype, self._device = network, steady, dtype, device
        self.layers = layers
        size, times = (clip.height, clip.width), network.scale
        overlap = min(OVERLAP, tile // 4) if overlap is None else overlap
        self.tiles = Tiles(*size, tile, overlap, network.multiple)
        self.large = _times(self.tiles, times)
        # flow is not for frames of a pixel or two
        self.wide = Tiles(*size, tile, overlap, MULTIPLE if min(size) < MULTIPLE else 1)
        self.windows = windows_of(clip.frames)

    def __setstate__(self, state: dict) -> None:
        """In another process it works on that one's device."""
        vars(self).update(state, _device=torch.device(here.device))

    @property
    def device(self) -> torch.device:
        return self._device

    @property
    def slower(self) -> str | None:
        """What is to be said of the kernels that the network cannot be run by on this device, if there are such."""
        kernels = self.network.kernels(self.device, self.dtype)
        return trial.remark(self.device, self.dtype, kernels) if kernels else None

    @cached_property
    def ready(self) -> _Ready:
        """The network, and its layers, where they are needed. Those that were opened stay as they are, on the CPU and
        unrounded; the clips of a list share, in one process and one after the other, what is made ready of them."""
        if (self.device.type, self.dtype) == ("cpu", torch.float32):
            return _Ready(self.network, self.layers, self.device)
        there = _READY.setdefault(self.network if self.layers is None else self.layers, {})
        if (self.device, self.dtype) not in there:
            with torch.inference_mode(False):  # what is made in it could not be used outside of it
                network, layers = deepcopy((self.network, self.layers))
                network.to(self.device, self.dtype)
                if layers is not None:
                    layers.layers.to(self.device, self.dtype)
            # on another machine: where the run was begun, nothing could be tried on its GPU
            if here.machine and (slower := self.slower):
                warnings.warn(slower, stacklevel=1)
            there[self.device, self.dtype] = _Ready(network, layers, self.device)
        return there[self.device, self.dtype]

    def images(self, start: int, device: torch.device) -> Iterator[Tensor]:
        if not self.steady:
            frames = self._enlarged(start, device)
        elif self.layers is None:
            frames = streamed(self.windows, start, self._moving(start, device), Kept, self._kept)
        else:
            frames = streamed(self.windows, start, self._moving(start, device), self._begin, self._aligned)
        for y_CHW in frames:
            if self.scale != self.network.scale:
                y_CHW = (shrunk(2 * y_CHW[None] - 1, self.scale / self.network.scale)[0] + 1) / 2
            yield y_CHW * self.raw.peak

    def _enlarged(self, start: int, device: torch.device) -> Iterator[Tensor]:
        """What the network makes of each frame, (3, s·H, s·W) in [0, 1]."""
        for x_CHW in self.source(start, device):
            yield self._whole(x_CHW / self.read.peak)

    def _moving(self, start: int, device: torch.device) -> Iterator[_Frame]:
        """The frames from the first of the windows on."""
        before: Tensor | None = None
        for x_CHW in self.source(first_frame(self.windows, start), device):
            x_CHW = x_CHW / self.read.peak
            wide = self.wide.pad(x_CHW)[None, None]
            # of a first frame there is nothing to be found, and to be recorded
            flow_BTCHW, agree_BTCHW = motion_before(wide) if before is None else motion_to(wide, before)
            before = wide[:, 0]
            yield _Frame(x_CHW, (self.wide.crop(flow_BTCHW[0]), self.wide.crop(agree_BTCHW[0])))

    def _kept(self, frame: _Frame, before: Kept) -> Tensor:
        """Without layers."""
        if frame.alone is None:
            frame.alone = self._whole(frame.x_CHW)
        return keep(frame.alone[None], *frame.moved, before, self.steady)[0].clamp(0, 1)

    def _begin(self) -> list[State]:
        """Of each tile."""
        assert self.layers is not None  # or it is not asked for
        return [self.layers.begin() for _ in self.tiles.places]

    def _aligned(self, frame: _Frame, states: list[State]) -> Tensor:
        """With them: the network and its layers see each tile, and what came out for it before."""
        x_NCHW, flow_N2HW, agree_N1HW = (self.tiles.pad(one) for one in (frame.x_CHW[None], *frame.moved))
        layers = self.ready.layers
        assert layers is not None  # or it is not asked for

        def tile(y: slice, x: slice, state: State) -> Tensor:
            moved = flow_N2HW[None, ..., y, x], agree_N1HW[None, ..., y, x]
            if state.carried is None:  # a window's first frame has none before it, though others may
                moved = torch.zeros_like(moved[0]), torch.zeros_like(moved[1])
            return layers(x_NCHW[None, ..., y, x], moved, state)[0, 0]

        return self._joined(tile(*at, state) for at, state in zip(self.tiles.places, states, strict=True))

    def _whole(self, x_CHW: Tensor) -> Tensor:
        """A frame (3, H, W) in [0, 1] enlarged, put together from tiles."""
        x_CHW = self.tiles.pad(x_CHW)
        return self._joined(self.ready.enlarge(x_CHW[:, y, x]) for y, x in self.tiles.places)

    def _joined(self, parts: Iterable[Tensor]) -> Tensor:
        """The enlarged tiles of a frame as one, in [0, 1]."""
        if len(self.large.places) == 1:
            (part,) = parts
            return self.large.crop(part).clamp(0, 1)
        sum_CHW = torch.zeros(3, *self.large.padded, device=self.device)
        sum_HW = torch.zeros(self.large.padded, device=self.device)
        for (y, x), part in zip(self.large.places, parts, strict=True):
            w_HW = self.large.weight((y, x), sum_HW)
            sum_CHW[:, y, x] += part * w_HW
            sum_HW[y, x] += w_HW
        return self.large.crop(sum_CHW / sum_HW).clamp(0, 1)


def least_tile(network: ImageNetwork) -> int:
    """The side of the smallest tiles: what the network asks for, and so many of its own cells that tiles overlap."""
    return max(network.least, 2 * network.multiple if network.multiple > 1 else 1)


def _times(tiles: Tiles, scale: int) -> Tiles:
    """The same tiles of the enlarged frame."""
    sides = (tiles.height, tiles.width, tiles.tile, tiles.overlap, tiles.multiple)
    return Tiles(*(scale * side for side in sides))
