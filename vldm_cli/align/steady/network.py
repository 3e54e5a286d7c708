"""A network for pictures with temporal layers: `align` for super-resolution of any make."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vldm_cli.align.network import ImageNetwork
from vldm_cli.align.steady.body import Body, find_body, first, from_maps, to_maps, with_first
from vldm_cli.align.steady.layers import (
    LARGEST_SHARE,
    TABLE,
    Carried,
    Scene,
    Sizes,
    TemporalLayers,
    agreement,
)
from vldm_cli.motion.constants import LUMA, constant
from vldm_cli.motion.flow import refined
from vldm_cli.motion.matching import doubled, motion, pyramid

# Pixels of frame pairs whose motion is found at a time.
PIXELS = 2**22


@dataclass
class State:
    """What goes over from the frames of one call to those of the next, of one part of the picture."""

    last: list[Tensor | None]
    carried: Carried | None = None
    before: Tensor | None = None


@dataclass
class _Now:
    """What the hooks see of the call that is running."""

    scene: Scene | None = None
    size: tuple[int, int] = (0, 0)
    features: Tensor | None = field(default=None, repr=False)


class SteadyNetwork(nn.Module):
    """image: frozen, and itself untouched: the layers hang on it by hooks while a call of this runs, so that several
    can share it, and that it goes to another process as it is. layers: the temporal layers. As long as they are new, it
    makes of each frame what the network makes of it."""

    def __init__(self, image: ImageNetwork, layers: TemporalLayers, body: Body):
        super().__init__()
        self.image, self.layers, self.body = image, layers, body
        self._now = _Now()
        self.blocks = taken(body, len(layers.taps))

    def __reduce__(self) -> tuple:
        """A copy, in this process or another one, hangs on the blocks of its own network."""
        return _again, (self.image, self.layers)

    def alone(self, x_NCHW: Tensor) -> Tensor:
        """What the network makes of frames by itself, as `forward` has it."""
        return self.image.several(x_NCHW).float()

    def begin(self) -> State:
        """The state before a first frame."""
        return State([None] * len(self.layers.taps))

    def forward(self, x_BTCHW: Tensor, moved: tuple[Tensor, Tensor], state: State) -> Tensor:
        """Frames (B, T, 3, h, w) in [0, 1], float32 → (B, T, 3, s·h, s·w), float32, about [0, 1]; with the same network
        more frames than one at a time, as training does. moved: `motion_before` them. state: is brought up to date."""
        B, T = x_BTCHW.shape[:2]
        flow_BTCHW, agree_BTCHW = moved
        scene = Scene(B, flow_BTCHW.flatten(0, 1), agree_BTCHW.flatten(0, 1), state.last)
        with self._running(scene, (x_BTCHW.shape[-2], x_BTCHW.shape[-1])):
            y_BTCHW = self.image.several(x_BTCHW.flatten(0, 1)).float().unflatten(0, (B, T))
            features = self._now.features
        assert features is not None  # the body's blocks have been run
        if features.shape[-2:] != x_BTCHW.shape[-2:]:
            features = _fitted(features, x_BTCHW.shape[-2], x_BTCHW.shape[-1])
        features = (features / self.layers.loudness).unflatten(0, (B, T))
        made = []
        for t in range(T):
            frame, state.carried = self.layers.fusion(
                y_BTCHW[:, t],
                x_BTCHW[:, t],
                features[:, t],
                flow_BTCHW[:, t],
                agree_BTCHW[:, t],
                state.carried,
            )
            made.append(frame)
        return torch.stack(made, 1)

    @contextmanager
    def _running(self, scene: Scene, size: tuple[int, int]) -> Iterator[None]:
        self._now = _Now(scene, size)
        with ExitStack() as hooks:
            hooks.callback(setattr, self, "_now", _Now())
            for index, block in enumerate(self.blocks):
                hooks.enter_context(block.register_forward_hook(self._hook(index)))
            yield

    def _hook(self, index: int):
        def run(block: nn.Module, inputs: tuple, output: object) -> object:
            now, features = self._now, first(output)
            # or it were no call, or none of the body's blocks
            assert now.scene is not None and features is not None
            maps = to_maps(features, self.body.layout, *now.size)
            maps = self.layers.taps[index](maps, now.scene, index)
            if index == len(self.blocks) - 1:
                now.features = maps
            return with_first(output, from_maps(maps, self.body.layout))

        return run


def _again(image: ImageNetwork, layers: TemporalLayers) -> SteadyNetwork:
    return SteadyNetwork(image, layers, find_body(image.module, image.run, image.channels, image.least))


def taken(body: Body, count: int) -> tuple[nn.Module, ...]:
    """So many blocks of the body, as far from each other as can be; the last one is one of them."""
    return tuple(body.modules[i] for i in _places(body, count))


def loudness_of(body: Body, count: int) -> tuple[float, ...]:
    """How loud the features after the blocks are that are `taken`."""
    return tuple(body.loudness[i] for i in _places(body, count))


def align_network(image: ImageNetwork, sizes: Sizes | None = None) -> SteadyNetwork:
    """New temporal layers on a network; sizes: None for the largest ones that stay small beside it. Raises ValueError
    where it has no body that layers could be put into."""
    body = find_body(image.module, image.run, image.channels, image.least)
    for known in TABLE if sizes is None else (sizes,):
        layers = TemporalLayers(body.width, loudness_of(body, known.taps), image.scale, known)
        if sum(p.numel() for p in layers.parameters()) <= LARGEST_SHARE * image.weights:
            break
    return SteadyNetwork(image, layers, body)


@torch.no_grad()
def motion_before(x_BTCHW: Tensor, before_BCHW: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Of frames (B, T, 3, h, w) in [0, 1] the flow (B, T, 2, h, w) to the frame before and the `agreement` with it
    (B, T, 1, h, w). before: the frame before the first; where there is none, the first frame agrees with nothing."""
    B, T, _, h, w = x_BTCHW.shape
    x_BTCHW = x_BTCHW.float()
    with torch.autocast(x_BTCHW.device.type, enabled=False):
        frames = x_BTCHW if before_BCHW is None else torch.cat([before_BCHW[:, None].float(), x_BTCHW], 1)
        now, before = frames[:, 1:].flatten(0, 1), frames[:, :-1].flatten(0, 1)
        flow_BTCHW, agree_BTCHW = x_BTCHW.new_zeros(B, T, 2, h, w), x_BTCHW.new_zeros(B, T, 1, h, w)
        if len(now):
            there = frames.shape[1] - 1
            flow_N2HW = _motion(now, before)
            flow_BTCHW[:, T - there :] = flow_N2HW.unflatten(0, (B, there))
            agree_BTCHW[:, T - there :] = agreement(now, before, flow_N2HW).unflatten(0, (B, there))
    return flow_BTCHW, agree_BTCHW


