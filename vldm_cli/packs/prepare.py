"""The first half of loading a part of a pack: its configuration and the headers of its files, and whether they fit.

Nothing is allocated (`build`), so a command can refuse a pack before its work begins; of weights it is seen that they
are numbers. Whatever is wrong is a RequestError that names the file.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from vldm_cli.align.decoder import FrameDecoder, VideoDecoder
from vldm_cli.align.foreign import ForeignUNet
from vldm_cli.align.temporal import CLOSING, TemporalModel
from vldm_cli.align.unet import VideoUNet
from vldm_cli.errors import RequestError
from vldm_cli.packs.build import Prepared, on_meta
from vldm_cli.packs.contents import UNET, Kind, read_sizes
from vldm_cli.packs.files import Unusable
from vldm_cli.packs.foreign import prepare_foreign_decoder, prepare_foreign_unet
from vldm_cli.packs.models import prepare_eyes, prepare_image, prepare_text
from vldm_cli.packs.named.agreement import disagreements
from vldm_cli.packs.named.places import Own, place
from vldm_cli.packs.named.schemas import FAMILY_KINDS
from vldm_cli.packs.pack import OWN, PARTS, Pack
from vldm_cli.packs.parts import SCHEDULERS, TEXTS
from vldm_cli.packs.schedules import lender, low_schedule, schedule
from vldm_cli.packs.sources import Source, differing
from vldm_cli.packs.words import Words

# The image model under each part of temporal layers.
SPATIAL = {
    "keyframes": "unet",
    "interpolation": "unet",
    "decoder": "vae",
    "upscaler_pixel_temporal": "upscaler_pixel",
    "upscaler_latent_temporal": "upscaler_latent",
    "upscaler_frame_temporal": "upscaler_frame",
}
"""The parts that are temporal layers, whole sets of them."""
# Of the parts that may lie elsewhere, those that go with others: what reads known frames and sketches comes with the
# keyframes, and another pack is checked for itself; and those that are configurations.
_NO_MODELS, _NO_WEIGHTS = ("context", "sketch", "upscaler"), ("tokenizer", "tokenizer_2", "schedule")


def prepare(pack: Pack, part: str, own: bool = False) -> Prepared:
    """Any part that videos are made with; own: as for `load_upscaler`. A second set of layers of its own is none.

    Its weights have been looked at for what is no number."""
    prepared = fitting(pack, part, own)
    prepared.check()
    return prepared


def fitting(pack: Pack, part: str, own: bool = False) -> Prepared:
    """The same by configurations and headers alone."""
    pack = lender(pack, part)
    for problem in disagreements(pack):
        raise RequestError(problem)
    if _is_text(part):
        return prepare_text(pack, part)
    if part == "eyes":
        return prepare_eyes(pack)
    if part == "upscaler_frame_temporal" and not pack.has(part):
        return prepare_frame_upscaler(pack)
    if part not in SPATIAL:
        return prepare_image(pack, part)
    return prepare_video(pack, part, own)


def prepare_video(pack: Pack, part: str, own: bool = False) -> Prepared:
    """Temporal layers over their image model, one of `SPATIAL`; own: as for `load_upscaler`."""
    pack, part = lender(pack, part), weights_of(pack, part)
    if part in pack.named:
        return prepare_foreign_decoder(pack) if part == "decoder" else prepare_foreign_unet(pack)
    image = prepare_image(pack, SPATIAL[part])
    prefix = "vae." if SPATIAL[part].endswith("vae") else "unet."
    sources = [replace(source, prefix=prefix) for source in image.sources]
    lies = Own(pack, part)
    if part == "decoder" and SPATIAL[part] in pack.named and not pack.has(part):
        return replace(image, model=on_meta(lambda: FrameDecoder(image.model)), sources=sources)
    with lies.blame():
        layers = lies.source()
        sizes = read_sizes(layers.header, part)
        kind = VideoDecoder if part == "decoder" else VideoUNet
        model = on_meta(lambda: kind(image.model, **sizes))
        sources.append(_fitting(layers, model))
    if own and part in OWN and pack.has(OWN[part]):
        lies = Own(pack, OWN[part])
        with lies.blame():
            closing = lies.source()
            sources.append(_fitting(closing, model, CLOSING))
            # a layer without weights: each set says for itself whether it goes with it
            model.sizes["compensated"] = read_sizes(closing.header, OWN[part]).get("compensated", False)
    return replace(image, model=model, sources=sources)


def prepare_frame_upscaler(pack: Pack) -> Prepared[ForeignUNet]:
    """Stable Diffusion's ×4 upscaler, which has no temporal layers: each frame for itself, and then averaged along the
    motion."""
    image = prepare_image(lender(pack, "upscaler_frame"), "upscaler_frame")
    model = on_meta(lambda: ForeignUNet(image.model, compensated=True))
    return Prepared(model, [replace(source, prefix="unet.") for source in image.sources])


def weights_of(pack: Pack, part: str) -> str:
    """The part whose model `part` is, which is then one and the same: a named keyframes' model fills in frames, too, if
    it reads any context. Raises RequestError where it does not, and nothing else does."""
    if part != "interpolation" or "keyframes" not in pack.named or pack.has(part):
        return part
    if "context" in pack.named and pack.named["context"].family == "sparsectrl":
        return "keyframes"
    raise RequestError(
        f"pack {pack.name}: its keyframes' model fills in nothing between known frames, and it has no other model that "
        'does; use `between = "motion"` in its pack.toml'
    )


def latent_channels(pack: Pack) -> int:
    """Channels of a latent frame, by the image LDM's configuration."""
    keyframes = pack.named.get("keyframes")
    if keyframes is not None and "unet" not in pack.named:  # a model that has its own image model
        return _config(pack, "keyframes", FAMILY_KINDS.get(keyframes.family or "", UNET))["out_channels"]
    return _config(pack, "unet", UNET)["out_channels"]


