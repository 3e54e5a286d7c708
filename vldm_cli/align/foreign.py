"""Temporal layers that others have trained, on unmodified image models (Video LDM, §3.1, with layers of another make).

A `Family` says where its layers sit, how they are called, and which of a file's keys is which of theirs. The layers
are diffusers' own modules, the image models are diffusers' own, and hooks bring them together as they do vldm's layers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

from vldm_cli.align.context import Context
from vldm_cli.align.decoder import TemporalDecoder
from vldm_cli.align.layers import State
from vldm_cli.align.pooled import conditions
from vldm_cli.align.readers import NoContext, Sketches
from vldm_cli.align.temporal import TemporalModel

Run = Callable[[Any, Tensor, tuple, dict, int], Tensor]
"""run(module, x, args, kwargs, T): the temporal module on the output x of a block that was called with args, kwargs."""


@dataclass(frozen=True)
class Place:
    """One temporal module of a family. site: the block whose output it takes, by its name in the image model. holder:
    whose child it becomes, "" for the image model itself; None for the site."""

    site: str
    module: nn.Module
    run: Run
    holder: str | None = None


class Family(Protocol):
    """A kind of temporal layers. name: what manifests call it. image: the class under it. whole: its files hold the
    image model's weights too, in place of layers alone."""

    @property
    def name(self) -> str: ...
    @property
    def image(self) -> type: ...
    @property
    def whole(self) -> bool: ...

    def image_config(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Of a whole model's config, the image model's; of a family of layers alone, ValueError."""

    def places(self, image_model: nn.Module, config: Mapping[str, Any]) -> Iterator[Place]:
        """Every module, freshly made in the sizes of the image model and the family's own config."""

    def key(self, theirs: str, image_model: nn.Module) -> str | None:
        """A name in a file of this family → in the image model with its layers; None for what is no weight. Raises
        AttributeError if the image model has no such block."""


def renamed(key: str, patterns: Sequence[tuple[str, str]]) -> str:
    """The key with each regular expression replaced in turn."""
    for pattern, new in patterns:
        key = re.sub(pattern, new, key)
    return key


class ForeignLayer(nn.Module):
    """A temporal module and how it is called. Its children are this layer's own, so that names in files need no word
    in between."""

    module: nn.Module

    def __init__(self, module: nn.Module, run: Run, state: State) -> None:
        super().__init__()
        for name, child in module.named_children():
            self.add_module(name, child)
        # an attribute, not a child: its children are registered above
        self.__dict__["module"] = module
        self.run, self.state = run, state

    def forward(self, x_NCHW: Tensor, args: tuple = (), kwargs: dict | None = None) -> Tensor:
        return self.run(self.module, x_NCHW, args, kwargs or {}, self.state.frames)


def attach_family(
    model: TemporalModel, image_model: nn.Module, family: Family, config: Mapping[str, Any]
) -> None:
    """Puts a family's layers into the image model of a model that calls it."""
    blocks = dict(image_model.named_modules())
    for place in family.places(image_model, config):
        holder = None if place.holder is None else blocks[place.holder]
        model.attach(blocks[place.site], ForeignLayer(place.module, place.run, model.state), holder)


class ForeignUNet(TemporalModel):
    """A `UNet2DConditionModel` with a family's layers, called as vldm's own `VideoUNet` is.

    reader: how a `Context` reaches it (`readers`), for that is what such models differ in most; sketcher: what reads
    sketches for it, if it follows any. compensated: of an
    upscaler, as for `VideoUNet`. A family of None is the image model alone, each frame for itself.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        family: Family | None = None,
        config: Mapping[str, Any] | None = None,
        reader: nn.Module | None = None,
        compensated: bool = False,
        sketcher: Sketches | None = None,
    ) -> None:
        super().__init__(unet, {"compensated": compensated})
        if family is not None:
            attach_family(self, unet, family, config or {})
        self.unet, self.family = unet, family
        self.reader = NoContext() if reader is None else reader
        self.sketcher = sketcher

    @property
    def reads_context(self) -> bool:
        """Whether it was made for known frames; if not, the sampler has to put them in its predictions' place."""
        return bool(self.reader.reads)

    def forward(
        self,
        z_BTCHW: Tensor,
        timestep: Tensor | float,
        text_BLD: Tensor | None = None,
        *,
        context: Context | None = None,
        frame_step: Tensor | int = 1,
        extra_BTCHW: Tensor | None = None,
        class_labels: Tensor | None = None,
        sketch_BTCHW: Tensor | None = None,
        sketch_mask_BT: Tensor | None = None,
    ) -> Tensor:
        """One denoiser call: noisy latents (B, T, C, H, W) → prediction of the same shape; arguments as of `VideoUNet`.
        frame_step is nothing that these models are told. sketch_BTCHW: (B, T, 3, H, W) in pixels, read where the mask
        is 1 (`readers.Sketches`); of a model with a `sketcher`."""
        del frame_step
        B, T = z_BTCHW.shape[:2]
        self.state.frames = T
        timestep_B = torch.as_tensor(timestep, device=z_BTCHW.device).expand(B)
        told = conditions(self.unet, text_BLD, z_BTCHW)
        if text_BLD is not None:
            text_BLD = text_BLD[..., : self.unet.config.cross_attention_dim]
        given = self.reader(z_BTCHW, timestep_B, text_BLD, context)
        if self.sketcher is not None and sketch_BTCHW is not None:
            drawn = self.sketcher(z_BTCHW, timestep_B, text_BLD, sketch_BTCHW, sketch_mask_BT)
            given = given.with_residuals(drawn)
        added = given.added or told
        parts = [x for x in (z_BTCHW, extra_BTCHW, given.extra_BTCHW) if x is not None]
        x_NCHW = torch.cat(parts, 2).flatten(0, 1)
        text_BLD = given.text_BLD if given.text_BLD is not None else text_BLD
        prediction_NCHW = self.unet(
            x_NCHW.contiguous(memory_format=torch.channels_last),
            timestep_B.repeat_interleave(T),
            None if text_BLD is None else text_BLD.repeat_interleave(T, 0),
            class_labels=None if class_labels is None else class_labels.repeat_interleave(T),
            added_cond_kwargs={k: v.repeat_interleave(T, 0) for k, v in added.items()} or None,
            **given.residuals,
            return_dict=False,
        )[0]
        return prediction_NCHW.unflatten(0, (B, T))


class ForeignDecoder(TemporalDecoder):
    """An `AutoencoderKL` whose decoder has a family's layers."""

    def __init__(self, vae: AutoencoderKL, family: Family, config: Mapping[str, Any]) -> None:
        super().__init__(vae, {})
        attach_family(self, vae, family, config)
        self.vae, self.family = vae, family

    def encode(self, x_BTCHW: Tensor) -> Tensor:
        """In float32 where the encoder overflows in float16 (`force_upcast`), as diffusers has it."""
        if self.vae.dtype != torch.float16 or not self.vae.config.force_upcast:
            return super().encode(x_BTCHW)
        parts = [part for part in (self.vae.encoder, self.vae.quant_conv) if part is not None]
        try:
            for part in parts:
                part.float()
            return super().encode(x_BTCHW.float()).to(x_BTCHW.dtype)
        finally:
            for part in parts:
                part.half()
