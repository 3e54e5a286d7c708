"""Any diffusers UNet2DConditionModel as a video UNet (Video LDM, §3.1 to §3.4)."""

from __future__ import annotations

import torch
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from vldm_cli.align.context import Context, ContextEncoder, StepEmbedding
from vldm_cli.align.layers import SpaceTimeAttention, TemporalAttention, TemporalConvolution, TemporalLayer
from vldm_cli.align.pooled import conditions
from vldm_cli.align.temporal import TemporalModel
from vldm_cli.align.words import WordReader

LAYERS = ("both", "attention")
REACHES = ("time", "space-time")


class VideoUNet(TemporalModel):
    """The image UNet θ, unmodified and frozen, with temporal layers φ after each of its blocks.

    context_channels: latent channels of the context c_S; None for the UNet's output channels, 0 for none.
    context_dim: channels of the context's features. embed_dim: size of the embedding of diffusion time and
    frame step. head_dim: channels of a temporal attention head. layers: "both" kinds of temporal layer, or "attention"
    alone, which then sees the context itself (what the paper compares with, §4.2). factor: of layers that interpolate,
    how many intervals each known one becomes; noted for those who train and call them.
    reach: what the attention of a cell sees, its own place in all frames ("time", the paper's) or every place of them
    ("space-time"), and then the words of the text as well: the first text_dim channels of their hidden states; 0 for
    none. reader_dim: width of the temporal layers' own reading of them (`WordReader`); 0 for as they are. waves: how
    many travelling waves tell its cells apart besides (`TravellingWaves`). repeated_ends: to the convolutions
    over time a video goes on as its ends. compensated: of upscalers: what they make is averaged with what they make
    of the frames beside, along the motion (`steadied`).
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        context_channels: int | None = None,
        context_dim: int = 32,
        embed_dim: int = 128,
        head_dim: int = 32,
        layers: str = "both",
        factor: int = 4,
        reach: str = "time",
        text_dim: int = 0,
        reader_dim: int = 0,
        waves: int = 0,
        repeated_ends: bool = False,
        compensated: bool = False,
    ) -> None:
        if layers not in LAYERS:
            raise ValueError(f"layers are one of {', '.join(LAYERS)}, not {layers}")
        if reach not in REACHES:
            raise ValueError(f"reach is one of {', '.join(REACHES)}, not {reach}")
        if text_dim and reach != "space-time":
            raise ValueError("words are heard by attention in space and time only")
        if waves and reach != "space-time":
            raise ValueError("travelling waves are for attention in space and time only")
        if reader_dim and not text_dim:
            raise ValueError("a reader needs words to read: text_dim above 0")
        if context_channels is None:
            context_channels = unet.config.out_channels
        sizes = {
            "context_channels": context_channels,
            "context_dim": context_dim,
            "embed_dim": embed_dim,
            "head_dim": head_dim,
            "layers": layers,
            "factor": factor,
            "reach": reach,
            "text_dim": text_dim,
            "reader_dim": reader_dim,
            "waves": waves,
            "repeated_ends": repeated_ends,
            "compensated": compensated,
        }
        super().__init__(unet, sizes)
        self.unet = unet
        weight = next(unet.parameters())
        self.embedding = StepEmbedding(embed_dim).to(weight.device, weight.dtype)
        self.reader = None
        if reader_dim:
            self.reader = WordReader(text_dim, reader_dim).to(weight.device, weight.dtype)
        self.context_encoder = None
        if context_channels:
            levels = len(unet.config.block_out_channels)
            self.context_encoder = ContextEncoder(context_channels, context_dim, levels)
            self.context_encoder.to(weight.device, weight.dtype)
        for block in [m for m in unet.modules() if isinstance(m, ResnetBlock2D | Transformer2DModel)]:
            context = context_dim if context_channels else 0
            channels = block.out_channels
            layer: TemporalLayer
            heads = max(1, channels // head_dim)
            if isinstance(block, ResnetBlock2D):
                if layers == "attention":
                    continue
                groups = block.norm2.num_groups
                layer = TemporalConvolution(channels, groups, embed_dim, context, self.state, repeated_ends)
            else:
                # beside convolutions, it is these that tell it what is known
                seen = context if layers == "attention" else 0
                own = (channels, heads, embed_dim, self.state, seen)
                layer = (
                    SpaceTimeAttention(*own, reader_dim or text_dim, waves)
                    if reach == "space-time"
                    else TemporalAttention(*own)
                )
            self.attach(block, layer)

    reads_context = True

    def forward(
        self,
        z_BTCHW: Tensor,
        timestep: Tensor | int | float,
        text_BLD: Tensor | None = None,
        *,
        context: Context | None = None,
        frame_step: Tensor | int = 1,
        extra_BTCHW: Tensor | None = None,
        class_labels: Tensor | None = None,
    ) -> Tensor:
        """One denoiser call: noisy latents (B, T, C, H, W) → prediction of the same shape.

        timestep: one, or (B,). text_BLD: hidden states of the text, one text a video; the image model reads the
        first channels, as many as it attends to, the temporal layers that hear words (`text_dim`) as many as they do.
        Stable Diffusion XL's holds the pooled text behind these (`pooled`).
        context: the known frames; None is S = 0. frame_step: distance of neighbouring frames, in frames at the pack's
        rate, one or (B,). extra_BTCHW: channels concatenated to the input (a low-resolution frame). class_labels: (B,).
        """
        B, T, _, H, W = z_BTCHW.shape
        device, dtype = z_BTCHW.device, z_BTCHW.dtype
        timestep_B = _each(timestep, B, device)
        state = self.state
        state.frames = T
        if state.on:
            state.text_BLD = self._heard(text_BLD)
            state.embedding_BE = self.embedding(timestep_B, _each(frame_step, B, device))
            if self.context_encoder is not None:
                if context is None:
                    context = Context.none(B, T, self.sizes["context_channels"], H, W, device, dtype)
                state.context = self.context_encoder(context)
        told = conditions(self.unet, text_BLD, z_BTCHW)
        spatial_BLD = None if text_BLD is None else text_BLD[..., : self.unet.config.cross_attention_dim]
        x = z_BTCHW if extra_BTCHW is None else torch.cat([z_BTCHW, extra_BTCHW], 2)
        x_NCHW = x.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        prediction_NCHW = self.unet(
            x_NCHW,
            timestep_B.repeat_interleave(T),
            None if spatial_BLD is None else spatial_BLD.repeat_interleave(T, 0),
            class_labels=None if class_labels is None else class_labels.repeat_interleave(T),
            added_cond_kwargs={k: v.repeat_interleave(T, 0) for k, v in told.items()} or None,
            return_dict=False,
        )[0]
        return prediction_NCHW.unflatten(0, (B, T))

    def _heard(self, text_BLD: Tensor | None) -> Tensor | None:
        """What the temporal layers hear of the text; None if they hear nothing."""
        text_dim = self.sizes["text_dim"]
        if not text_dim or text_BLD is None:
            return None
        heard_BLD = text_BLD[..., :text_dim]
        return heard_BLD if self.reader is None else self.reader(heard_BLD)


def _each(number: Tensor | int | float, B: int, device: torch.device) -> Tensor:
    """One number for all videos, or (B,) → (B,) on the device; a plain number is written there, not copied, for a copy
    waits and cannot be recorded in a CUDA graph."""
    if isinstance(number, Tensor):
        return number.to(device).expand(B)
    return torch.full((B,), number, device=device)
