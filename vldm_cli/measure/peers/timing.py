"""How calls are timed on a GPU: its own events, taking turns, medians; what they compute, where their time goes."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode

Call = Callable[[], object]
# Kinds of kernel by what their names hold, the first that fits.
KINDS = (
    ("attention", ("attention", "flash", "fmha", "sdpa", "_attended")),
    ("convolution", ("conv", "wgrad", "fprop", "implicit", "_convolved", "winograd")),
    ("matrix product", ("gemm", "cutlass", "nvjet", "cublas", "splitk", "_linear_gated")),
    ("norm", ("norm", "_sums", "_factors", "_apply", "Welford", "RowwiseMoments")),
    ("copy", ("copy", "memcpy", "cat", "nchwtonhwc", "nhwctonchw", "transpose", "permute")),
)


def alternating(calls: Sequence[Call], rounds: int, warm: int = 3) -> list[list[float]]:
    """Milliseconds of each round of each call, which take turns."""
    for call in calls:
        for _ in range(warm):
            call()
    torch.cuda.synchronize()
    marks = []
    for _ in range(rounds):
        for which, call in enumerate(calls):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            call()
            end.record()
            marks.append((which, begin, end))
    torch.cuda.synchronize()
    times: list[list[float]] = [[] for _ in calls]
    for which, begin, end in marks:
        times[which].append(begin.elapsed_time(end))
    return times


def median(call: Call, rounds: int = 10) -> float:
    """Milliseconds of one call."""
    return statistics.median(alternating([call], rounds)[0])


def ceiling(device: torch.device, dtype: torch.dtype, side: int = 8192) -> float:
    """TFLOP/s of a large matrix product of random numbers: what nothing here goes beyond."""
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / median(lambda: a @ b) / 1e9


def tflop(call: Call) -> float:
    """10¹² floating-point operations of a call's matrix products, convolutions and attention."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() / 1e12


def kind_of(kernel: str) -> str:
    """What a kernel of that name does."""
    name = kernel.lower()
    return next(
        (kind for kind, parts in KINDS if any(p.lower() in name for p in parts)), "elementwise, other"
    )


def kernels(call: Call) -> dict[str, tuple[float, int]]:
    """Milliseconds and launches of each kernel of a call, by torch's profiler, the longest first."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as found:
        call()
        torch.cuda.synchronize()
    each = {e.key: (e.self_device_time_total / 1e3, e.count) for e in found.key_averages()}
    return dict(sorted(each.items(), key=lambda item: -item[1][0]))


def by_kind(found: dict[str, tuple[float, int]]) -> dict[str, float]:
    """Milliseconds by kind of kernel, the longest first."""
    total: dict[str, float] = {}
    for name, (milliseconds, _) in found.items():
        total[kind_of(name)] = total.get(kind_of(name), 0.0) + milliseconds
    return dict(sorted(total.items(), key=lambda item: -item[1]))