def _motion(now_NCHW: Tensor, before_NCHW: Tensor) -> Tensor:
    """(N, 2, h, w): where each pixel was in the frame before, in pixels. By block matching at half of the size, and a
    step of Lucas–Kanade: what was kept of x4plus's frames along it (seven frames of a dev clip, crf 28) took 17 % off
    their flicker, 18 % along what is matched at the full size for three times the work, and 14 % by Lucas–Kanade
    alone (ten frames)."""
    weights = constant(LUMA, now_NCHW)
    some = max(1, PIXELS // now_NCHW[0, 0].numel())
    found = []
    for now, before in zip(now_NCHW.split(some), before_NCHW.split(some), strict=True):
        one, two = ((x * weights).sum(1, keepdim=True) for x in (now, before))
        levels = pyramid(one), pyramid(two)
        v = motion(*levels, 0.0, 1 if len(levels[0]) > 1 else 0)
        if v.shape[-2:] != one.shape[-2:]:
            v = doubled(v, (one.shape[-2], one.shape[-1]))
        found.append(refined(2 * one - 1, 2 * two - 1, v))
    return torch.cat(found)


def _places(body: Body, count: int) -> list[int]:
    rows = len(body.modules)
    count = min(count, rows)
    return [(i + 1) * rows // count - 1 for i in range(count)]


def _fitted(maps_NCHW: Tensor, height: int, width: int) -> Tensor:
    """Features of a folded or padded picture on the picture's own pixels."""
    fold = max(1, round(height / maps_NCHW.shape[-2]))
    if fold > 1:
        maps_NCHW = maps_NCHW.repeat_interleave(fold, -1).repeat_interleave(fold, -2)
    return maps_NCHW[..., :height, :width]
