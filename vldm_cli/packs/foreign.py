"""Temporal layers that others have trained, and what reads known frames for them, on the meta device with their files
(`align.foreign`, `align.readers`)."""

from dataclasses import replace
from functools import partial
from typing import Any

from diffusers import (
    AutoencoderKLTemporalDecoder,
    MotionAdapter,
    SparseControlNetModel,
    UNet2DConditionModel,
    UNet3DConditionModel,
    UNetSpatioTemporalConditionModel,
)
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import nn

from vldm_cli.align.families import FAMILIES
from vldm_cli.align.foreign import Family, ForeignDecoder, ForeignUNet
from vldm_cli.align.positions import keep_sinusoids
from vldm_cli.align.readers import FirstFrame, NoContext, Sketches, SparseCtrl
from vldm_cli.packs.build import Prepared, arguments, on_meta
from vldm_cli.packs.files import Unusable
from vldm_cli.packs.lora import additions, motion_additions
from vldm_cli.packs.models import prepare_image, weights, with_loras
from vldm_cli.packs.named import layouts
from vldm_cli.packs.named.places import Named
from vldm_cli.packs.named.schemas import FAMILY_KINDS, SPARSECTRL_KIND
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.sources import Source, differing
from vldm_cli.packs.values import shown

# The classes whose configurations these families' are.
_CLASSES: dict[str, type] = {
    "animatediff": MotionAdapter,
    "animatediff-window": MotionAdapter,
    "svd": UNetSpatioTemporalConditionModel,
    "modelscope": UNet3DConditionModel,
    "svd-decoder": AutoencoderKLTemporalDecoder,
}
UNETS = tuple(name for name, family in FAMILIES.items() if family.image is UNet2DConditionModel)
DECODERS = tuple(name for name, family in FAMILIES.items() if family.image is AutoencoderKL)
READERS = ("sparsectrl", "first-frame")


def prepare_foreign_unet(pack: Pack) -> Prepared[ForeignUNet]:
    """The keyframes' model of a family, with its reader."""
    lies = Named(pack, "keyframes")
    family, config = _family(lies, UNETS)
    image = _image(lies, family, config) if family.whole else prepare_image(pack, "unet")
    with lies.blame(lies.config_name):
        reader, read = _reader(pack)
        sketcher, drawn = _sketcher(pack)
        model = on_meta(lambda: ForeignUNet(image.model, family, config, reader, sketcher=sketcher))
    sources = [replace(source, prefix="unet.") for source in image.sources]
    layers = _layers(lies, family, model, image.model, "unet.")
    if family.whole:
        layers = with_loras(pack, layers, "image", partial(additions, part="unet", model=image.model))
    added = partial(motion_additions, family=family, image_model=image.model)
    sources.append(with_loras(pack, layers, "motion", added))
    return Prepared(model, [*sources, *read, *drawn], image.finish)


def prepare_foreign_decoder(pack: Pack) -> Prepared[ForeignDecoder]:
    """The temporal decoder of a family."""
    lies = Named(pack, "decoder")
    family, config = _family(lies, DECODERS)
    image = _image(lies, family, config)
    with lies.blame(lies.config_name):
        model = on_meta(lambda: ForeignDecoder(image.model, family, config))
    return Prepared(model, [_layers(lies, family, model, image.model, "vae.")])


def _family(lies: Named, known: tuple[str, ...]) -> tuple[Family, dict[str, Any]]:
    """The family of a part and its own configuration."""
    name = lies.origin.family or ""
    with lies.blame(lies.config_name):
        if name not in known:
            raise Unusable(f"has the family {shown(name)}; use one of {', '.join(known)}")
        kind = FAMILY_KINDS[name]
        return FAMILIES[name], arguments(_CLASSES[name], lies.config(kind), kind.schema)


def _image(lies: Named, family: Family, config: dict[str, Any]) -> Prepared:
    """The image model under the layers of a family whose files hold both; their weights come with the layers."""
    with lies.blame(lies.config_name):
        return Prepared(on_meta(lambda: family.image(**family.image_config(config))), [])


def _layers(
    lies: Named, family: Family, model: ForeignUNet | ForeignDecoder, image_model: nn.Module, prefix: str
) -> Source:
    """The file of a family's layers, or of these with their image model."""

    def named(pieces):
        try:
            found = {family.key(name, image_model): piece for name, piece in pieces.items()}
        except AttributeError as error:
            raise Unusable(f"was made for an image model of another shape ({error})") from error
        return {name: piece for name, piece in found.items() if name is not None}

    wanted = {
        name.removeprefix(prefix): tensor
        for name, tensor in model.state_dict().items()
        if name.startswith(prefix) and (family.whole or ".temporal." in name)
    }
    with lies.blame():
        source = lies.source(named, prefix)
        difference = differing(source.pieces, wanted)
        if difference:
            raise Unusable(
                f"does not fit {lies.config_name}"
                f"{'' if family.whole else ' and the image model under it'}: it {difference}"
            )
    return source


def _reader(pack: Pack) -> tuple[nn.Module, list[Source]]:
    """How known frames reach the keyframes' model, and the files of what reads them."""
    if "context" not in pack.named:
        return NoContext(), []
    lies = Named(pack, "context")
    part = lies.origin
    if part.family == "first-frame":
        told = {name: getattr(part, name) for name in ("fps", "bucket", "noise")}
        return FirstFrame(**{name: value for name, value in told.items() if value is not None}), []
    with lies.blame(lies.config_name):
        if part.family != "sparsectrl":
            raise Unusable(f"has the family {shown(part.family or '')}; use one of {', '.join(READERS)}")
    network, source = _sparsectrl(lies, False)
    return SparseCtrl(network, part.scale), [replace(source, prefix="reader.network.")]


def _sketcher(pack: Pack) -> tuple[Sketches | None, list[Source]]:
    """What reads sketches for the keyframes' model, and its files."""
    if "sketch" not in pack.named:
        return None, []
    lies = Named(pack, "sketch")
    with lies.blame(lies.config_name):
        if lies.origin.family != "sparsectrl":
            raise Unusable(f"has the family {shown(lies.origin.family or '')}; use sparsectrl")
    network, source = _sparsectrl(lies, True)
    return Sketches(network, lies.origin.scale), [replace(source, prefix="sketcher.network.")]


def _sparsectrl(lies: Named, sketches: bool) -> tuple[SparseControlNetModel, Source]:
    """A network of SparseCtrl, of the kind that reads sketches or of that which reads latents."""
    with lies.blame(lies.config_name):
        entries = arguments(SparseControlNetModel, lies.config(SPARSECTRL_KIND), SPARSECTRL_KIND.schema)
        network = on_meta(lambda: SparseControlNetModel(**entries))
        if sketches == network.config.use_simplified_condition_embedding:
            kinds = "known frames, as [parts.context] does", "sketches, as [parts.sketch] does"
            raise Unusable(f"is of the kind that reads {kinds[not sketches]}")
    keep_sinusoids(network)
    return network, weights(lies, network, layouts.sparsectrl)
