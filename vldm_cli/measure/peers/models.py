"""What is compared: calls of vldm's models and of diffusers' own at full size, where they can with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLTemporalDecoder,
    UNet2DConditionModel,
    UNetMotionModel,
    UNetSpatioTemporalConditionModel,
)
from torch import Tensor, nn

from vldm_cli.align import Context, align
from vldm_cli.align.families import FAMILIES
from vldm_cli.align.families.svd import diffusers_eps
from vldm_cli.align.foreign import ForeignDecoder, ForeignUNet
from vldm_cli.align.readers import FirstFrame
from vldm_cli.align.temporal import TemporalModel

Call = Callable[[], Tensor]


@dataclass(frozen=True)
class Sizes:
    """How large: channels of the levels, frames and latent sides of each call. The defaults are the public ones."""

    channels: tuple[int, ...] = (320, 640, 1280, 1280)
    pixels: tuple[int, ...] = (128, 256, 512, 512)
    upscaler: tuple[int, ...] = (256, 512, 512, 1024)
    head: int = 64
    heads: int = 8
    text: tuple[int, int] = (77, 1024)
    short: tuple[int, int, int] = (16, 64, 64)
    long: tuple[int, int, int] = (25, 72, 128)
    images: tuple[int, int, int] = (8, 40, 64)
    low: tuple[int, int] = (320, 512)


PUBLIC = Sizes()


@dataclass(frozen=True)
class Case:
    """One comparison. ours: the model that is made fast, and its call; theirs: the peer's call. same: whether both have
    the same weights, so that their results agree."""

    name: str
    peer: str
    model: TemporalModel
    ours: Call
    theirs: Call
    same: bool


def cases(device: torch.device, dtype: torch.dtype, sizes: Sizes) -> Iterator[Callable[[], Case]]:
    """Each is made when it is called, for not all of them have room beside each other."""
    make = _Maker(device, dtype, sizes)
    yield make.aligned
    yield make.animatediff
    yield make.stable_video
    yield make.image_unet
    yield make.decoder
    yield make.stable_video_decoder
    yield make.upscaler


class _Maker:
    def __init__(self, device: torch.device, dtype: torch.dtype, sizes: Sizes) -> None:
        self.device, self.dtype, self.sizes = device, dtype, sizes

    def _new(self, kind: Callable[..., nn.Module], **config):
        """A model of random weights, small enough that nothing leaves float16's range."""
        torch.manual_seed(0)
        with torch.device(self.device):
            return kind(**config).to(self.device, self.dtype).eval().requires_grad_(False)

    def _rand(self, *shape: int) -> Tensor:
        return torch.randn(shape, device=self.device).to(self.dtype)

    def _unet(self, **config) -> UNet2DConditionModel:
        levels = len(self.sizes.channels) - 1
        return self._new(
            UNet2DConditionModel,
            **{
                "block_out_channels": self.sizes.channels,
                "down_block_types": ("CrossAttnDownBlock2D",) * levels + ("DownBlock2D",),
                "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * levels,
                "cross_attention_dim": self.sizes.text[1],
                "attention_head_dim": [c // self.sizes.head for c in self.sizes.channels],
                "use_linear_projection": True,
                **config,
            },
        )

    def _motion(self) -> UNetMotionModel:
        s = self.sizes
        levels = len(s.channels) - 1
        return self._new(
            UNetMotionModel,
            block_out_channels=s.channels,
            down_block_types=("CrossAttnDownBlockMotion",) * levels + ("DownBlockMotion",),
            up_block_types=("UpBlockMotion",) + ("CrossAttnUpBlockMotion",) * levels,
            cross_attention_dim=s.text[1],
            num_attention_heads=s.heads,
            motion_num_attention_heads=s.heads,
        )

    def _guided(self, channels: int = 4) -> tuple[Tensor, Tensor, Tensor]:
        """Latents (2, T, C, h, w) of a call with guidance, time, text."""
        T, h, w = self.sizes.short
        torch.manual_seed(1)  # the same for a peer
        z = self._rand(1, T, channels, h, w).expand(2, -1, -1, -1, -1)
        return z, torch.tensor(500, device=self.device), self._rand(2, *self.sizes.text)

    def _their_motion_call(self, theirs: UNetMotionModel) -> Call:
        z, t, text = self._guided()
        x_BCTHW = z.transpose(1, 2).contiguous()
        heard = text.repeat_interleave(z.shape[1], 0)
        return lambda: theirs(x_BCTHW, t, heard, return_dict=False)[0].transpose(1, 2)

    def aligned(self) -> Case:
        model = laid_out(align(self._unet()))
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith((".temporal.conv2.weight", ".temporal.out.weight")):
                    parameter.normal_(std=0.01)
        z, t, text = self._guided()
        T, h, w = self.sizes.short
        name = f"align(SD 2.1), {T} x {8 * w}x{8 * h}, guidance"
        theirs = self._their_motion_call(self._motion())
        return Case(name, "AnimateDiff, SD 1.5", model, lambda: model(z, t, text), theirs, False)

    def animatediff(self) -> Case:
        theirs = self._motion()
        family = FAMILIES["animatediff-window"]
        unet = self._unet(attention_head_dim=self.sizes.heads, use_linear_projection=False)
        model = ForeignUNet(unet, family, theirs.config).to(self.device, self.dtype).eval()
        fill(model, unet, theirs.state_dict())
        model = laid_out(model)
        z, t, text = self._guided()
        T, h, w = self.sizes.short
        name = f"AnimateDiff, {T} x {8 * w}x{8 * h}, guidance"
        call = self._their_motion_call(theirs)
        return Case(name, "diffusers", model, lambda: model(z, t, text), call, True)

    def stable_video(self) -> Case:
        T, h, w = self.sizes.long
        heads = tuple(c // self.sizes.head for c in self.sizes.channels)
        theirs = self._new(
            UNetSpatioTemporalConditionModel,
            block_out_channels=self.sizes.channels,
            num_attention_heads=heads,
            cross_attention_dim=self.sizes.text[1],
            num_frames=T,
        )
        family = FAMILIES["svd"]
        unet = self._new(UNet2DConditionModel, **family.image_config(theirs.config))
        diffusers_eps(unet)
        first, seen = self._rand(2, 4, h, w), self._rand(2, 1, self.sizes.text[1])
        model = ForeignUNet(unet, family, theirs.config, FirstFrame(lambda z: (first, seen)))
        fill(model.to(self.device, self.dtype).eval(), unet, theirs.state_dict())
        model = laid_out(model)
        z = self._rand(1, T, 4, h, w).expand(2, -1, -1, -1, -1).contiguous()
        context, t = Context.leading(torch.zeros_like(z), 1), torch.tensor(1.5, device=self.device)
        x_BTCHW = torch.cat([z, first[:, None].expand(-1, T, -1, -1, -1)], 2)
        ids = torch.tensor([[6, 127, 0.02]], device=self.device, dtype=self.dtype).expand(2, 3)
        return Case(
            f"SVD-XT, {T} x {8 * w}x{8 * h}, guidance",
            "diffusers",
            model,
            lambda: model(z, t, context=context),
            lambda: theirs(x_BTCHW, t, seen, ids, return_dict=False)[0],
            True,
        )

    def image_unet(self) -> Case:
        N, h, w = self.sizes.images
        theirs, unet = self._unet(), self._unet()
        unet.load_state_dict(theirs.state_dict())
        model = laid_out(ForeignUNet(unet))
        z, text = self._rand(N, 1, 4, h, w), self._rand(N, *self.sizes.text)
        t = torch.tensor(500, device=self.device)
        return Case(
            f"SD 2.1 image UNet, {N} x {8 * w}x{8 * h}",
            "diffusers",
            model,
            lambda: model(z, t, text),
            lambda: theirs(z[:, 0], t, text, return_dict=False)[0][:, None],
            True,
        )

    def _autoencoder(self, **config) -> AutoencoderKL:
        levels = len(self.sizes.pixels)
        return self._new(
            AutoencoderKL,
            **{
                "block_out_channels": self.sizes.pixels,
                "down_block_types": ("DownEncoderBlock2D",) * levels,
                "up_block_types": ("UpDecoderBlock2D",) * levels,
                "layers_per_block": 2,
                "latent_channels": 4,
                **config,
            },
        )

    def _their_decoder(self) -> AutoencoderKLTemporalDecoder:
        return self._new(
            AutoencoderKLTemporalDecoder,
            block_out_channels=self.sizes.pixels,
            down_block_types=("DownEncoderBlock2D",) * len(self.sizes.pixels),
            layers_per_block=2,
        )

    def _their_decoding(self, theirs: AutoencoderKLTemporalDecoder, z_BTCHW: Tensor) -> Call:
        """Eight frames at a time, as its pipeline does by default for so many."""
        z_NCHW = z_BTCHW[0] / theirs.config.scaling_factor

        def call() -> Tensor:
            parts = [theirs.decode(z, num_frames=len(z)).sample for z in z_NCHW.split(8)]
            return torch.cat(parts)[None]

        return call

    def decoder(self) -> Case:
        model = laid_out(align(self._autoencoder()))
        T, h, w = self.sizes.short
        z = self._rand(1, T, 4, h, w)
        theirs = self._their_decoding(self._their_decoder(), z)
        name = f"temporal decoder, {T} x {8 * w}x{8 * h}"
        return Case(name, "SVD's decoder", model, lambda: model.decode(z), theirs, False)

    def stable_video_decoder(self) -> Case:
        theirs, family = self._their_decoder(), FAMILIES["svd-decoder"]
        vae = self._new(AutoencoderKL, **family.image_config(theirs.config))
        model = ForeignDecoder(vae, family, theirs.config).to(self.device, self.dtype).eval()
        fill(model, vae, theirs.state_dict())
        model = laid_out(model)
        T, h, w = self.sizes.short
        z = self._rand(1, T, 4, h, w)
        call = self._their_decoding(theirs, z)
        name = f"SVD's decoder, {T} x {8 * w}x{8 * h}"

        def ours() -> Tensor:
            return torch.cat([model.decode(part) for part in z.split(8, 1)], 1)

        return Case(name, "diffusers", model, ours, call, True)

    def upscaler(self) -> Case:
        levels = len(self.sizes.upscaler) - 1
        config = dict(
            in_channels=7,
            block_out_channels=self.sizes.upscaler,
            down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * levels,
            up_block_types=("CrossAttnUpBlock2D",) * levels + ("UpBlock2D",),
            only_cross_attention=(True,) * levels + (False,),
            attention_head_dim=8,
            num_class_embeds=1000,
        )
        theirs, unet = self._unet(**config), self._unet(**config)
        unet.load_state_dict(theirs.state_dict())
        model = laid_out(ForeignUNet(unet))
        h, w = self.sizes.low
        z, low, text = self._rand(1, 1, 4, h, w), self._rand(1, 1, 3, h, w), self._rand(1, *self.sizes.text)
        t, label = torch.tensor(500, device=self.device), torch.tensor([20], device=self.device)
        x_NCHW = torch.cat([z, low], 2)[0]
        return Case(
            f"x4 upscaler, one frame of {w}x{h}",
            "diffusers",
            model,
            lambda: model(z, t, text, extra_BTCHW=low, class_labels=label),
            lambda: theirs(x_NCHW, t, text, class_labels=label, return_dict=False)[0][:, None],
            True,
        )


def laid_out(model):
    """In the layout in which packs are loaded (`packs.load.loaded`)."""
    for weight in model.parameters():
        weight.requires_grad_(False)
        if weight.ndim == 4:
            weight.data = weight.data.to(memory_format=torch.channels_last)
    return model.eval()


def fill(model, image_model: nn.Module, theirs: dict[str, Tensor]) -> None:
    """Their weights, under this project's names."""
    named = {model.family.key(name, image_model): tensor for name, tensor in theirs.items()}
    state = {name: tensor for name, tensor in named.items() if name is not None}
    if not model.family.whole:
        own = image_model.state_dict()
        state |= {name: tensor for name, tensor in theirs.items() if name in own}
    image_model.load_state_dict(state)
