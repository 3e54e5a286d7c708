"""Weights in ncnn's format (.param names the layers, .bin holds their numbers) → state dicts in the layouts of the
networks that they were made from: RRDBNet (Real-ESRGAN) and SRVGGNetCompact.

The .bin holds, in the order of the .param, for each convolution a flag, its weights (float16 where the flag says so,
float32 where it is nought), padded to four bytes, and its biases; for each PReLU its slopes, in float32
(github.com/Tencent/ncnn/wiki/operators and `modelbin.cpp`, which say so).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vldm_cli.packs.files import Truncated, Unusable

_MAGIC, _HALF = "7767517", 0x01306B47
# Layers that hold no numbers.
_BARE = {"Input", "Split", "Concat", "Eltwise", "BinaryOp", "Interp", "PixelShuffle"}
_CONVOLUTION, _PRELU = "Convolution", "PReLU"
_DENSE, _LAYERS = 3, 5  # dense blocks of an RRDB, and their convolutions
_ENDS = ("conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last")


@dataclass(frozen=True)
class _Layer:
    kind: str
    out: int
    count: int


def read_ncnn(param: Path) -> dict[str, Tensor]:
    """The state dict, float32, of a network whose .bin lies beside its .param. Raises Unusable where it is no network
    of the two kinds, Truncated where the .bin ends early, and OSError."""
    layers = _layers(param.read_text("ascii", errors="replace"))
    data = param.with_suffix(".bin").read_bytes()
    kinds = [layer.kind for layer in layers]
    found, at = [], 0
    for layer in layers:
        values, at = _values(data, at, layer)
        found.append(values)
    if at != len(data):
        raise Unusable("has other layers than its .param says")
    if _PRELU in kinds:
        return _compact(kinds, found)
    return _rrdb(found)


def _layers(text: str) -> list[_Layer]:
    lines = text.split("\n")
    if lines[0].strip() != _MAGIC:
        raise Unusable("is no .param of ncnn")
    layers = []
    for line in lines[2:]:
        words = line.split()
        if not words or words[0] in _BARE:
            continue
        if words[0] not in (_CONVOLUTION, _PRELU):
            raise Unusable(f"has a layer {words[0]:.30}, which neither RRDBNet nor SRVGGNetCompact has")
        given = dict(word.split("=", 1) for word in words if "=" in word)
        try:
            out = int(given["0"])
            convolution = words[0] == _CONVOLUTION
            count = int(given["6"]) if convolution else out
            if out < 1 or count < 1:
                raise ValueError
            if convolution and (int(given["1"]) != 3 or count % (9 * out) or given.get("5") != "1"):
                raise ValueError
        except (KeyError, ValueError) as error:
            raise Unusable(f"has a layer as no such network has it ({line[:60].strip()})") from error
        layers.append(_Layer(words[0], out, count))
    return layers


def _values(data: bytes, at: int, layer: _Layer) -> tuple[dict[str, Tensor], int]:
    """What one layer holds, by name, and where the next one's begins."""

    def take(kind: str, count: int) -> Tensor:
        nonlocal at
        size = np.dtype(kind).itemsize * count
        if at + size > len(data):
            raise Truncated("ends early")
        values = np.frombuffer(data, kind, count, at).astype(np.float32)
        at += -(-size // 4) * 4
        return torch.from_numpy(values)

    if layer.kind == _PRELU:
        return {"weight": take("<f4", layer.out)}, at
    if at + 4 > len(data):
        raise Truncated("ends early")
    flag = int.from_bytes(data[at : at + 4], "little")
    at += 4
    if flag not in (0, _HALF):
        raise Unusable("holds weights in another format than float16 and float32")
    weight = take("<f2" if flag else "<f4", layer.count).view(layer.out, -1, 3, 3)
    return {"weight": weight, "bias": take("<f4", layer.out)}, at


def _rrdb(found: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    per, ends = _DENSE * _LAYERS, 1 + len(_ENDS)
    blocks, rest = divmod(len(found) - ends, per)
    if rest or blocks < 1:
        raise Unusable(f"has {len(found)} convolutions, which no RRDBNet has")
    names = ["conv_first"]
    names += [
        f"body.{block}.rdb{dense}.conv{layer}"
        for block in range(blocks)
        for dense in range(1, _DENSE + 1)
        for layer in range(1, _LAYERS + 1)
    ]
    return _named([*names, *_ENDS], found)


def _compact(kinds: list[str], found: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    if kinds != [*(_CONVOLUTION, _PRELU) * (len(kinds) // 2), _CONVOLUTION]:
        raise Unusable("has its layers in another order than SRVGGNetCompact")
    return _named([f"body.{i}" for i in range(len(found))], found)


def _named(names: list[str], found: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {
        f"{name}.{kind}": value
        for name, values in zip(names, found, strict=True)
        for kind, value in values.items()
    }
