"""Any diffusers AutoencoderKL with a temporal decoder (Video LDM, §3.1.1)."""

from __future__ import annotations

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.unets.unet_2d_blocks import UpDecoderBlock2D
from torch import Tensor

from vldm_cli.align.layers import TemporalConvolution
from vldm_cli.align.temporal import TemporalModel


class TemporalDecoder(TemporalModel):
    """An autoencoder, unmodified and frozen, whose decoder has temporal layers, of whichever make."""

    vae: AutoencoderKL

    def decode(self, z_BTCHW: Tensor) -> Tensor:
        """Latents (B, T, C, h, w) → frames (B, T, 3, H, W) in about [−1, 1]."""
        z_NCHW = z_BTCHW.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        with self.state.turn:
            self.state.frames = z_BTCHW.shape[1]
            return self._decoded(z_NCHW / self.vae.config.scaling_factor).unflatten(0, z_BTCHW.shape[:2])

    def _decoded(self, z_NCHW: Tensor) -> Tensor:
        """What `vae.decode` makes. In there the input of a level is held until its end, and that of a block while its
        temporal layer computes: at the last level, which decides how much memory a decoder needs, twice as much as
        anything else. Here each is let go when it has been read."""
        vae, decoder = self.vae, self.vae.decoder
        if torch.is_grad_enabled() or not all(type(x) is UpDecoderBlock2D for x in decoder.up_blocks):
            return vae.decode(z_NCHW, return_dict=False)[0]
        if vae.post_quant_conv is not None:
            z_NCHW = vae.post_quant_conv(z_NCHW)
        held = [decoder.mid_block(decoder.conv_in(z_NCHW))]
        for level in decoder.up_blocks:
            for block in level.resnets:
                x_NCHW = block.forward(held.pop(), temb=None)
                after = self.hooks.get(block)
                held.append(x_NCHW if after is None else after(block, (), {"temb": None}, x_NCHW))
                del x_NCHW
            for block in level.upsamplers or ():
                held.append(block(held.pop()))
        for block in (decoder.conv_norm_out, decoder.conv_act, decoder.conv_out):
            held.append(block(held.pop()))
        return held.pop()

    def encode(self, x_BTCHW: Tensor) -> Tensor:
        """Frames (B, T, 3, H, W) in [−1, 1] → latents (B, T, C, h, w): the image encoder's mean."""
        x_NCHW = x_BTCHW.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        z_NCHW = self.vae.encode(x_NCHW).latent_dist.mode() * self.vae.config.scaling_factor
        return z_NCHW.unflatten(0, x_BTCHW.shape[:2])

    forward = decode


class FrameDecoder(TemporalDecoder):
    """The autoencoder alone: each frame for itself, and so a few of a window at a time."""

    # pixels decoded in one call: of 512×512 some four frames on a GPU, which take it 3 GB
    pixels = 2**20

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__(vae, {})
        self.vae = vae

    def decode(self, z_BTCHW: Tensor) -> Tensor:
        scale = 2 ** (len(self.vae.config.block_out_channels) - 1)
        some = max(1, self.pixels // (z_BTCHW.shape[-2] * z_BTCHW.shape[-1] * scale**2))
        z_NCHW = z_BTCHW.flatten(0, 1)
        parts = [super(FrameDecoder, self).decode(z[None])[0] for z in z_NCHW.split(some)]
        return torch.cat(parts).unflatten(0, z_BTCHW.shape[:2])

    forward = decode


class VideoDecoder(TemporalDecoder):
    """The autoencoder, unmodified and frozen, with 3D-convolution blocks in its decoder only.

    The encoder is untouched, so latents stay those of the image LDM.
    """

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__(vae, {})
        self.vae = vae
        for block in [m for m in vae.decoder.modules() if isinstance(m, ResnetBlock2D)]:
            self.attach(
                block, TemporalConvolution(block.out_channels, block.norm2.num_groups, 0, 0, self.state)
            )
