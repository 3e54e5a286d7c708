"""Products of linear layers in 8 bits, by torchao: weights are rounded once, what is multiplied with them at every
call, each row by a scale of its own where that is supported. The format is float8_e4m3fn (Micikevicius et al. 2022,
arXiv:2209.05433). It changes the result."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from vldm_cli.align.foreign import ForeignUNet
from vldm_cli.align.layers import TemporalLayer
from vldm_cli.align.unet import VideoUNet
from vldm_cli.errors import RequestError

CAPABILITY = (8, 9)
"""NVIDIA's first GPUs that multiply in it (Ada; then Hopper and Blackwell)."""
_MULTIPLE = 16  # of the matrix unit: rows and columns of a weight
# Small products, on which everything depends: of the time, the frame step, a pooled text.
_EXACT = ("emb", "norm")
# The scale of a row is its largest value, this at the least: an empty text is rows of zeros to some models, and nothing
# can be divided by their largest.
_LEAST = 1e-6


def check(device: str) -> None:
    """That this CUDA device multiplies in 8 bits and torchao is here. Raises RequestError."""
    found = torch.cuda.get_device_capability(device)
    if found < CAPABILITY:
        raise RequestError(
            f"--fast fp8 needs a GPU of compute capability {_dotted(CAPABILITY)} or more, and {device} has "
            f"{_dotted(found)}; leave it out"
        )
    _torchao()


def multiply_in_fp8(model: VideoUNet | ForeignUNet) -> None:
    """Linear layers of the image model and of its temporal layers multiply in 8 bits from now on: those whose sizes the
    matrix unit takes, but for embeddings and for weights that a temporal layer reads itself. Raises RequestError where
    torchao is not here."""
    torchao = _torchao()
    read = {
        part for layer in model.unet.modules() if isinstance(layer, TemporalLayer) for part in layer.uncalled
    }

    def taken(module: nn.Module, name: str) -> bool:
        return (
            isinstance(module, nn.Linear)
            and module not in read
            and not any(word in name for word in _EXACT)
            and module.in_features % _MULTIPLE == 0
            and module.out_features % _MULTIPLE == 0
            and bool(module.weight.detach().any(1).all())  # a row of zeros has no scale either
        )

    # torchao has scales by row for bfloat16 alone
    by_row = next(model.unet.parameters()).dtype == torch.bfloat16
    scales = torchao.PerRow() if by_row else torchao.PerTensor()
    how = torchao.Float8DynamicActivationFloat8WeightConfig(granularity=scales, activation_value_lb=_LEAST)
    torchao.quantize_(model.unet, how, taken)


def _torchao() -> Any:
    try:
        from torchao import quantization
    except ModuleNotFoundError as error:
        raise RequestError(
            "--fast fp8 needs torchao, which is not here; install it with `pip install 'vldm[fp8]'`"
        ) from error
    except ImportError as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RequestError(
            f"--fast fp8 needs torchao, which cannot be loaded here ({reason:.200}); install it anew with "
            "`pip install --upgrade 'vldm[fp8]'`"
        ) from error
    return quantization


def _dotted(capability: tuple[int, int]) -> str:
    return ".".join(map(str, capability))
