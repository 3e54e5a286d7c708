"""The dense block of ESRGAN (Wang et al. 2018, arXiv:1809.00219, §3.1) in five launches of one Triton kernel: each
source is convolved once with the weights of all layers after it, into sums that wait for the other sources. So features
are never put beside each other in memory, which takes as long as the products do, and a matrix unit gets up to 192
columns at a time in place of 32.

What has all its sources in the sums is a feature itself, activated where it lies."""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from vldm_cli.align.fast.plain import SHARE, SLOPE


class Tile(NamedTuple):
    """What a program computes. rows: places; columns: of the sums."""

    rows: int
    columns: int
    warps: int
    stages: int


# of sixteen tiles on an H200, at 64 channels, 32 of each layer, and 640×360 places
TILE = Tile(128, 64, 4, 4)


class Packed(NamedTuple):
    """A block's weights, by source: (columns, 9 · channels), places of the kernel row by row, channels of each beside
    each other; bias: of all columns; growth: channels of a layer."""

    sources: tuple[Tensor, ...]
    bias: Tensor
    growth: int


def pack(*layers: Tensor) -> Packed:
    """Of weights and biases in turn, as `plain.dense_block` has them."""
    weights, biases = layers[::2], layers[1::2]
    growth, begin, sources = len(weights[0]), 0, []
    for source in range(len(weights)):
        end = begin + (weights[0].shape[1] if source == 0 else growth)
        own = torch.cat([w_OIHW[:, begin:end] for w_OIHW in weights[source:]])
        sources.append(own.permute(0, 2, 3, 1).flatten(1).contiguous())
        begin = end
    return Packed(tuple(sources), torch.cat(biases), growth)


@triton.jit(do_not_specialize=["M", "H", "W"])
def _grown(
    x,
    weight,
    bias,
    first,
    sums,
    out,
    M,
    H,
    W,
    x_row,
    begin,
    columns,
    slope,
    share,
    C: tl.constexpr,
    GROWTH: tl.constexpr,
    FIRST: tl.constexpr,
    LAST: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """One tile of places and columns from `begin` on, of so many in all: a product over nine places around each."""
    tiles_n = tl.cdiv(columns - begin, BLOCK_N)
    # tiles of one place are computed one after the other: what they read is then still in the cache
    m = (tl.program_id(0) // tiles_n) * BLOCK_M + tl.arange(0, BLOCK_M)
    n = (tl.program_id(0) % tiles_n) * BLOCK_N + tl.arange(0, BLOCK_N)
    own = begin + n < columns
    i, j, c = (m // W) % H, m % W, tl.arange(0, C)
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for tap in range(9):
        di, dj = tap // 3 - 1, tap % 3 - 1
        there = (m < M) & (i + di >= 0) & (i + di < H) & (j + dj >= 0) & (j + dj < W)
        at = (m + di * W + dj).to(tl.int64) * x_row
        a = tl.load(x + at[:, None] + c[None, :], mask=there[:, None], other=0.0)
        w = tl.load(weight + n[None, :] * (9 * C) + tap * C + c[:, None], mask=own[None, :], other=0.0)
        total = tl.dot(a, w, total, input_precision="ieee")
    here = (m < M)[:, None] & own[None, :]
    at = m.to(tl.int64)[:, None] * columns + begin + n[None, :]
    if FIRST:
        total += tl.load(bias + begin + n, mask=own, other=0.0).to(tl.float32)[None, :]
    else:
        total += tl.load(sums + at, mask=here, other=0.0).to(tl.float32)
    if LAST:
        # as many channels as the block is given
        at = m.to(tl.int64)[:, None] * (columns - begin) + n[None, :]
        total = share * total + tl.load(first + at, mask=here, other=0.0).to(tl.float32)
        tl.store(out + at, total.to(out.dtype.element_ty), mask=here)
    else:
        total = tl.where((n < GROWTH)[None, :] & (total < 0), slope * total, total)
        tl.store(sums + at, total.to(sums.dtype.element_ty), mask=here)


def dense_block(x_NCHW: Tensor, *layers: Tensor, packed: Packed | None = None, by: Tile = TILE) -> Tensor:
    """As `plain.dense_block`, of channels of which a source's are one step of a product (`networks.WIDTHS`); packed: of
    these layers."""
    packed = packed or pack(*layers)
    x_NCHW = x_NCHW.contiguous(memory_format=torch.channels_last)
    N, C, H, W = x_NCHW.shape
    M, columns = N * H * W, len(packed.bias)
    out = torch.empty_like(x_NCHW)
    sums = x_NCHW.new_empty(M, columns)
    for source, weight in enumerate(packed.sources):
        begin = source * packed.growth
        x = x_NCHW if source == 0 else sums[:, begin - packed.growth :]
        tiles = triton.cdiv(M, by.rows) * triton.cdiv(columns - begin, by.columns)
        _grown[(tiles,)](
            x,
            weight,
            packed.bias,
            x_NCHW,
            sums,
            out,
            M,
            H,
            W,
            C if source == 0 else columns,
            begin,
            columns,
            SLOPE,
            SHARE,
            C if source == 0 else packed.growth,
            packed.growth,
            source == 0,
            source == len(packed.sources) - 1,
            by.rows,
            by.columns,
            num_warps=by.warps,
            num_stages=by.stages,
        )
    return out
