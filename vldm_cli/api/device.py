"""Which device and which number format: chosen, checked and explained."""

import os
import platform
import re
from pathlib import Path

from vldm_cli.errors import RequestError, shown
from vldm_cli.runs.capability import fast_in_float16
from vldm_cli.runs.here import Elsewhere

DTYPES = ("float32", "bfloat16", "float16")


def choose_device(name: str = "auto") -> str:
    """The torch name of the device: the one asked for if it is there, or `Elsewhere`; with "auto" the first of cuda,
    mps, cpu.

    Raises RequestError when there is no such device here.
    """
    if not re.fullmatch(r"auto|cpu|mps|cuda(:[0-9]{1,4})?", name):
        raise RequestError(f"--device {shown(name)} is none of auto, cuda, cuda:N, mps, cpu")
    if name == "cpu" or isinstance(name, Elsewhere):
        return name  # without the seconds that importing torch takes
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    apple = torch.backends.mps.is_available()
    if name == "auto":
        return "cuda" if gpus else "mps" if apple else "cpu"
    remedy = "use --device cpu or leave --device out (`vldm doctor` tells what is here)"
    if name == "mps":
        if not apple:
            raise RequestError(f"--device mps: there is no Apple GPU that torch can use; {remedy}")
        return name
    if not gpus:
        raise RequestError(f"--device {name}: there is no CUDA GPU that torch can use; {remedy}")
    if ":" in name and int(name.split(":")[1]) >= gpus:
        raise RequestError(f"--device {name}: GPUs here are cuda:0 to cuda:{gpus - 1}; {remedy}")
    return name


def choose_dtype(name: str, device: str) -> str:
    """The number format for that device; "auto" is 16 bits where these are the faster ones, otherwise float32."""
    if name == "auto":
        return explain_dtype(device)[0]
    if name not in DTYPES:
        raise RequestError(f"--dtype {shown(name)} is none of auto, {', '.join(DTYPES)}")
    return name


def explain_dtype(device: str) -> tuple[str, str]:
    """What `auto` chooses for that device, and why."""
    if device.startswith("cuda"):
        # one of another machine cannot be asked from here, and has asked for itself (`lent`)
        if isinstance(device, Elsewhere) or fast_in_float16(device):
            return "float16", "the GPU computes fast in it, and it is eight times as fine as bfloat16"
        return "float32", "this GPU is no faster in float16"
    if device == "mps":
        return "bfloat16", "Apple GPUs compute in it natively"
    instructions = cpu_bf16()
    if instructions:
        return "bfloat16", f"the CPU has instructions for it ({', '.join(instructions)})"
    return "float32", "the CPU has no bfloat16 instructions, with which alone it would be faster"


def cpu_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> list[str]:
    """The bfloat16 instruction sets of this CPU; empty where there is none or the system does not tell.

    Not torch's own test for oneDNN: that one is content with AVX-512, on which bfloat16 is emulated and slower.
    """
    if not cpuinfo.exists():
        return []
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", cpuinfo.read_text(errors="replace"), re.MULTILINE)
    flags = set(found.group(1).split()) if found else set()
    return sorted(flags & {"avx512_bf16", "amx_bf16", "bf16", "svebf16"})


def cpu_words() -> str:
    """The CPU in words, for the doctor."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{platform.machine()}, {count} cores"
