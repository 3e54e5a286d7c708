"""Where temporal layers go in a network for pictures that nobody here has seen: after the blocks of its body.

Super-resolution networks differ in all but this: most of their weights lie in a row of like blocks which hand on
features of one shape. So the body is found by running the network once on a small picture and looking at what its parts
give. Features come in three layouts, (N, C, h, w), (N, h, w, C) and tokens (N, h·w, C); an adapter for each makes maps
(N, C, h, w) of them and back.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# The body's share of the network's weights, at least: a row of blocks that holds less is a part of a block.
SHARE = 0.2
# Sides of the picture that the network is tried with, in pixels, if it can be so small.
HEIGHT, WIDTH = 24, 40
# Networks that look at pictures in windows pad them to a multiple of one of these.
PADDED = (1, 2, 4, 7, 8, 12, 14, 16, 24, 32, 48, 64)


@dataclass(frozen=True)
class Body:
    """modules: the blocks in the order of their work; width: channels of their features; layout: "maps", "last" or
    "tokens"; loudness: the features' root mean square after each, on a picture of noise."""

    modules: tuple[nn.Module, ...]
    width: int
    layout: str
    loudness: tuple[float, ...]


@torch.no_grad()
def find_body(module: nn.Module, run: Callable[[Tensor], Tensor], channels: int, least: int = 1) -> Body:
    """The body of a network that maps pictures (1, channels, h, w) in [0, 1]; least: how long sides must be. Raises
    ValueError where the network has no row of like blocks."""
    height, width = max(HEIGHT, least), max(WIDTH, least + WIDTH - HEIGHT)
    weight = next(module.parameters())
    seen: dict[nn.Module, Tensor] = {}
    order: list[nn.Module] = []

    def look(one: nn.Module, inputs: tuple, output: object) -> None:
        features = first(output)
        if features is not None and features.dim() in (3, 4):
            seen[one] = features
            order.append(one)

    hooks = [one.register_forward_hook(look) for one in module.modules() if one is not module]
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(1, channels, height, width, generator=generator)
    try:
        run(picture.to(weight.device, weight.dtype))
    finally:
        for hook in hooks:
            hook.remove()
    total = sum(p.numel() for p in module.parameters())
    best: tuple[int, list[nn.Module]] = 0, []
    for parent in module.modules():
        for row in _rows([one for one in parent.children() if order.count(one) == 1], seen, order):
            row = _like(row)
            held = sum(p.numel() for one in row for p in one.parameters())
            if len(row) > 1 and held > max(best[0], SHARE * total):
                best = held, row
    if not best[1]:
        raise ValueError("it has no row of like blocks")
    modules = tuple(best[1])
    features = seen[modules[-1]]
    layout = _layout(features, height, width)
    loud = tuple(float(seen[one].float().square().mean().sqrt().clamp_min(1e-6)) for one in modules)
    return Body(modules, features.shape[1 if layout == "maps" else -1], layout, loud)


def first(output: object) -> Tensor | None:
    """A block's features: what it gives, or the first of what it gives."""
    if isinstance(output, tuple | list) and output:
        output = output[0]
    return output if isinstance(output, Tensor) else None


def with_first(output: object, features: Tensor) -> object:
    """What the block gave, with other features."""
    if isinstance(output, tuple):
        return (features, *output[1:])
    if isinstance(output, list):
        return [features, *output[1:]]
    return features


def to_maps(features: Tensor, layout: str, height: int, width: int) -> Tensor:
    """Features of pictures of that size → (N, C, h, w)."""
    if layout == "maps":
        return features
    if layout == "last":
        return features.permute(0, 3, 1, 2)
    h, w = token_size(features.shape[1], height, width)
    return features.transpose(1, 2).unflatten(2, (h, w))


def from_maps(maps: Tensor, layout: str) -> Tensor:
    """And back."""
    if layout == "maps":
        return maps
    if layout == "last":
        return maps.permute(0, 2, 3, 1)
    return maps.flatten(2).transpose(1, 2)


def token_size(count: int, height: int, width: int) -> tuple[int, int]:
    """(h, w) of so many tokens of a picture of that size, padded as the network pads it. Raises ValueError."""
    for fold in (1, 2, 4):
        for multiple in PADDED:
            h, w = (-(-side // (multiple * fold)) * multiple for side in (height, width))
            if h * w == count:
                return h, w
    raise ValueError(f"{count} tokens of a picture of {width}x{height} pixels lie in no rows")


def _rows(
    children: list[nn.Module], seen: dict[nn.Module, Tensor], order: list[nn.Module]
) -> list[list[nn.Module]]:
    """Children that follow each other and give features of one shape."""
    rows: list[list[nn.Module]] = []
    for one in sorted(children, key=order.index):
        if rows and seen[rows[-1][-1]].shape == seen[one].shape:
            rows[-1].append(one)
        else:
            rows.append([one])
    return rows


def _like(row: list[nn.Module]) -> list[nn.Module]:
    """Those of the class that holds most of the row's weights."""
    weights: dict[type, int] = {}
    for one in row:
        weights[type(one)] = weights.get(type(one), 0) + sum(p.numel() for p in one.parameters())
    kind = max(weights, key=lambda name: weights[name])
    return [one for one in row if type(one) is kind]


def _layout(features: Tensor, height: int, width: int) -> str:
    if features.dim() == 3:
        token_size(features.shape[1], height, width)
        return "tokens"
    ratio = height / width
    apart = {
        "maps": abs(features.shape[2] / features.shape[3] - ratio),
        "last": abs(features.shape[1] / features.shape[2] - ratio),
    }
    return min(apart, key=lambda name: apart[name])
