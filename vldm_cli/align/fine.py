"""The end of a decoder in float32, where the rest of it computes in bfloat16."""

from collections.abc import Callable
from typing import Any

from diffusers.models.unets.unet_2d_blocks import UpDecoderBlock2D
from torch import Tensor

from vldm_cli.align.decoder import TemporalDecoder

LEVELS = 2
"""The last levels that do. Of Toyland's four: what rests flickers by .122 of 255 with none of them, .069 with one, .057
with two, .053 with three and .050 with the whole decoder (four clips, CPU)."""


def finish_in_float32(model: TemporalDecoder) -> None:
    """The decoder's last levels, its last norm and convolution compute in float32, temporal layers included; frames
    come out in it. Eight bits of a pixel need more than bfloat16's eight, and what rounding does changes from frame to
    frame: what rests would flicker. Decoders of other blocks stay as they are. To be called before anything else is
    made of the weights."""
    decoder = model.vae.decoder
    if not all(type(level) is UpDecoderBlock2D for level in decoder.up_blocks):
        return
    levels = decoder.up_blocks[-LEVELS:]
    for part in (*levels, decoder.conv_norm_out, decoder.conv_out):
        part.float()
    # a temporal layer over finished pixels, as SVD's decoder has one
    last = getattr(decoder, "temporal", None)
    if last is not None:
        last.float()
    first: Any = levels[0].resnets[0]
    first.forward = _of_float32(first.forward)


def _of_float32(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(x_NCHW: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return forward(x_NCHW.float(), *args, **kwargs)

    return call
