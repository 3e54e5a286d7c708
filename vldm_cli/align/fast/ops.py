"""The operations of the fast engine: Triton's where a tensor lies on a CUDA device, plain PyTorch elsewhere."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from vldm_cli.align.fast import plain, trial

USUAL = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
# In this order where they can: on Hopper cuDNN's attention is the fastest of long sequences.
BACKENDS = [SDPBackend.CUDNN_ATTENTION, *USUAL]
LONG = 2**20
"""Places times places from which on it is: for each shape cuDNN plans for 40 to 90 ms at the first use."""

OFF: set[str] = set()
"""Kernels that are switched off, their twins in their place: what one of them is worth is measured so, and one that
passed its trial, which is small, and does not compile for the sizes of a model is left out."""


def has_triton() -> bool:
    """Whether Triton is installed here."""
    return find_spec("triton") is not None


def _kernel(name: str, x: Tensor) -> Callable:
    """The kernel of that name where it is of use, or its twin."""
    home = trial.HOMES[name]
    # matrix products in float32 are no matter for matrix units: there PyTorch's own are as good
    if not x.is_cuda or (home in ("time", "gated", "dense") and x.dtype == torch.float32):
        return getattr(plain, name)
    if name in OFF or trial.fault(name, x.device, x.dtype):
        return getattr(plain, name)
    run = getattr(import_module(f"vldm_cli.align.fast.{home}"), name)
    if x.device.index != torch.cuda.current_device():
        # Triton launches on the thread's current device, whichever the tensors are on
        run = partial(_there, x.device, run)
    return partial(_or_its_twin, name, run)


def _there(device: torch.device, run: Callable, *args: Any, **kwargs: Any) -> Any:
    with torch.cuda.device(device):
        return run(*args, **kwargs)


def _or_its_twin(name: str, run: Callable, *args: Any, **kwargs: Any) -> Any:
    try:
        return run(*args, **kwargs)
    except Exception as error:
        from triton.errors import TritonError

        if not isinstance(error, TritonError):
            raise
        OFF.add(name)
        why = trial.line(error)
        warnings.warn(
            f"the fast kernel {name} cannot be used for these sizes ({why}); PyTorch's own take its place, "
            "which are slower",
            stacklevel=2,
        )
    return getattr(plain, name)(*args, **kwargs)


def group_norm(x_NCHW: Tensor, norm: torch.nn.GroupNorm, **more) -> Tensor:
    """`plain.group_norm` with that module's weights."""
    run = _kernel("group_norm", x_NCHW)
    return run(x_NCHW, norm.weight, norm.bias, norm.num_groups, norm.eps, **more)


def layer_norm(
    x: Tensor, norm: torch.nn.LayerNorm, y: Tensor | None = None, plus_NC: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`plain.layer_norm` with that module's weights."""
    return _kernel("layer_norm", x)(x, norm.weight, norm.bias, norm.eps, y, plus_NC)


def geglu(x: Tensor) -> Tensor:
    """`plain.geglu`."""
    return _kernel("geglu", x)(x)


def linear_geglu(x: Tensor, weight_OI: Tensor, bias_O: Tensor | None = None) -> Tensor:
    """`plain.linear_geglu`: in one kernel where that pays, else a product and a pass after it."""
    run = _kernel("linear_geglu", x)
    if run is not plain.linear_geglu:
        from vldm_cli.align.fast import gated

        if gated.pays(x, weight_OI):
            return run(x, weight_OI, bias_O)
    return geglu(F.linear(x, weight_OI, bias_O))


def add(x: Tensor, y: Tensor, bias_C: Tensor | None = None) -> Tensor:
    """`plain.add`."""
    return _kernel("add", x)(x, y, bias_C)


def attend_frames(qkv_NLC: Tensor, frames: int, heads: int) -> Tensor:
    """`plain.attend`."""
    if frames > plain.LONGEST:
        return plain.attend(qkv_NLC, frames, heads)
    return _kernel("attend", qkv_NLC)(qkv_NLC, frames, heads)


def convolve_frames(
    x_NLC: Tensor,
    weight_OI: Tensor,
    frames: int,
    bias_C: Tensor | None = None,
    residual_NLC: Tensor | None = None,
    repeated_ends: bool = False,
) -> Tensor:
    """`plain.convolve`."""
    run = _kernel("convolve", x_NLC)
    return run(x_NLC, weight_OI, frames, bias_C, residual_NLC, repeated_ends)


def dense_block(x_NCHW: Tensor, *layers: Tensor, packed: Any = None) -> Tensor:
    """`plain.dense_block`; packed: `dense.pack` of the layers, where that is there."""
    return _kernel("dense_block", x_NCHW)(x_NCHW, *layers, packed=packed)


def attend(q_NLC: Tensor, k_NSC: Tensor, v_NSC: Tensor, heads: int) -> Tensor:
    """Attention of (N, L, C) to (N, S, C), which may be parts of wider rows → (N, L, C)."""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q_NLC, k_NSC, v_NSC))
    if not q.is_cuda:
        h = F.scaled_dot_product_attention(q, k, v)
    else:
        backends = BACKENDS if q.shape[-2] * k.shape[-2] >= LONG else USUAL
        with sdpa_kernel(backends, set_priority=True):
            h = F.scaled_dot_product_attention(q, k, v)
    return h.transpose(1, 2).flatten(2)
