"""The first half of loading a part of a pack: its configuration and the headers of its files, and whether they fit.

Nothing is allocated (`build`), so a command can refuse a pack before its work begins; of weights it is seen that they
are numbers. Whatever is wrong is a RequestError that names the file.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from vldm_cli.align.decoder import VideoDecoder
from vldm_cli.align.temporal import CLOSING, TemporalModel
from vldm_cli.align.unet import VideoUNet
from vldm_cli.errors import RequestError, RunError
from vldm_cli.packs.build import Model, Prepared, Source, arguments, chosen, differing, on_meta
from vldm_cli.packs.contents import SCHEDULER, TEXT, UNET, VAE, Kind, read_config, read_sizes
from vldm_cli.packs.files import Unusable
from vldm_cli.packs.pack import OWN, PARTS, Pack
from vldm_cli.packs.parts import SCHEDULERS, config_of
from vldm_cli.packs.schemas import TEXT_NOTES
from vldm_cli.packs.values import only_known
from vldm_cli.packs.words import Words

# The image model under each part of temporal layers.
SPATIAL = {
    "keyframes": "unet",
    "interpolation": "unet",
    "decoder": "vae",
    "upscaler_pixel_temporal": "upscaler_pixel",
    "upscaler_latent_temporal": "upscaler_latent",
}
"""The parts that are temporal layers, whole sets of them."""


def prepare(pack: Pack, part: str, own: bool = False) -> Prepared:
    """Any part that videos are made with; own: as for `load_upscaler`. A second set of layers of its own is none.

    Its weights have been looked at for what is no number."""
    if part == "text":
        prepared: Prepared = prepare_text(pack)
    else:
        prepared = prepare_video(pack, part, own) if part in SPATIAL else prepare_image(pack, part)
    prepared.check()
    return prepared


def prepare_image(pack: Pack, part: str) -> Prepared:
    """An image model of diffusers' own: a UNet or an autoencoder."""
    if part.endswith("vae"):
        return prepare_model(pack, part, AutoencoderKL, VAE)
    return prepare_model(pack, part, UNet2DConditionModel, UNET)


def prepare_model(
    pack: Pack, part: str, made_of: type[Model], kind: Kind, finish: Callable[[Model], object] | None = None
) -> Prepared[Model]:
    """A model of any class with a diffusers configuration, which `kind` checks; finish: as for `Prepared`."""
    name = config_of(part)
    with blame(pack, name):
        entries = arguments(made_of, read_config(pack.file(name), kind), kind.schema)
        model = on_meta(lambda: made_of(**entries))
    return Prepared(model, [_weights(pack, part, model, name)], *([finish] if finish else []))


def prepare_text(pack: Pack) -> Prepared[CLIPTextModel]:
    """The text encoder."""
    name = config_of("text")
    with blame(pack, name):
        table = read_config(pack.file(name), TEXT)
        table = {key: value for key, value in table.items() if key not in ("dtype", *TEXT_NOTES)}
        entries = chosen(table, TEXT.schema, CLIPTextConfig().to_dict())
        model = on_meta(lambda: CLIPTextModel(CLIPTextConfig(**entries)))
    return Prepared(model, [_weights(pack, "text", model, name)], _numbered)


def prepare_video(pack: Pack, part: str, own: bool = False) -> Prepared:
    """Temporal layers over their image model, one of `SPATIAL`; own: as for `load_upscaler`."""
    image = prepare_image(pack, SPATIAL[part])
    prefix = "vae." if SPATIAL[part].endswith("vae") else "unet."
    sources = [replace(source, prefix=prefix) for source in image.sources]
    with blame(pack, PARTS[part]):
        layers = Source.of(pack.file(PARTS[part]))
        sizes = read_sizes(layers.header, part)
        kind = VideoDecoder if part == "decoder" else VideoUNet
        model = on_meta(lambda: kind(image.model, **sizes))
        sources.append(_fitting(layers, model))
    if own and part in OWN and pack.has(OWN[part]):
        with blame(pack, PARTS[OWN[part]]):
            closing = Source.of(pack.file(PARTS[OWN[part]]))
            sources.append(_fitting(closing, model, CLOSING))
            # a layer without weights: each set says for itself whether it goes with it
            model.sizes["compensated"] = read_sizes(closing.header, OWN[part]).get("compensated", False)
    return Prepared(model, sources)


def latent_channels(pack: Pack) -> int:
    """Channels of a latent frame, by the image LDM's configuration."""
    name = config_of("unet")
    with blame(pack, name):
        return read_config(pack.file(name), UNET)["out_channels"]


def schedule(pack: Pack, part: str) -> dict:
    """The noise schedule of an image model, as diffusers' schedulers take it."""
    name = SCHEDULERS[part]
    with blame(pack, name):
        table = read_config(pack.file(name), SCHEDULER)
        entries = {key: value for key, value in table.items() if not key.startswith("_")}
        only_known(entries, SCHEDULER.schema)
        betas, steps = entries.get("trained_betas"), entries["num_train_timesteps"]
        if betas is not None and len(betas) != steps:
            raise Unusable(f"has {len(betas)} trained_betas and {steps} num_train_timesteps")
    return entries


def misfits(pack: Pack) -> Iterator[str]:
    """One sentence for each part whose weights do not fit its configuration, or whose tokenizer cannot be read: what
    `Pack.problems` has no eyes for. A probe is checked by who measures with it."""
    parts = [part for part in PARTS if part != "probe" and part not in OWN.values() and pack.has(part)]
    for part in parts:
        try:
            if part == "text":
                Words.of(pack)
            if part in SCHEDULERS:
                schedule(pack, part)
            prepare(pack, part, own=True)
        except RequestError as error:
            yield str(error)


@contextmanager
def blame(pack: Pack, name: str) -> Iterator[None]:
    """Whatever is wrong within is told of that file of the pack: RequestError with its remedy."""
    try:
        yield
    except Unusable as error:
        raise RequestError(pack.sentence(name, error)) from error
    except ValueError as error:
        raise RequestError(pack.sentence(name, f"is unusable: {error}")) from error
    except MemoryError as error:
        raise RunError(
            f"memory ran out while {name} of pack {pack.name} was checked; free some, then again"
        ) from error


def _weights(pack: Pack, part: str, model: nn.Module, config: str) -> Source:
    """The weights' file of a part that is a whole model."""
    with blame(pack, PARTS[part]):
        source = Source.of(pack.file(PARTS[part]))
        difference = differing(source.header, model.state_dict())
        if difference:
            raise Unusable(f"does not fit {config}: it {difference}")
    return source


def _fitting(layers: Source, model: TemporalModel, only: tuple[str, ...] = ("",)) -> Source:
    """The same, of temporal layers whose names end with one of `only`."""
    wanted = {name: t for name, t in model.temporal_state_dict().items() if name.endswith(only)}
    difference = differing(layers.header, wanted)
    if difference:
        raise Unusable(
            f"was made for an image model of another shape (it {difference}); use it with the image model that it was "
            "trained on or one fine-tuned from it"
        )
    return layers


def _numbered(text: CLIPTextModel) -> None:
    """The numbers of a prompt's places, which the text encoder keeps and no file holds."""
    places = text.config.max_position_embeddings
    embeddings = next(m for m in text.modules() if hasattr(m, "position_ids"))
    embeddings.position_ids = torch.arange(places, device=text.device).expand((1, -1))
