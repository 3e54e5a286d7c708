"""Layer norm, gated GELU and residual sums over rows (M, C), as Triton kernels that read and write everything once."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

# Numbers of a tile.
TILE = 4096


@triton.jit(do_not_specialize=["M", "per_y", "per"])
def _normed(
    x,
    y,
    plus,
    weight,
    bias,
    total,
    out,
    M,
    C,
    per_y,
    per,
    eps,
    SUM: tl.constexpr,
    PLUS: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    m = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    c = tl.arange(0, BLOCK_C)
    own = (c < C)[None, :]
    here = (m < M)[:, None] & own
    at = m.to(tl.int64)[:, None] * C + c[None, :]
    v = tl.load(x + at, mask=here, other=0.0).to(tl.float32)
    if SUM:
        y_at = (m // per_y).to(tl.int64)[:, None] * C + c[None, :]
        v += tl.load(y + y_at, mask=here, other=0.0).to(tl.float32)
        tl.store(total + at, v.to(total.dtype.element_ty), mask=here)
    mu = tl.sum(v, 1) / C
    d = tl.where(own, v - mu[:, None], 0.0)
    spread = 1.0 / tl.sqrt(tl.sum(d * d, 1) / C + eps)
    w = tl.load(weight + c, mask=c < C, other=0.0).to(tl.float32)
    b = tl.load(bias + c, mask=c < C, other=0.0).to(tl.float32)
    h = d * spread[:, None] * w[None, :] + b[None, :]
    if PLUS:
        h += tl.load(plus + (m // per)[:, None] * C + c[None, :], mask=here, other=0.0)
    tl.store(out + at, h.to(out.dtype.element_ty), mask=here)


@triton.jit(do_not_specialize=["M"])
def _gated(x, out, M, D, BLOCK_M: tl.constexpr, BLOCK_D: tl.constexpr):
    m = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    here = (m < M)[:, None] & (d < D)[None, :]
    at = m.to(tl.int64)[:, None] * (2 * D) + d[None, :]
    v = tl.load(x + at, mask=here, other=0.0).to(tl.float32)
    g = tl.load(x + at + D, mask=here, other=0.0).to(tl.float32)
    h = v * 0.5 * g * (1.0 + tl.erf(g * 0.7071067811865476))
    tl.store(out + m.to(tl.int64)[:, None] * D + d[None, :], h.to(out.dtype.element_ty), mask=here)


@triton.jit(do_not_specialize=["M"])
def _added(x, y, bias, out, M, C, BIAS: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_C: tl.constexpr):
    m = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    c = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    here = (m < M)[:, None] & (c < C)[None, :]
    at = m.to(tl.int64)[:, None] * C + c[None, :]
    v = tl.load(x + at, mask=here, other=0.0).to(tl.float32)
    v += tl.load(y + at, mask=here, other=0.0).to(tl.float32)
    if BIAS:
        v += tl.load(bias + c, mask=c < C, other=0.0).to(tl.float32)[None, :]
    tl.store(out + at, v.to(out.dtype.element_ty), mask=here)


def layer_norm(
    x: Tensor,
    weight_C: Tensor,
    bias_C: Tensor,
    eps: float,
    y: Tensor | None = None,
    plus_NC: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """As `plain.layer_norm`."""
    x = x.contiguous()
    C = x.shape[-1]
    M = x.numel() // C
    out = torch.empty_like(x)
    total = x if y is None else torch.empty_like(x)
    per_y = 1 if y is None else M * C // y.numel()
    per = 1
    if plus_NC is not None:
        plus_NC = plus_NC.float().contiguous()
        per = M // len(plus_NC)
    block = triton.next_power_of_2(C)
    rows = max(1, TILE // block)
    _normed[(triton.cdiv(M, rows),)](
        x,
        x if y is None else y.contiguous(),
        x if plus_NC is None else plus_NC,
        weight_C,
        bias_C,
        total,
        out,
        M,
        C,
        per_y,
        per,
        eps,
        y is not None,
        plus_NC is not None,
        rows,
        block,
        num_warps=4 if rows * block <= 4096 else 8,
    )
    return total, out


def geglu(x: Tensor) -> Tensor:
    """As `plain.geglu`."""
    x = x.contiguous()
    D = x.shape[-1] // 2
    M = x.numel() // (2 * D)
    out = torch.empty(*x.shape[:-1], D, dtype=x.dtype, device=x.device)
    grid = triton.cdiv(M, 16), triton.cdiv(D, 128)
    _gated[grid](x, out, M, D, 16, 128, num_warps=4)
    return out


def add(x: Tensor, y: Tensor, bias_C: Tensor | None = None) -> Tensor:
    """As `plain.add`."""
    x, y = x.contiguous(), y.contiguous()
    C = x.shape[-1]
    M = x.numel() // C
    out = torch.empty_like(x)
    grid = triton.cdiv(M, 32), triton.cdiv(C, 64)
    _added[grid](x, y, x if bias_C is None else bias_C, out, M, C, bias_C is not None, 32, 64, num_warps=4)
    return out
