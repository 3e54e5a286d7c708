"""Decoding: latents to frames by the temporal decoder, in fixed windows that fade into each other (METHOD.md §3)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor

from vldm_cli.align.decoder import VideoDecoder
from vldm_cli.align.small import PIXELS, decode_in_parts
from vldm_cli.denoise.finite import check_finite
from vldm_cli.runs.memory import first_that_fits
from vldm_cli.runs.progress import Meter
from vldm_cli.stages.source import Reader, Source, faded
from vldm_cli.stages.windows import Window

# Where memory runs out: pixels that a block of the decoder computes at a time.
PARTS = (PIXELS, PIXELS // 4)


class Decode:
    """The source of frames (3, H, W) in [−1, 1], float32 on the decoder's device, from the source of latents.

    temporal: with the temporal layers. These know neighbouring frames, and of frames that lie further apart they would
    make ghosts."""

    def __init__(
        self,
        windows: Sequence[Window],
        latents: Source,
        decoder: Callable[[], VideoDecoder],
        meter: Meter,
        temporal: bool = True,
    ) -> None:
        self.windows, self.latents, self.decoder, self.meter = windows, latents, decoder, meter
        self.temporal = temporal

    def __call__(self, start: int) -> Iterator[Tensor]:
        """Frames start, start + 1, …: the same ones wherever one starts."""
        latents = Reader(self.latents)

        def run(i: int) -> Tensor:
            z_TCHW = torch.stack(latents.window(self.windows[i].start, self.windows[i].stop))
            decoder = self.decoder()
            weight = next(decoder.parameters())

            def decoded(pixels: int | None = None) -> Tensor:
                if pixels is not None:
                    decode_in_parts(decoder, pixels)
                with nullcontext() if self.temporal else decoder.temporal_off():
                    x_BTCHW = decoder.decode(z_TCHW[None].to(weight.device, weight.dtype))
                return check_finite(x_BTCHW, weight.dtype)[0].float().clamp(-1, 1)

            return first_that_fits(decoded, *(partial(decoded, pixels) for pixels in PARTS))

        for frame, x_CHW in enumerate(faded(self.windows, start, run), start):
            self.meter.upto(frame + 1)
            yield x_CHW
