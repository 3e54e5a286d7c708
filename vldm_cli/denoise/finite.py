"""Numbers that are none."""

import torch
from torch import Tensor

from vldm_cli.errors import RunError


def check_finite(x: Tensor, made_in: torch.dtype) -> Tensor:
    """x as it is. Raises RunError where some of it is infinite or not a number, as what a network makes is when its
    numbers are too large for the format that it computes in: all after it would be black. float16 ends at 65 504."""
    if bool(x.isfinite().all()):
        return x
    name = str(made_in).removeprefix("torch.")
    other = "--dtype bfloat16 has room for them" if made_in == torch.float16 else "its weights may be damaged"
    raise RunError(f"the model's numbers went beyond what {name} holds; {other}")