def misfits(pack: Pack) -> Iterator[str]:
    """One sentence for each part whose weights do not fit its configuration, or whose tokenizer cannot be read: what
    `Pack.problems` has no eyes for. A probe is checked by who measures with it."""
    found: set[str] = set()  # two parts may have one fault
    for check in _checks(pack):
        try:
            check()
        except RequestError as error:
            if str(error) not in found:
                found.add(str(error))
                yield str(error)


def _checks(pack: Pack) -> Iterator[Callable[[], object]]:
    own = [part for part in PARTS if part != "probe" and part not in OWN.values() and pack.has(part)]
    others = [
        part for part in pack.named if part not in (*own, *_NO_MODELS) and not part.endswith(_NO_WEIGHTS)
    ]
    for part in [*own, *others]:
        if _is_text(part):
            yield partial(Words.of, pack, part)
        if part in SCHEDULERS or (part in pack.named and part in ("keyframes", "upscaler_frame")):
            yield partial(schedule, pack, "unet" if part == "keyframes" else part)
        if part == "upscaler_frame":
            yield partial(low_schedule, pack)
        yield partial(prepare, pack, part, True)


def _is_text(part: str) -> bool:
    """Whether it is a text encoder, of the image model or of an upscaler."""
    return part in TEXTS or part.endswith("_text")


def _config(pack: Pack, part: str, kind: Kind) -> dict:
    lies = place(pack, part)
    with lies.blame(lies.config_name):
        return lies.config(kind)


def _fitting(layers: Source, model: TemporalModel, only: tuple[str, ...] = ("",)) -> Source:
    """The same, of temporal layers whose names end with one of `only`."""
    wanted = {name: t for name, t in model.temporal_state_dict().items() if name.endswith(only)}
    difference = differing(layers.pieces, wanted)
    if difference:
        raise Unusable(
            f"was made for an image model of another shape (it {difference}); use it with the image model that it was "
            "trained on or one fine-tuned from it"
        )
    return layers
