"""Whole models of a pack on the meta device, with the files that have been found to fit them (`build.Prepared`): image
models, text encoders, and what sees pictures; wherever they lie (`named.places`)."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModelWithProjection

from vldm_cli.packs.build import Convert, Model, Prepared, Source, arguments, chosen, differing, on_meta
from vldm_cli.packs.contents import TEXT, UNET, VAE, Kind
from vldm_cli.packs.files import Unusable
from vldm_cli.packs.named import layouts
from vldm_cli.packs.named.places import Named, Place, place
from vldm_cli.packs.named.schemas import EYES_KIND
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.schemas import TEXT_NOTES

Layout = Callable[[str, Mapping[str, Any]], Convert]
"""layout, configuration → how a file's names are converted; one of `named.layouts`."""


def prepare_image(pack: Pack, part: str) -> Prepared:
    """An image model of diffusers' own: a UNet or an autoencoder."""
    if not part.endswith("vae"):
        return prepare_model(pack, part, UNet2DConditionModel, UNET, layout=layouts.unet)
    prepared = prepare_model(pack, part, AutoencoderKL, VAE, layout=layouts.vae)
    if part == "upscaler_frame_vae":
        prepared.dtype = torch.float32  # it overflows in float16
    return prepared


def prepare_model(
    pack: Pack,
    part: str,
    made_of: type[Model],
    kind: Kind,
    finish: Callable[[Model], object] | None = None,
    layout: Layout | None = None,
) -> Prepared[Model]:
    """A model of any class with a diffusers configuration, which `kind` checks; finish: as for `Prepared`; layout: of
    one that may lie elsewhere."""
    lies = place(pack, part)
    with lies.blame(lies.config_name):
        entries = arguments(made_of, lies.config(kind), kind.schema)
        model = on_meta(lambda: made_of(**entries))
    source = weights(lies, model, None if layout is None else convert(lies, layout, entries))
    return Prepared(model, [source], *([finish] if finish else []))


def prepare_text(pack: Pack, part: str = "text") -> Prepared[CLIPTextModel]:
    """A text encoder."""
    return _transformer(pack, part, CLIPTextModel, CLIPTextConfig, TEXT, layouts.text)


def prepare_eyes(pack: Pack) -> Prepared[CLIPVisionModelWithProjection]:
    """What sees pictures for models that go on from one."""
    return _transformer(
        pack, "eyes", CLIPVisionModelWithProjection, CLIPVisionConfig, EYES_KIND, layouts.eyes
    )


def convert(lies: Place, layout: Layout, config: Mapping[str, Any]) -> Convert | None:
    """How names are converted in the file of a part; a pack's own files need none."""
    return layout(lies.origin.layout, config) if isinstance(lies, Named) else None


def weights(lies: Place, model: nn.Module, names: Convert | None = None) -> Source:
    """The weights' file of a part that is a whole model; names: how they are converted."""
    with lies.blame():
        source = lies.source(names)
        difference = differing(source.pieces, model.state_dict())
        if difference:
            raise Unusable(f"does not fit {lies.config_name}: it {difference}")
    return source


def _transformer(pack: Pack, part: str, made_of: type, config_of: type, kind: Kind, layout: Layout):
    lies = place(pack, part)
    with lies.blame(lies.config_name):
        table = {
            key: value
            for key, value in lies.config(kind).items()
            if key not in ("dtype", *TEXT_NOTES) and not key.startswith("_")
        }
        entries = chosen(table, kind.schema, config_of().to_dict())
        model = on_meta(lambda: made_of(config_of(**entries)))
    return Prepared(model, [weights(lies, model, convert(lies, layout, entries))], _numbered)


def _numbered(model: nn.Module) -> None:
    """The numbers of the places of a prompt's tokens or a picture's patches, which models keep and no file holds."""
    for module in model.modules():
        if hasattr(module, "position_ids"):
            places = module.position_embedding.num_embeddings
            module.position_ids = torch.arange(places, device=model.device).expand((1, -1))
