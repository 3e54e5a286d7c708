"""The comparison itself: every case, plain and fast, beside its peer; the roofline; and where the time goes."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable

import torch

from vldm_cli.align.decoder import TemporalDecoder
from vldm_cli.align.fast import hasten, trial
from vldm_cli.align.foreign import ForeignUNet
from vldm_cli.align.place import place_of
from vldm_cli.align.small import decode_in_parts, offload
from vldm_cli.align.unet import VideoUNet
from vldm_cli.errors import RequestError
from vldm_cli.measure.peers.models import PUBLIC, Case, Sizes, cases
from vldm_cli.measure.peers.single import single
from vldm_cli.measure.peers.timing import alternating, by_kind, ceiling, kernels, median, tflop
from vldm_cli.measure.peers.variants import variants
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
        rows = [_row(make, say, peak, i == 0) for i, make in enumerate(cases(where, number, sizes))]
        say("kernels one by one")
        kernels_alone = single(where, number)
    return {
        "device": torch.cuda.get_device_name(where),
        "dtype": dtype,
        "ceiling_tflops": round(peak, 1),
        "left_out": trial.left_out(where, number),
        "cases": rows,
        "single": kernels_alone,
    }


def _row(make: Callable[[], Case], say: Callable[[str], object], peak: float, first: bool) -> dict:
    """first: with variants."""
    try:
        case = make()
        row = _compared(case, say, peak)
        if first:
            row["variants_ms"] = variants(case)
        del case
        return {**row, **_with_little(make())}
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
    plain_bytes = _peak(case.ours)
    begun = time.perf_counter()
    hasten(case.model)
    case.ours()
    torch.cuda.synchronize()
    waited = time.perf_counter() - begun
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
        "first_call_seconds": round(waited, 2),
        "plain_peak_bytes": plain_bytes,
        "fast_peak_bytes": _peak(case.ours),
        "share_of_ceiling": round(work / fast * 1e3 / peak, 3),
        "error_to_plain": apart(made, reference),
        "kernels_ms": {kind: round(ms, 2) for kind, ms in by_kind(kernels(case.ours)).items()},
    }
    if case.same:
        row["error_to_peer"] = apart(made, peers)
    return row


def _with_little(case: Case) -> dict:
    """The same call as `--memory low` makes it; none of a model that it leaves alone."""
    model, place = case.model, place_of(case.model)
    if isinstance(model, TemporalDecoder):
        decode_in_parts(model)
    elif isinstance(model, VideoUNet | ForeignUNet):
        model.unet.to("cpu")
        offload(model, *place)
    gc.collect()
    torch.cuda.empty_cache()
    return {"low_ms": round(median(case.ours, 3), 2), "low_peak_bytes": _peak(case.ours)}


def _peak(call: Callable[[], object]) -> int:
    """The most memory that was in use during a call, weights included."""
    torch.cuda.reset_peak_memory_stats()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated()


def apart(made: torch.Tensor, reference: torch.Tensor) -> float:
    """‖made − reference‖ / ‖reference‖."""
    difference = (made.float() - reference.float()).norm() / reference.float().norm()
    return float(f"{float(difference):.2e}")
