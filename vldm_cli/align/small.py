"""Models on GPUs with little memory: weights that wait beside it, and decoding a few frames at a time, which change
nothing that is made; and weights of 8 bits, which do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from diffusers.hooks import apply_group_offloading, apply_layerwise_casting
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

from vldm_cli.align.decoder import TemporalDecoder
from vldm_cli.align.foreign import ForeignUNet
from vldm_cli.align.layers import State, TemporalConvolution, TemporalLayer
from vldm_cli.align.place import Place, keep_place
from vldm_cli.align.unet import VideoUNet

PIXELS = 2**20
"""Pixels, of whatever level, that a decoder's block computes at a time: four frames of 512×512."""
REACH = 2
"""Frames beyond its own that a temporal convolution's two layers look at."""

STORED = torch.float8_e4m3fn
"""Four bits of exponent, three of mantissa: Toyland's weights change by 2.7 to 3.0 % of their root mean square."""
EXACT = ("norm", "embed", "waves", "^conv_in$", "^conv_out$")
"""Names of what stays as it is: norms, embeddings, waves (whose layer reads their format), the first and last layer."""


def store_in_fp8(model: VideoUNet | ForeignUNet, dtype: torch.dtype) -> None:
    """Linear layers and convolutions of the image model and of its temporal layers keep their weights in 8 bits, each
    is given `dtype` again while it computes. To be called before `offload`, whose blocks then wait and travel as such.

    diffusers casts a layer when it is called; vldm's temporal layers read the weights of some of theirs themselves
    (`TemporalLayer.uncalled`), so these are cast around the whole temporal layer."""
    own = [layer for layer in model.unet.modules() if isinstance(layer, TemporalLayer)]
    for layer in own:
        parts = nn.ModuleList(layer.uncalled).to(STORED)
        layer.register_forward_pre_hook(_cast(parts, dtype))
        layer.register_forward_hook(_cast(parts, STORED))
    names = {part: name for name, part in model.unet.named_modules()}
    uncalled = tuple(f"^{re.escape(names[part])}$" for layer in own for part in layer.uncalled)
    apply_layerwise_casting(model.unet, STORED, dtype, skip_modules_pattern=EXACT + uncalled)


def _cast(parts: nn.Module, dtype: torch.dtype) -> Callable[..., None]:
    def call(*_: Any) -> None:
        parts.to(dtype)

    return call


def offload(model: VideoUNet | ForeignUNet, device: torch.device, dtype: torch.dtype) -> None:
    """The image model's blocks come to the device when they are called, the next one while one computes, and go again;
    the rest of the model stays there."""
    for name, child in model.named_children():
        if name != "unet":
            child.to(device, dtype)
    apply_group_offloading(
        model.unet,
        onload_device=device,
        offload_device=torch.device("cpu"),
        offload_type="block_level",
        num_blocks_per_group=1,
        use_stream=device.type == "cuda",
    )
    keep_place(model, Place(device, dtype))


def decode_in_parts(model: TemporalDecoder, pixels: int = PIXELS) -> None:
    """The decoder's blocks compute some frames of a window at a time. Spatial blocks know one frame, and vldm's
    temporal ones `REACH` more on each side, so nothing is lost; Stable Video Diffusion's see the whole window in their
    norms, and stay as they are."""
    block: Any
    for block in model.vae.decoder.modules():
        kind = type(block)
        if issubclass(kind, ResnetBlock2D | Upsample2D):
            block.forward = _frames_in_parts(block.forward, pixels)
        elif issubclass(kind, TemporalConvolution):
            block.forward = _time_in_parts(block.forward, block.state, pixels)


def _some(x_NCHW: Tensor, pixels: int) -> int:
    return max(1, pixels // (x_NCHW.shape[-2] * x_NCHW.shape[-1]))


def _frames_in_parts(forward: Callable[..., Tensor], pixels: int) -> Callable[..., Tensor]:
    def call(x_NCHW: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        parts = x_NCHW.split(_some(x_NCHW, pixels))
        return _joined((forward(part, *args, **kwargs) for part in parts), len(x_NCHW))

    return call


def _time_in_parts(forward: Callable[..., Tensor], state: State, pixels: int) -> Callable[..., Tensor]:
    def call(z_NCHW: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        T, some = state.frames, max(2 * REACH, _some(z_NCHW, pixels))
        if len(z_NCHW) != T or some >= T:
            return forward(z_NCHW, *args, **kwargs)

        def parts():
            for first in range(0, T, some):
                stop, begin = min(first + some, T), max(0, first - REACH)
                seen_NCHW = z_NCHW[begin : stop + REACH]
                state.frames = len(seen_NCHW)
                yield forward(seen_NCHW, *args, **kwargs)[first - begin : stop - begin]

        try:
            return _joined(parts(), T)
        finally:
            state.frames = T

    return call


def _joined(parts, count: int) -> Tensor:
    """The parts one after the other, without all of them and their sum at one time."""
    whole, done = None, 0
    for part_NCHW in parts:
        if len(part_NCHW) == count:
            return part_NCHW
        if whole is None:
            shape = (count, *part_NCHW.shape[1:])
            whole = torch.empty(
                shape, dtype=part_NCHW.dtype, device=part_NCHW.device, memory_format=torch.channels_last
            )
        whole[done : done + len(part_NCHW)] = part_NCHW
        done += len(part_NCHW)
        del part_NCHW
    assert whole is not None  # there is one frame at least
    return whole
