"""Group norm over frames as they lie in channels_last, as Triton kernels, with what stands around it folded in.

Three launches: mean and sum of squared deviations of each channel over a part of a frame, by many programs; those of a
group put together (Chan et al. 1979) into one factor and one summand a channel; and one pass that applies them.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

# Channels and places of a tile: 128 bytes of each place, so that reads are whole cache lines.
CHANNELS, PLACES = 64, 32
# Programs that keep a large GPU busy while sums are made.
PROGRAMS = 2048
# Layers of fewer channels take microseconds, and each kind of kernel a fifth of a second at its first use: of what is
# compiled for wide ones, so that nothing is read or asked in vain, they do without.
FEW = 256
# A kernel is not compiled for sizes, which would take half a second for each kind at its first use; only for channels
# that are a multiple of 16.


@triton.jit(do_not_specialize=["HW", "S", "ROWS"])
def _sums(x, mean, m2, HW, C, S, ROWS, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr):
    """One part of one frame: mean and squared deviations of some channels, both from the first tile's mean (shifted
    data, Chan et al. 1983), so that each thread keeps its own sums and they are put together once."""
    split, n, chunk = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    c = chunk * BLOCK_C + tl.arange(0, BLOCK_C)
    first = split * ROWS
    last = tl.minimum(first + ROWS, HW)
    place = x + n.to(tl.int64) * HW * C
    p = first + tl.arange(0, BLOCK_P)
    here = (p < last)[:, None] & (c < C)[None, :]
    v = tl.load(place + p.to(tl.int64)[:, None] * C + c[None, :], mask=here, other=0.0).to(tl.float32)
    mu = tl.sum(v, 0) / tl.minimum(last - first, BLOCK_P).to(tl.float32)
    one = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
    two = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
    for p0 in range(first, last, BLOCK_P):
        p = p0 + tl.arange(0, BLOCK_P)
        here = (p < last)[:, None] & (c < C)[None, :]
        v = tl.load(place + p.to(tl.int64)[:, None] * C + c[None, :], mask=here, other=0.0).to(tl.float32)
        d = tl.where(here, v - mu[None, :], 0.0)
        one += d
        two += d * d
    shift = tl.sum(one, 0) / (last - first).to(tl.float32)
    dev = tl.sum(two, 0) - shift * shift * (last - first).to(tl.float32)
    mu += shift
    at = (n * S + split).to(tl.int64) * C + c
    tl.store(mean + at, mu, mask=c < C)
    tl.store(m2 + at, dev, mask=c < C)


@triton.jit(do_not_specialize=["HW", "C", "S", "ROWS", "width", "span", "BEFORE", "AFTER"])
def _factors(
    mean,
    m2,
    weight,
    bias,
    before,
    after,
    factor,
    summand,
    HW,
    C,
    S,
    ROWS,
    width,
    span,
    eps,
    BEFORE,
    AFTER,
    MORE: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """One group of the `span` frames that share its statistics: what each of its channels is multiplied by, and what
    is added. BEFORE, AFTER: whether these are there; where they are not, nothing of them is read; MORE: whether one of
    them may be."""
    b, g = tl.program_id(0), tl.program_id(1)
    k = tl.arange(0, BLOCK_K)
    c = g * width + k
    own = k < width
    rows = span * S
    total = tl.zeros((BLOCK_R, BLOCK_K), tl.float32)
    for r0 in range(0, rows, BLOCK_R):
        r = r0 + tl.arange(0, BLOCK_R)
        here = (r < rows)[:, None] & own[None, :]
        count = tl.minimum(HW - (r % S) * ROWS, ROWS).to(tl.float32)
        m = tl.load(mean + (b * rows + r)[:, None] * C + c[None, :], mask=here, other=0.0)
        if MORE:
            frame_at = (b * span + r // S)[:, None] * C + c[None, :]
            m += tl.load(before + frame_at, mask=here & (BEFORE != 0), other=0.0)
        total += tl.where(here, m * count[:, None], 0.0)
    whole = 1.0 * HW * width * span
    mu = tl.sum(tl.sum(total, 1), 0) / whole
    dev = tl.zeros((BLOCK_R, BLOCK_K), tl.float32)
    for r0 in range(0, rows, BLOCK_R):
        r = r0 + tl.arange(0, BLOCK_R)
        here = (r < rows)[:, None] & own[None, :]
        count = tl.minimum(HW - (r % S) * ROWS, ROWS).to(tl.float32)
        at = (b * rows + r)[:, None] * C + c[None, :]
        m = tl.load(mean + at, mask=here, other=0.0)
        if MORE:
            frame_at = (b * span + r // S)[:, None] * C + c[None, :]
            m += tl.load(before + frame_at, mask=here & (BEFORE != 0), other=0.0)
        d = tl.load(m2 + at, mask=here, other=0.0)
        dev += tl.where(here, d + count[:, None] * (m - mu) * (m - mu), 0.0)
    spread = 1.0 / tl.sqrt(tl.sum(tl.sum(dev, 1), 0) / whole + eps)
    f = tl.load(weight + c, mask=own, other=0.0).to(tl.float32) * spread
    s = tl.load(bias + c, mask=own, other=0.0).to(tl.float32) - mu * f
    for i in range(span):
        at1 = (b * span + i) * C + c
        s1 = s
        if MORE:
            s1 += tl.load(before + at1, mask=own & (BEFORE != 0), other=0.0) * f
            s1 += tl.load(after + at1, mask=own & (AFTER != 0), other=0.0)
        tl.store(factor + at1, f, mask=own)
        tl.store(summand + at1, s1, mask=own)


@triton.jit(do_not_specialize=["HW"])
def _apply(
    x,
    factor,
    summand,
    more,
    out,
    HW,
    C,
    SILU: tl.constexpr,
    MORE: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """One tile."""
    part, n, chunk = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    p = part * BLOCK_P + tl.arange(0, BLOCK_P)
    c = chunk * BLOCK_C + tl.arange(0, BLOCK_C)
    here = (p < HW)[:, None] & (c < C)[None, :]
    at = (n.to(tl.int64) * HW + p.to(tl.int64))[:, None] * C + c[None, :]
    f = tl.load(factor + n * C + c, mask=c < C, other=0.0)
    s = tl.load(summand + n * C + c, mask=c < C, other=0.0)
    v = tl.load(x + at, mask=here, other=0.0).to(tl.float32) * f[None, :] + s[None, :]
    if MORE:
        v += tl.load(more + at, mask=here, other=0.0).to(tl.float32)
    if SILU:
        v = v / (1.0 + tl.exp(-v))
    tl.store(out + at, v.to(out.dtype.element_ty), mask=here)


def group_norm(
    x_NCHW: Tensor,
    weight_C: Tensor,
    bias_C: Tensor,
    groups: int,
    eps: float,
    silu: bool = False,
    span: int = 1,
    before_NC: Tensor | None = None,
    after_NC: Tensor | None = None,
    after_NCHW: Tensor | None = None,
) -> Tensor:
    """As `plain.group_norm`, in channels_last."""
    x_NHWC = x_NCHW.permute(0, 2, 3, 1).contiguous()
    N, H, W, C = x_NHWC.shape
    HW, chunks = H * W, triton.cdiv(C, CHANNELS)
    parts = max(1, min(triton.cdiv(PROGRAMS, N * chunks), triton.cdiv(HW, 2 * PLACES)))
    rows = triton.cdiv(triton.cdiv(HW, parts), PLACES) * PLACES
    parts = triton.cdiv(HW, rows)
    # with a memory of its own: mean, deviations, factor, summand
    sums = torch.empty(2, N, parts, C, dtype=torch.float32, device=x_NHWC.device)
    affine = torch.empty(2, N, C, dtype=torch.float32, device=x_NHWC.device)
    before_NC = None if before_NC is None else before_NC.float().expand(N, C).contiguous()
    after_NC = None if after_NC is None else after_NC.float().expand(N, C).contiguous()
    more = None if after_NCHW is None else after_NCHW.permute(0, 2, 3, 1).contiguous()
    out = torch.empty_like(x_NHWC)
    _sums[parts, N, chunks](x_NHWC, sums[0], sums[1], HW, C, parts, rows, PLACES, CHANNELS, num_warps=4)
    width = C // groups
    block = 16 if span * parts <= 16 else 64
    wide = max(16, triton.next_power_of_2(width))
    _factors[N // span, groups](
        sums[0],
        sums[1],
        weight_C,
        bias_C,
        affine if before_NC is None else before_NC,
        affine if after_NC is None else after_NC,
        affine[0],
        affine[1],
        HW,
        C,
        parts,
        rows,
        width,
        span,
        eps,
        int(before_NC is not None),
        int(after_NC is not None),
        C < FEW or before_NC is not None or after_NC is not None,
        block,
        wide,
        num_warps=1 if block * wide <= 512 else 4,
    )
    grid = triton.cdiv(HW, PLACES), N, chunks
    _apply[grid](
        x_NHWC,
        affine[0],
        affine[1],
        x_NHWC if more is None else more,
        out,
        HW,
        C,
        silu,
        more is not None,
        PLACES,
        CHANNELS,
        num_warps=4,
    )
    return out.permute(0, 3, 1, 2)
