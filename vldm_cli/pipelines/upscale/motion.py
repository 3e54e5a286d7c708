"""Where the pixels of a clip's frame were in another one, as far as both are of one scene."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from vldm_cli.align.fast.graphs import recorded_on
from vldm_cli.align.steady.network import motion_before

# Frames that agree less than so much on the whole are of two scenes, which agree here and there by chance alone. (Of
# four clips at crf 20 and 28, neighbours agreed by .64 and more, frames on both sides of a cut and of other clips by
# .13 at most.)
CUT = 0.3


def motion_to(x_BTCHW: Tensor, other_BCHW: Tensor) -> tuple[Tensor, Tensor]:
    """`motion_before` of frames and the one that they are compared with; those of two scenes agree nowhere."""
    flow_BTCHW, agree_BTCHW = _on(x_BTCHW.device)(x_BTCHW, other_BCHW)
    return flow_BTCHW, agree_BTCHW * (agree_BTCHW.mean() > CUT)


@cache
def _on(device: torch.device) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """One for all clips: on a GPU some five thousand short kernels a frame, which are recorded once for a size."""
    return recorded_on(device, motion_before)
