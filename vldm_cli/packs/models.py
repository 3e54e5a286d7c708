"""Whole models of a pack on the meta device, with the files that have been found to fit them (`build.Prepared`): image
models, text encoders, and what sees pictures; wherever they lie (`named.places`)."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from vldm_cli.packs.build import Model, Prepared, arguments, chosen, on_meta
from vldm_cli.packs.contents import TEXT, UNET, VAE, Kind
from vldm_cli.packs.elsewhere import Addition
from vldm_cli.packs.files import Unusable
from vldm_cli.packs.located import located
from vldm_cli.packs.lora import additions, together
from vldm_cli.packs.named import layouts
from vldm_cli.packs.named.inversions import inversions, of_embedding
from vldm_cli.packs.named.places import Named, Place, blame, place
from vldm_cli.packs.named.places import source as weights_in
from vldm_cli.packs.named.schemas import EYES_KIND
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.parts import TEXTS
from vldm_cli.packs.schemas import TEXT_NOTES
from vldm_cli.packs.sources import Change, Convert, Source, differing

Layout = Callable[[str, Mapping[str, Any]], Convert]
"""layout, configuration → how a file's names are converted; one of `named.layouts`."""


def prepare_image(pack: Pack, part: str) -> Prepared:
    """An image model of diffusers' own: a UNet or an autoencoder."""
    if not part.endswith("vae"):
        prepared = prepare_model(pack, part, UNet2DConditionModel, UNET, layout=layouts.unet)
        if part == "unet":
            _with_loras(pack, prepared, "unet")
        return prepared
    prepared = prepare_model(pack, part, AutoencoderKL, VAE, layout=layouts.vae)
    if part == "upscaler_frame_vae":
        prepared.dtype = torch.float32  # it overflows in float16
    # so does Stable Diffusion XL's, but for one that was mended and says so; others are said to, and do not
    prepared.overflows = pack.has("text_2") and bool(prepared.model.config.force_upcast)
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
    return Prepared(model, [source]) if finish is None else Prepared(model, [source], finish)


def prepare_text(pack: Pack, part: str = "text") -> Prepared:
    """A text encoder, with the words of the pack's textual inversions if it is the image model's: a CLIPTextModel, and
    one with a projection as Stable Diffusion XL's second."""
    second = part == "text_2"
    made_of = CLIPTextModelWithProjection if second else CLIPTextModel
    layout = layouts.text_2 if second else layouts.text
    prepared = _transformer(pack, part, made_of, CLIPTextConfig, TEXT, layout)
    if part in TEXTS:
        _with_loras(pack, prepared, part)
        _with_words(pack, prepared, part)
    return prepared


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


def with_loras(
    pack: Pack, source: Source, to: str, added: Callable[[Source, float], Mapping[str, Change]]
) -> Source:
    """A file of weights with what the pack's LoRAs to that target (one of `elsewhere.TARGETS`) add, besides what is
    added to it already. added: a LoRA's file and its strength → what becomes of which weights."""
    changes, remarks = [source.changes], [source.remark]
    for lora in pack.manifest.elsewhere.loras:
        if lora.to == to:
            with _of_lora(pack, lora):
                file = _sound(weights_in(located(lora, pack.folder, pack.name)))
                changes.append(added(file, lora.strength))
                remarks.append(file.remark)
    return replace(source, remark="; ".join(filter(None, remarks)), changes=together(changes))


def _sound(file: Source) -> Source:
    """The same; what is added to weights is no part of the model whose numbers are looked at when it is loaded."""
    if not file.is_sound():
        raise Unusable("holds weights that are no finite numbers")
    return file


@contextmanager
def _of_lora(pack: Pack, lora: Addition) -> Iterator[None]:
    """Whatever is wrong within is told of that LoRA."""

    def sentence(name: str, fault: object) -> str:
        return f"pack {pack.name}: the LoRA {name} {fault}; name one for this model, or leave it out"

    with blame(sentence, lora.name, lora.name):
        yield


def _with_loras(pack: Pack, prepared: Prepared, part: str) -> None:
    added = partial(additions, part=part, model=prepared.model, two=pack.has("text_2"))
    prepared.sources = [with_loras(pack, prepared.sources[0], "image", added)]


def _with_words(pack: Pack, prepared: Prepared, part: str) -> None:
    """The pack's textual inversions behind the words that the text encoder has."""
    width, rows = prepared.model.config.hidden_size, []
    for one, word in zip(pack.manifest.elsewhere.embeddings, inversions(pack), strict=True):
        with of_embedding(pack, one):
            own = word.of[part]
            if own.width != width:
                raise Unusable(f"has vectors of {own.width} numbers, and the text encoder's have {width}")
            rows.append((replace(_sound(weights_in(word.path)), remark=word.remark), own.name))
    if not rows:
        return

    def finish(model: CLIPTextModel | CLIPTextModelWithProjection) -> None:
        _numbered(model)
        known = model.get_input_embeddings().weight
        new = [source.read(name).view(-1, width).to(known) for source, name in rows]
        model.set_input_embeddings(nn.Embedding.from_pretrained(torch.cat([known, *new])))
        model.config.vocab_size = len(known) + sum(map(len, new))
        # A text as one vector is that of its last token. Old configurations have another number for that, by which
        # transformers takes the highest instead: with words behind those there were, one of them.
        inner = model.text_model if isinstance(model, CLIPTextModelWithProjection) else model
        inner.eos_token_id = len(known) - 1

    prepared.finish = finish
    prepared.sources[0] = replace(
        prepared.sources[0],
        remark="; ".join(filter(None, [prepared.sources[0].remark, *(source.remark for source, _ in rows)])),
    )


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
            weight = module.get_submodule("position_embedding").get_parameter("weight")
            module.position_ids = torch.arange(len(weight), device=weight.device).expand((1, -1))
