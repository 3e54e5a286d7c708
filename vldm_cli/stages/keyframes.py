"""Keyframes: the first window from text alone or from given frames, each next one from the last two before it."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from vldm_cli.align.decoder import VideoDecoder
from vldm_cli.runs.progress import Meter
from vldm_cli.runs.units import Units
from vldm_cli.stages.denoiser import Denoiser
from vldm_cli.stages.extend import extend
from vldm_cli.stages.still import kept_at_rest
from vldm_cli.stages.windows import Window


def encode_image(decoder: VideoDecoder, image: np.ndarray) -> Tensor:
    """A frame, uint8 RGB (H, W, 3) → its latent (1, C, h, w), float32 on the CPU: the encoder's mean."""
    weight = next(decoder.parameters())
    x_CHW = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1) / 127.5 - 1
    return decoder.encode(x_CHW[None, None].to(weight.device, weight.dtype))[0].float().cpu()


class Keyframes:
    """The source of keyframe latents (C, h, w), METHOD.md §4. Each window is a unit of the journal.

    windows: from the plan, of which the first has as many given frames as `lead` returns (T, C, h, w): none for text
    alone, one for `--image`, two to continue a clip. still: the threshold of `kept_at_rest`, 0 where frames stay as
    they were made.
    """

    def __init__(
        self,
        windows: Sequence[Window],
        denoiser: Denoiser,
        journal: Units,
        meter: Meter,
        lead: Callable[[], Tensor] | None = None,
        still: float = 0.0,
    ) -> None:
        self.windows, self.denoiser, self.journal, self.meter = windows, denoiser, journal, meter
        self.lead, self.still = lead, still

    def __call__(self, start: int) -> Iterator[Tensor]:
        """Keyframes start, start + 1, …; a window is only made when its first new frame is asked for."""
        first = next((i for i, w in enumerate(self.windows) if w.stop > start), len(self.windows))
        z_TCHW = None
        for i in range(first, len(self.windows)):
            window = self.windows[i]
            z_TCHW = self._window(i, z_TCHW)
            for item in range(max(window.new if i else 0, start), window.stop):
                yield z_TCHW[item - window.start]

    def _window(self, index: int, before_TCHW: Tensor | None) -> Tensor:
        """All latents of a window, from the journal where they are; `before_TCHW` is the window before it, if known."""
        self.meter.upto(index * self.denoiser.steps)
        stored = self.journal.load(self.denoiser.stage, index)
        if stored is not None:
            z_TCHW = stored["z"]
        else:
            window = self.windows[index]
            S = window.new - window.start
            if index == 0:
                known_TCHW = self.lead() if self.lead else torch.empty(0, *self.denoiser.shape)
            else:
                known_TCHW = (self._window(index - 1, None) if before_TCHW is None else before_TCHW)[-S:]
            done = index * self.denoiser.steps
            z_TCHW = extend(self.denoiser, window, known_TCHW, lambda step: self.meter.upto(done + step))
            if self.still:
                z_TCHW = kept_at_rest(z_TCHW, S, self.still)
            self.journal.save(self.denoiser.stage, index, {"z": z_TCHW})
        self.meter.upto((index + 1) * self.denoiser.steps)
        return z_TCHW
