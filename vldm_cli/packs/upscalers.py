"""The models of the upscalers with random weights (METHOD §6), and how a pack gets one."""

from collections.abc import Iterable
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import nn

from vldm_cli.align import align
from vldm_cli.packs.image_models import SCHEDULE, plain_autoencoder
from vldm_cli.packs.pack import PARTS
from vldm_cli.packs.save import save_part, seal
from vldm_cli.packs.sizes import Sizes

# What the upscaler can learn from is the fine differences in three channels of the frame; 48 channels of noise drown
# them. With the usual weights a run of 7 300 steps on a GPU stayed at bicubic (29.09 against 29.07 dB); with these, 160
# steps of 12 patches, all from pure noise, end 1.0 dB above it.
NOISE_GAIN, FRAME_GAIN = 0.1, 4.0


def new_upscaler(sizes: Sizes, space: str = "pixel") -> UNet2DConditionModel:
    """An upscaler's denoiser: convolutions only, so that it runs on frames of any size.

    In, at the low resolution: what is denoised (the residual folded 4×4, 48 channels, or its latents) and the frame
    (3); out: the prediction for it. The noise level of the low-resolution frame, 0..999, comes in as class label.
    Random weights, the first layer's scaled by NOISE_GAIN and FRAME_GAIN.
    """
    own, denoised = sizes.upscalers[space], sizes.denoised(space)
    levels = len(own.channels)
    unet = UNet2DConditionModel(
        sample_size=(sizes.height, sizes.width),
        in_channels=denoised + 3,
        out_channels=denoised,
        block_out_channels=own.channels,
        layers_per_block=own.layers,
        down_block_types=("DownBlock2D",) * levels,
        up_block_types=("UpBlock2D",) * levels,
        mid_block_type="UNetMidBlock2D",
        class_embed_type="timestep",
        cross_attention_dim=8,  # nothing attends to text; the smallest width that the class accepts
        attention_head_dim=8,
        norm_num_groups=own.groups,
    )
    with torch.no_grad():
        unet.conv_in.weight[:, :denoised] *= NOISE_GAIN
        unet.conv_in.weight[:, denoised:] *= FRAME_GAIN
    return unet


def new_autoencoder(sizes: Sizes, space: str) -> AutoencoderKL:
    """The autoencoder of residuals to bicubic enlargements whose latents that space's upscaler denoises: one cell a
    low-resolution pixel, no attention, random weights. Once trained, its latents are of unit variance."""
    own = sizes.upscalers[space].autoencoder
    assert own is not None  # asked for spaces that have one
    largest = sizes.upscale * max(sizes.width, sizes.height)
    return plain_autoencoder(own.channels, own.layers, own.groups, own.latent_channels, largest)


def add_upscaler(folder: str | Path, space: str, sizes: Sizes, zero_init: bool = True, seed: int = 0) -> None:
    """Put an upscaler of that space with random weights into the pack in `folder`, and seal it: its UNet, the temporal
    layers over it, its noise schedule, and its autoencoder where the space has one; what of these is there is kept.
    The same seed gives the same weights. `zero_init`: it begins as a bicubic filter, its temporal layers as the
    identity."""
    part = f"upscaler_{space}"

    def put(name: str, module: nn.Module) -> None:
        if not (Path(folder) / PARTS[name]).is_file():
            save_part(folder, name, module)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if sizes.upscalers[space].autoencoder is not None:
            autoencoder = new_autoencoder(sizes, space)
            if zero_init:
                _zero(autoencoder.decoder.conv_out)
            put(f"{part}_vae", autoencoder)
        unet = new_upscaler(sizes, space)
        if zero_init:
            # a prediction of nothing is a residual of nothing: training starts at the bicubic enlargement
            _zero(unet.conv_out)
        put(part, unet)
        video = align(
            unet, embed_dim=sizes.temporal_embed, context_channels=0, repeated_ends=True, compensated=True
        )
        if not zero_init:
            randomise_zeros(video.temporal_parameters())
        put(f"{part}_temporal", video)
    DDIMScheduler(**SCHEDULE).save_pretrained(Path(folder) / part / "scheduler")
    seal(folder)


def randomise_zeros(parameters: Iterable[nn.Parameter]) -> None:
    """Random values for weights that are all zero."""
    for parameter in parameters:
        if parameter.ndim > 1 and not parameter.detach().any():
            nn.init.normal_(parameter, std=0.05)


def _zero(layer: nn.Conv2d) -> None:
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None  # torch types it as optional
    nn.init.zeros_(layer.bias)
