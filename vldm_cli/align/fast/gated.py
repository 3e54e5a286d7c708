"""A linear layer and its gated GELU in one Triton kernel: both halves of a tile are computed beside each other, so the
wide rows (M, 2 D) between them are never written. All is read and written through tensor descriptors, which Hopper's
copy engine takes."""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.tools.tensor_descriptor import TensorDescriptor

# Tiles of so many rows of tiles are computed one after the other: what they read is then still in the L2 cache.
GROUP = 8


class Tile(NamedTuple):
    """What a program computes. rows, columns: of the result; deep: input channels at a time."""

    rows: int
    columns: int
    deep: int
    warps: int
    stages: int


def tile(C: int, D: int) -> Tile:
    """The tile for C channels in and D out."""
    # of eleven tiles on an H200, at the sizes of Stable Diffusion's and Stable Video Diffusion's levels
    return Tile(128, 64, 64, 4, 3) if C <= 320 else Tile(128, 128, 64, 8, 3)


def suits(device: torch.device) -> bool:
    """Whether the kernel is made for such a CUDA device: elsewhere than on Hopper descriptors become plain pointers, or
    tiles of this size leave too little shared memory."""
    return torch.cuda.get_device_capability(device)[0] == 9


def pays(x: Tensor, weight_OI: Tensor) -> bool:
    """Whether the kernel takes these tensors, and is taken to be faster than a product and a pass after it."""
    # descriptors want rows and addresses in multiples of 16 bytes
    C, D = x.shape[-1], len(weight_OI) // 2
    whole = 16 // x.element_size()
    if C % whole or D % whole or x.data_ptr() % 16 or weight_OI.data_ptr() % 16:
        return False
    # with more channels the pass is a smaller part of the whole: of 320, 640, 1280 channels, with 131, 33, 8 thousand
    # rows, the kernel took .46, .47, .42 ms in place of .65, .46, .38
    rows = x.numel() // C
    return (C <= 320 or (C <= 640 and rows >= 65_536)) and suits(x.device)


@triton.jit
def _gelu(g):
    """GELU, the exact one, as max(g, 0) − |g| Φ(−|g|), Φ the normal distribution: log₂ Φ(−a) is nearly a parabola. The
    polynomial is its minimax for a ≤ 5.6, which gives Φ(−a) to 10⁻⁵ of its value, and goes on falling where Φ is
    below 10⁻⁸. `tl.erf` takes twice as many instructions, and while they run the matrix unit waits."""
    a = tl.abs(g)
    p = -1.8098695e-06 * a + 6.1177350e-05
    p = p * a - 9.2778457e-04
    p = p * a + 8.4992366e-03
    p = p * a - 5.3946405e-02
    p = p * a - 4.5847434e-01
    p = p * a - 1.1512484
    p = p * a - 0.99999540
    return tl.maximum(g, 0.0) - a * tl.exp2(p)


@triton.jit
def _linear_gated(
    x,
    weight,
    bias,
    out,
    M,
    D,
    C,
    BIAS: tl.constexpr,
    GROUP: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """x (M, C), weight (2 D, C), out (M, D): descriptors."""
    tiles_m, tiles_d = tl.cdiv(M, BLOCK_M), tl.cdiv(D, BLOCK_D)
    i = tl.program_id(0)
    first = i // (GROUP * tiles_d) * GROUP
    some = tl.minimum(tiles_m - first, GROUP)
    m = (first + i % (GROUP * tiles_d) % some) * BLOCK_M
    d = i % (GROUP * tiles_d) // some * BLOCK_D
    value = tl.zeros((BLOCK_M, BLOCK_D), tl.float32)
    gate = tl.zeros((BLOCK_M, BLOCK_D), tl.float32)
    for step in range(tl.cdiv(C, BLOCK_C)):
        # beyond the end there are zeros; beyond D, in value, the gate's rows, of which nothing is written
        a = x.load([m, step * BLOCK_C])
        value = tl.dot(a, weight.load([d, step * BLOCK_C]).T, value, input_precision="ieee")
        gate = tl.dot(a, weight.load([D + d, step * BLOCK_C]).T, gate, input_precision="ieee")
    if BIAS:
        own = d + tl.arange(0, BLOCK_D)
        value += tl.load(bias + own, mask=own < D, other=0.0).to(tl.float32)[None, :]
        gate += tl.load(bias + D + own, mask=own < D, other=0.0).to(tl.float32)[None, :]
    out.store([m, d], (value * _gelu(gate)).to(out.dtype))


def linear_geglu(
    x: Tensor, weight_OI: Tensor, bias_O: Tensor | None = None, by: Tile | None = None
) -> Tensor:
    """As `plain.linear_geglu`, where `pays` says so."""
    x, weight_OI = x.contiguous(), weight_OI.contiguous()
    C, D = x.shape[-1], len(weight_OI) // 2
    M = x.numel() // C
    by = by or tile(C, D)
    out = torch.empty(*x.shape[:-1], D, dtype=x.dtype, device=x.device)
    tiles = triton.cdiv(M, by.rows) * triton.cdiv(D, by.columns)
    _linear_gated[(tiles,)](
        TensorDescriptor.from_tensor(x.view(M, C), [by.rows, by.deep]),
        TensorDescriptor.from_tensor(weight_OI, [by.columns, by.deep]),
        x if bias_O is None else bias_O,
        TensorDescriptor.from_tensor(out.view(M, D), [by.rows, by.columns]),
        M,
        D,
        C,
        bias_O is not None,
        GROUP,
        by.rows,
        by.columns,
        by.deep,
        num_warps=by.warps,
        num_stages=by.stages,
    )
    return out
