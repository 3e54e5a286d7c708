"""Kernels on trial: at the first use on a device each one computes a small random input, and its twin does; what does
not compile there, or does not agree, is left out, and PyTorch's own operations take its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from functools import cache

import torch
from torch import Tensor

from vldm_cli.align.fast import plain
from vldm_cli.align.fast.plain import exact

# Relative errors of a few roundings.
CLOSE = {torch.float32: 1e-5, torch.float16: 3e-3, torch.bfloat16: 2e-2}
# In which file each kernel is: what needs Triton is imported when it is first used.
HOMES = {
    "group_norm": "norm",
    "layer_norm": "rows",
    "geglu": "rows",
    "add": "rows",
    "attend": "time",
    "convolve": "time",
    "dense_block": "dense",
    "linear_geglu": "gated",
}
VIDEO = tuple(name for name in HOMES if name != "dense_block")
"""Those of video models."""
Trial = tuple[str, Callable[[], Tensor], Callable[[], Tensor]]
"""A kernel's name, its result, its twin's."""


def trials(device: torch.device, dtype: torch.dtype) -> Iterator[Trial]:
    """Of every kernel, with sizes that are no multiples of a tile and all that it can do besides. Channels are
    multiples of 16, as all that models have: so what is compiled for a trial is of use afterwards."""
    from vldm_cli.align.fast import dense, gated, norm, rows, time

    draw = torch.Generator(device).manual_seed(0)

    def rand(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw, device=device).to(dtype)

    x, w, b = rand(6, 96, 9, 7), rand(96), rand(96)
    normed = (x, w, b, 32, 1e-5, True, 3, rand(6, 96), rand(1, 96), rand(6, 96, 9, 7))
    yield "group_norm", lambda: norm.group_norm(*normed), lambda: exact(plain.group_norm, *normed)
    whole = (rand(12, 80), rand(80), rand(80), 1e-5, rand(12, 80), rand(2, 80))
    yield (
        "layer_norm",
        lambda: torch.cat(rows.layer_norm(*whole)),
        lambda: torch.cat(exact(plain.layer_norm, *whole)),
    )
    wide = rand(12, 160)
    yield "geglu", lambda: rows.geglu(wide), lambda: exact(plain.geglu, wide)
    one, two, bias = rand(12, 80), rand(12, 80), rand(80)
    yield "add", lambda: rows.add(one, two, bias), lambda: exact(plain.add, one, two, bias)
    if dtype == torch.float32:
        return  # PyTorch's own matrix products are used there (`ops`)
    qkv = rand(2 * 9, 10, 3 * 64)
    yield "attend", lambda: time.attend(qkv, 9, 2), lambda: exact(plain.attend, qkv, 9, 2)
    z, kernel, last, residual = rand(2 * 7, 30, 96), rand(80, 3 * 96) / 17, rand(80), rand(2 * 7, 30, 80)
    convolved = (z, kernel, 7, last, residual)
    yield "convolve", lambda: time.convolve(*convolved), lambda: exact(plain.convolve, *convolved)
    image = rand(2, 64, 9, 13)
    block = [
        x
        for i in range(5)
        for x in (rand(32 if i < 4 else 64, 64 + 32 * i, 3, 3) / 24, rand(32 if i < 4 else 64))
    ]
    yield (
        "dense_block",
        lambda: dense.dense_block(image, *block),
        lambda: exact(plain.dense_block, image, *block),
    )
    if device.type == "cuda" and not gated.suits(device):
        return
    layer = (rand(160, 80), rand(2 * 144, 80) / 8, rand(2 * 144))
    yield "linear_geglu", lambda: gated.linear_geglu(*layer), lambda: exact(plain.linear_geglu, *layer)


@cache
def fault(kernel: str, device: torch.device, dtype: torch.dtype) -> str | None:
    """Why that kernel is of no use on that device, if it is not; found out once."""
    try:
        with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
            for name, made, twin in trials(device, dtype):
                if name == kernel:
                    return _compared(made, twin, CLOSE[dtype])
    except ImportError as error:  # Triton is there and does not load
        return line(error)
    return None


def left_out(
    device: torch.device, dtype: torch.dtype, kernels: Iterable[str] = tuple(HOMES)
) -> dict[str, str]:
    """Those of the kernels that are of no use on that device, and why."""
    found = {name: fault(name, device, dtype) for name in kernels}
    return {name: why for name, why in found.items() if why}


def remark(device: torch.device, dtype: torch.dtype, kernels: Iterable[str] = tuple(HOMES)) -> str | None:
    """What is to be said of those kernels that are left out; None where all are of use."""
    device = torch.empty(0, device=device).device  # which names the GPU's number
    found = left_out(device, dtype, kernels)
    if not found:
        return None
    why = next(iter(found.values()))
    return (
        f"of the fast kernels {', '.join(found)} cannot be used on {device} ({why}); PyTorch's own take their place, "
        "which are slower"
    )


def _compared(kernel: Callable[[], Tensor], twin: Callable[[], Tensor], close: float) -> str | None:
    try:
        made = kernel()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever a compiler, a driver or a missing C compiler says
        return line(error)
    reference = twin()
    if made.shape != reference.shape or made.dtype != reference.dtype:
        return "it gives another shape"
    apart = float((made.double() - reference.double()).norm() / reference.double().norm())
    return None if apart <= close else f"it is wrong by {apart:.0e}"


def line(error: BaseException) -> str:
    """What an exception says, in a line."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words[:120]
