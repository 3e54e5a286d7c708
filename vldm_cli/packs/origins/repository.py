"""A folder in diffusers' layout as a pack: which pipeline it is of, its parts, and the numbers that go with it.

No torch. What is read is `model_index.json` and the configurations; weights are looked at when they are loaded.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import PurePosixPath

from vldm_cli.errors import RequestError
from vldm_cli.packs.elsewhere import Elsewhere, Part
from vldm_cli.packs.manifest import Manifest
from vldm_cli.packs.origins.listing import TRANSFORMERS, Listing, class_of, part, schedule, tokenizer
from vldm_cli.packs.origins.numbers import kind_of_motion, numbered, sampler_of, schedule_of
from vldm_cli.packs.values import shown

INDEX = "model_index.json"
XL_LEVELS = 3  # of Stable Diffusion XL's image model, and of the motion modules for it
_SVD_OF_SIX = re.compile(r"(xt|vid)[-_.]?1[-_.]1")
_CELL = 8  # pixels of a latent cell of every model here but the upscaler's


def read_repository(listing: Listing) -> Manifest:
    """The pack that a folder in diffusers' layout is; its hash is still empty. Raises RequestError, naming the folder,
    where it is none that vldm knows."""
    if not listing.has(INDEX):
        raise _no_pipeline(listing)
    table = listing.read(INDEX)
    kind = table.get("_class_name") if isinstance(table, dict) else None
    if not isinstance(kind, str) or kind not in PIPELINES:
        what = f"a {shown(kind)}" if isinstance(kind, str) else "of no kind that it names"
        raise RequestError(
            f"{listing.name} is {what}, and vldm makes videos with {', '.join(PIPELINES)}; name one of these"
        )
    return PIPELINES[kind](listing)


def read_part(listing: Listing) -> Manifest:
    """A repository of one part as a pack that has nothing else: motion modules, or an autoencoder. Raises RequestError
    where it is none."""
    config = "config.json"
    kind = class_of(listing, config) if listing.has(config) else ""
    if kind == "MotionAdapter":
        of = kind_of_adapter(listing)
        parts = {"keyframes": adapter(listing), "schedule": schedule_of(of)}
        return numbered(of, listing.name, listing.licence, "Motion modules for --motion", Elsewhere(parts))
    if kind in ("AutoencoderKL", "AutoencoderKLTemporalDecoder"):
        temporal = kind == "AutoencoderKLTemporalDecoder"
        name, family = ("decoder", "svd-decoder") if temporal else ("vae", None)
        parts = {name: part(listing, "", family=family)}
        return numbered("image", listing.name, listing.licence, "An autoencoder for --vae", Elsewhere(parts))
    raise _no_pipeline(listing)


def adapter(listing: Listing) -> Part:
    """The motion modules in a folder of diffusers' MotionAdapter. Raises RequestError where it holds none."""
    for folder in ("", "motion_adapter"):
        config = f"{folder}/config.json".lstrip("/")
        if listing.has(config) and class_of(listing, config) == "MotionAdapter":
            return part(listing, folder, family="animatediff")
    raise RequestError(
        f"{listing.name} holds no motion modules (a MotionAdapter's config.json and weights); name another --motion"
    )


def kind_of_adapter(listing: Listing) -> str:
    """The kind of these motion modules: Stable Diffusion XL's have a level less than the others."""
    folder = PurePosixPath(adapter(listing).config_file or "")
    levels = _table(listing, str(folder)).get("block_out_channels")
    three = isinstance(levels, list) and len(levels) == XL_LEVELS
    return "xl" if three else kind_of_motion(listing.name)


def _image(listing: Listing) -> Manifest:
    """Stable Diffusion 1.x or 2.x: single pictures, until layers that move them are named."""
    parts = {
        **_latent(listing),
        "unet": _of(listing, "unet", "UNet2DConditionModel"),
        "schedule": schedule(listing),
    }
    return _made(listing, "image", parts, "Stable Diffusion: single pictures, which --motion makes move")


def _animatediff(listing: Listing) -> Manifest:
    # diffusers saves the image model with the modules in it, and the modules once more
    unet = _of(listing, "unet", "UNet2DConditionModel", "UNetMotionModel")
    parts = {
        **_latent(listing),
        "unet": unet,
        "keyframes": adapter(listing),
        "schedule": schedule(listing),
    }
    if listing.has("controlnet/config.json"):
        # diffusers' pipeline has one of them, of either kind
        latents = _table(listing, "controlnet/config.json").get("use_simplified_condition_embedding", True)
        of = _of(listing, "controlnet", "SparseControlNetModel", family="sparsectrl")
        parts["context" if latents else "sketch"] = of
    return _made(listing, "animatediff", parts, "Stable Diffusion with AnimateDiff")


def _xl(listing: Listing) -> Manifest:
    """Stable Diffusion XL: single pictures, as `_image`."""
    parts = {
        **_latent(listing),
        **_second(listing),
        "unet": _of(listing, "unet", "UNet2DConditionModel"),
        "schedule": schedule(listing),
    }
    return _made(listing, "xl", parts, "Stable Diffusion XL: single pictures, which --motion makes move")


def _animatediff_xl(listing: Listing) -> Manifest:
    parts = {
        **_latent(listing),
        **_second(listing),
        "unet": _of(listing, "unet", "UNet2DConditionModel", "UNetMotionModel"),
        "keyframes": adapter(listing),
        "schedule": schedule(listing),
    }
    return _made(listing, "xl", parts, "Stable Diffusion XL with AnimateDiff")


