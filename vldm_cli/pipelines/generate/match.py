"""No jump where a clip goes on: the first new frame gets the colours of the last old one, and that fades out.

Encoding and decoding shift brightness and contrast a little, and what was never trained on a little more; seen frame
after frame that is nothing, but at the join it would be a blink.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

LARGEST_GAIN = 2.0
ROUNDS = 20


@dataclass(frozen=True)
class Match:
    """x → gain · x + shift for each channel of frames (3, H, W) in [−1, 1]; both (3,)."""

    gain_C: Tensor
    shift_C: Tensor

    @classmethod
    def of(cls, new_CHW: Tensor, old_CHW: Tensor) -> "Match":
        """What gives the new frame the old one's mean and contrast in each channel, the limits of samples heeded."""
        new_CN, old_CN = new_CHW.flatten(1).double(), old_CHW.flatten(1).double()
        spread_C, wanted_C = new_CN.std(1, correction=0), old_CN.std(1, correction=0)
        gain_C = torch.where(spread_C > 1e-3, wanted_C / spread_C.clamp(min=1e-3), 1.0)
        gain_C = gain_C.clamp(1 / LARGEST_GAIN, LARGEST_GAIN)
        mean_C = old_CN.mean(1)
        shift_C = mean_C - gain_C * new_CN.mean(1)
        for _ in range(ROUNDS):  # what is cut off at black and white moves the mean again
            matched_CN = (gain_C[:, None] * new_CN + shift_C[:, None]).clamp(-1, 1)
            shift_C = shift_C + mean_C - matched_CN.mean(1)
        return cls(gain_C.float(), shift_C.float())

    def __call__(self, x_CHW: Tensor, weight: float) -> Tensor:
        """The frame, matched as far as the weight says: 1 wholly, 0 not at all."""
        if not weight:
            return x_CHW
        gain_C11, shift_C11 = (c.to(x_CHW)[:, None, None] for c in (self.gain_C, self.shift_C))
        return x_CHW.lerp((gain_C11 * x_CHW + shift_C11).clamp(-1, 1), weight)


def fading(frame: int, frames: int) -> float:
    """The weight for new frame 0, 1, …: from 1 smoothly down to 0 at `frames`."""
    t = min(1.0, frame / frames)
    return 1 - t * t * (3 - 2 * t)
