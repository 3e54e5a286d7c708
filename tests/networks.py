"""Image super-resolution networks in their public layouts, tiny and with random weights: as spandrel tells them."""

import torch


def esrgan(scale=4, channels=3, width=8, blocks=1, seed=0):
    """RRDBNet as Real-ESRGAN names its layers; ×2 sees the picture folded by two, ×1 by four."""
    fold, growth = {4: 1, 2: 2, 1: 4}[scale], 32
    table = {"conv_first": (channels * fold**2, width)}
    for block in range(blocks):
        for dense in (1, 2, 3):
            for layer in range(1, 6):
                out = growth if layer < 5 else width
                table[f"body.{block}.rdb{dense}.conv{layer}"] = (width + (layer - 1) * growth, out)
    table |= dict.fromkeys(("conv_body", "conv_up1", "conv_up2", "conv_hr"), (width, width))
    state = _convolutions(table | {"conv_last": (width, channels)}, seed)
    state["conv_last.weight"] *= 4
    return state | {"conv_last.bias": torch.full((channels,), 0.5)}


def compact(scale=4, width=8, depth=2, channels=3, seed=0):
    """SRVGGNetCompact: convolutions and PReLUs by turns, a pixel shuffle, and the picture's nearest enlargement."""
    inner = {f"body.{2 * i}": (width, width) for i in range(1, depth + 1)}
    last = f"body.{2 * depth + 2}"
    table = {"body.0": (channels, width), **inner, last: (width, channels * scale**2)}
    state = _convolutions(table, seed)
    return state | {f"body.{2 * i + 1}.weight": torch.full((width,), 0.1) for i in range(depth + 1)}


def _convolutions(table, seed):
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, (before, after) in table.items():
        state[f"{name}.weight"] = torch.randn(after, before, 3, 3, generator=generator) / (3 * before**0.5)
        state[f"{name}.bias"] = 0.02 * torch.randn(after, generator=generator)
    return state
