"""What temporal layers do across frames, as Triton kernels over (N, H, W, C) as it lies: nothing is transposed."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from vldm_cli.align.fast.norm import FEW

# Rows of a program of the attention: several places together where there are few frames, for a matrix unit wants 64.
ROWS = 64


@triton.jit(do_not_specialize=["HW", "T"])
def _attended(
    qkv,
    out,
    HW,
    T,
    heads,
    scale,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    FRAMES: tl.constexpr,
    ROWS: tl.constexpr,
):
    """One head of a few places of one video: a block of scores in which only what is of one place counts."""
    # heads of one place lie beside each other, so they are computed one after the other
    head, part, b = tl.program_id(0) % heads, tl.program_id(0) // heads, tl.program_id(1)
    r = tl.arange(0, ROWS)
    t = r % FRAMES
    own = r // FRAMES
    place = part * (ROWS // FRAMES) + own
    d = tl.arange(0, BLOCK_D)
    here = ((t < T) & (place < HW))[:, None] & (d < D)[None, :]
    row = (b * T + t).to(tl.int64) * HW + place
    at = row[:, None] * (3 * heads * D) + head * D + d[None, :]
    q = tl.load(qkv + at, mask=here, other=0.0)
    k = tl.load(qkv + at + heads * D, mask=here, other=0.0)
    v = tl.load(qkv + at + 2 * heads * D, mask=here, other=0.0)
    s = tl.dot(q, tl.trans(k), input_precision="ieee") * (scale * 1.4426950408889634)
    s = tl.where((own[:, None] == own[None, :]) & (t < T)[None, :], s, float("-inf"))
    e = tl.exp2(s - tl.max(s, 1)[:, None])
    o = tl.dot(e.to(v.dtype), v, input_precision="ieee") / tl.sum(e, 1)[:, None]
    tl.store(out + row[:, None] * (heads * D) + head * D + d[None, :], o.to(out.dtype.element_ty), mask=here)


@triton.jit(do_not_specialize=["M", "HW", "T", "BIAS", "RESIDUAL"])
def _convolved(
    x,
    weight,
    bias,
    residual,
    out,
    M,
    HW,
    T,
    C,
    channels,
    BIAS,
    RESIDUAL,
    K: tl.constexpr,
    WHOLE: tl.constexpr,
    LAST: tl.constexpr,
    REPEAT: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """One tile of places and output channels: a matrix product over three frames' channels. K: these, or 0,
    where it is compiled for any number of them; WHOLE: whether they are a multiple of BLOCK_K. BIAS, RESIDUAL: whether
    these are there; where they are not, nothing of them is read; LAST: whether one of them may be."""
    if K:
        channels = K
    tiles_n = tl.cdiv(C, BLOCK_N)
    pid = tl.program_id(0)
    m = (pid // tiles_n) * BLOCK_M + tl.arange(0, BLOCK_M)
    co = (pid % tiles_n) * BLOCK_N + tl.arange(0, BLOCK_N)
    t = (m // HW) % T
    k = tl.arange(0, BLOCK_K)
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    steps = tl.cdiv(channels, BLOCK_K)
    for i in range(3 * steps):
        tap = i // steps - 1
        ci = (i % steps) * BLOCK_K + k
        if REPEAT:
            step = tl.minimum(tl.maximum(t + tap, 0), T - 1) - t
            there = m < M
        else:
            step = tap
            there = (m < M) & (t + tap >= 0) & (t + tap < T)
        row = m.to(tl.int64) + step * HW
        seen, given = there[:, None], (co < C)[None, :]
        if not WHOLE:
            seen, given = seen & (ci < channels)[None, :], given & (ci < channels)[:, None]
        a = tl.load(x + row[:, None] * channels + ci[None, :], mask=seen, other=0.0)
        w = tl.load(
            weight + co[None, :] * (3 * channels) + (tap + 1) * channels + ci[:, None], mask=given, other=0.0
        )
        total = tl.dot(a, w, total, input_precision="ieee")
    here = (m < M)[:, None] & (co < C)[None, :]
    at = m.to(tl.int64)[:, None] * C + co[None, :]
    if LAST:
        total += tl.load(bias + co, mask=(co < C) & (BIAS != 0), other=0.0).to(tl.float32)[None, :]
        total += tl.load(residual + at, mask=here & (RESIDUAL != 0), other=0.0).to(tl.float32)
    tl.store(out + at, total.to(out.dtype.element_ty), mask=here)


def attend(qkv_NLC: Tensor, frames: int, heads: int) -> Tensor:
    """As `plain.attend`, for T ≤ `plain.LONGEST`."""
    qkv_NLC = qkv_NLC.contiguous()
    N, HW, C3 = qkv_NLC.shape
    C = C3 // 3
    D = C // heads
    out = torch.empty(N, HW, C, dtype=qkv_NLC.dtype, device=qkv_NLC.device)
    longest = triton.next_power_of_2(frames)
    grid = heads * triton.cdiv(HW, ROWS // longest), N // frames
    block = max(16, triton.next_power_of_2(D))
    _attended[grid](qkv_NLC, out, HW, frames, heads, D**-0.5, D, block, longest, ROWS, num_warps=4)
    return out


def convolve(
    x_NLC: Tensor,
    weight_OI: Tensor,
    frames: int,
    bias_C: Tensor | None = None,
    residual_NLC: Tensor | None = None,
    repeated_ends: bool = False,
    blocks: tuple[int, int, int, int, int] | None = None,
) -> Tensor:
    """As `plain.convolve`. blocks: places, channels out, channels in of a tile; warps; stages."""
    x_NLC, weight_OI = x_NLC.contiguous(), weight_OI.contiguous()
    N, HW, K = x_NLC.shape
    C = len(weight_OI)
    out = torch.empty(N, HW, C, dtype=x_NLC.dtype, device=x_NLC.device)
    if blocks is None:
        # measured on an H200: with few channels fewer warps are faster
        warps = 4 if C <= 640 else 8
        blocks = (64, 64, 32, 4, 3) if x_NLC.dtype == torch.float32 else (128, 128, 64, warps, 3)
    many, wide, deep, warps, stages = blocks
    M = N * HW
    grid = (triton.cdiv(M, many) * triton.cdiv(C, wide),)
    _convolved[grid](
        x_NLC,
        weight_OI,
        x_NLC if bias_C is None else bias_C,
        x_NLC if residual_NLC is None else residual_NLC.contiguous(),
        out,
        M,
        HW,
        frames,
        C,
        K,
        int(bias_C is not None),
        int(residual_NLC is not None),
        K if K >= FEW else 0,
        K % deep == 0,
        K < FEW or bias_C is not None or residual_NLC is not None,
        repeated_ends,
        many,
        wide,
        deep,
        num_warps=warps,
        num_stages=stages,
    )
    return out
