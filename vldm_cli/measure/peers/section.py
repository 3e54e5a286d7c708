"""The comparison itself: every case, plain and fast, beside its peer; the roofline; and where the time goes."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable

import torch

from vldm_cli.align.fast import hasten
from vldm_cli.errors import RequestError
from vldm_cli.measure.peers.models import PUBLIC, Case, Sizes, cases
from vldm_cli.measure.peers.timing import alternating, by_kind, ceiling, kernels, median, tflop
from vldm_cli.runs.memory import is_out_of_memory

ROUNDS = 10


def measure_peers(
    device: str, dtype: str, say: Callable[[str], object] = lambda words: None, sizes: Sizes = PUBLIC
) -> dict:
    """Medians of calls that take turns, in milliseconds; say: what is being done. Raises RequestError for what is no
    CUDA device: there alone diffusers' users compare."""
    if not device.startswith("cuda"):
        raise RequestError(
            f"--peers needs a CUDA GPU, and this is {device}; use --device cuda on a machine with one"
        )
    where, number = torch.device(device), getattr(torch, dtype)
    with torch.no_grad():
        peak = ceiling(where, number)
        rows = [_row(make, say, peak) for make in cases(where, number, sizes)]
    return {
        "device": torch.cuda.get_device_name(where),
        "dtype": dtype,
        "ceiling_tflops": round(peak, 1),
        "cases": rows,
    }


def _row(make: Callable[[], Case], say: Callable[[str], object], peak: float) -> dict:
    try:
        return _compared(make(), say, peak)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        failed = f"out of memory: {str(error).splitlines()[0]}"
    finally:
        gc.collect()
        torch.cuda.empty_cache()
    return {"name": make.__name__, "failed": failed}


def _compared(case: Case, say: Callable[[str], object], peak: float) -> dict:
    say(case.name)
    reference = case.ours()
    work = tflop(case.ours)
    plain = median(case.ours, ROUNDS)
    peers = case.theirs()
    hasten(case.model)
    fast, theirs = map(statistics.median, alternating([case.ours, case.theirs], ROUNDS))
    made = case.ours()
    row = {
        "name": case.name,
        "peer": case.peer,
        "tflop": round(work, 2),
        "plain_ms": round(plain, 2),
        "fast_ms": round(fast, 2),
        "peer_ms": round(theirs, 2),
        "ratio": round(fast / theirs, 3),
        "share_of_ceiling": round(work / fast * 1e3 / peak, 3),
        "error_to_plain": apart(made, reference),
        "kernels_ms": {kind: round(ms, 2) for kind, ms in by_kind(kernels(case.ours)).items()},
    }
    if case.same:
        row["error_to_peer"] = apart(made, peers)
    return row


def apart(made: torch.Tensor, reference: torch.Tensor) -> float:
    """‖made − reference‖ / ‖reference‖."""
    difference = (made.float() - reference.float()).norm() / reference.float().norm()
    return float(f"{float(difference):.2e}")