def _svd(listing: Listing) -> Manifest:
    unet = _of(listing, "unet", "UNetSpatioTemporalConditionModel", family="svd")
    # 1.1 was tuned for one rate; nothing but its name tells it from those before
    rate = 6.0 if _SVD_OF_SIX.search(listing.name) else 7.0
    parts = {
        "keyframes": unet,
        "context": Part(family="first-frame", fps=rate, bucket=127.0, noise=0.02),
        "eyes": part(listing, "image_encoder", TRANSFORMERS),
        "decoder": _of(listing, "vae", "AutoencoderKLTemporalDecoder", family="svd-decoder"),
        "schedule": schedule(listing),
    }
    manifest = _made(listing, "svd", parts, "Stable Video Diffusion: a picture that begins to move")
    step = manifest.video.keyframe_step
    manifest = replace(manifest, video=replace(manifest.video, fps=Fraction(int(rate) * step)))
    frames = _table(listing, "unet/config.json").get("num_frames")
    if type(frames) is int and 2 <= frames <= 64:
        manifest = replace(manifest, video=replace(manifest.video, window=frames))
    return manifest


def _modelscope(listing: Listing) -> Manifest:
    parts = {
        **_latent(listing),
        "keyframes": _of(listing, "unet", "UNet3DConditionModel", family="modelscope"),
        "schedule": schedule(listing),
    }
    return _made(listing, "modelscope", parts, "Text to video, of ModelScope's shape")


def _x4(listing: Listing) -> Manifest:
    name = "upscaler_frame"
    parts = {
        name: _of(listing, "unet", "UNet2DConditionModel"),
        f"{name}_vae": _of(listing, "vae", "AutoencoderKL"),
        f"{name}_text": part(listing, "text_encoder", TRANSFORMERS),
        f"{name}_tokenizer": tokenizer(listing),
        f"{name}_schedule": schedule(listing),
        f"{name}_low_schedule": schedule(listing, "low_res_scheduler"),
    }
    return _made(listing, "x4", parts, "An upscaler alone: Stable Diffusion ×4", sized=False)


PIPELINES: dict[str, Callable[[Listing], Manifest]] = {
    "StableDiffusionPipeline": _image,
    "StableDiffusionXLPipeline": _xl,
    "AnimateDiffPipeline": _animatediff,
    "AnimateDiffSDXLPipeline": _animatediff_xl,
    "AnimateDiffSparseControlNetPipeline": _animatediff,
    "StableVideoDiffusionPipeline": _svd,
    "TextToVideoSDPipeline": _modelscope,
    "StableDiffusionUpscalePipeline": _x4,
}


def _latent(listing: Listing) -> dict[str, Part]:
    """What every model that listens to text has besides its denoiser."""
    return {
        "vae": _of(listing, "vae", "AutoencoderKL"),
        "text": part(listing, "text_encoder", TRANSFORMERS),
        "tokenizer": tokenizer(listing),
    }


def _second(listing: Listing) -> dict[str, Part]:
    """Stable Diffusion XL's other text encoder and its tokenizer."""
    return {
        "text_2": part(listing, "text_encoder_2", TRANSFORMERS),
        "tokenizer_2": tokenizer(listing, "tokenizer_2"),
    }


def _of(listing: Listing, folder: str, *kinds: str, **told) -> Part:
    """A model of diffusers' in a folder of it, of one of these classes. Raises RequestError for another one."""
    found = part(listing, folder, **told)
    told_kind = class_of(listing, f"{folder}/config.json")
    if told_kind not in ("", *kinds):
        raise RequestError(
            f"{listing.name} has a {told_kind} in {folder}, where vldm needs a {kinds[0]}; name another model"
        )
    return found


def _made(
    listing: Listing, kind: str, parts: dict[str, Part], description: str, sized: bool = True
) -> Manifest:
    side = _table(listing, "unet/config.json").get("sample_size") if sized else None
    sides = side if isinstance(side, list) and len(side) == 2 else [side, side]
    size = [_CELL * cells if type(cells) is int and 0 < cells <= 512 else 0 for cells in sides]
    manifest = numbered(kind, listing.name, listing.licence, description, Elsewhere(parts), size)
    of = parts["schedule"] if "schedule" in parts else parts["upscaler_frame_schedule"]
    sampler = sampler_of(class_of(listing, of.config_file or ""))
    return replace(manifest, defaults=replace(manifest.defaults, scheduler=sampler))


def _table(listing: Listing, file: str) -> dict:
    table = listing.read(file)
    return table if isinstance(table, dict) else {}


def _no_pipeline(listing: Listing) -> RequestError:
    """What a folder without a pipeline is, and what to do with it."""
    if listing.has("config.json"):
        kind = class_of(listing, "config.json")
        remedy = {
            "MotionAdapter": "name it with --motion, and an image model with --pack",
            "AutoencoderKL": "name it with --vae",
            "AutoencoderKLTemporalDecoder": "name it with --vae",
        }.get(kind, f"name a folder with {INDEX}")
        return RequestError(f"{listing.name} is one part of a model, {kind or 'of no known class'}; {remedy}")
    return RequestError(
        f"{listing.name} is no pack: there is neither a pack.toml nor a {INDEX} in it; name a pack or its folder"
    )
