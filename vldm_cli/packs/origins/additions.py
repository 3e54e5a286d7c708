"""Files that are put into a pack or added to it: what each is, told by its tensors' names and shapes."""

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.packs.choice import expanded, strength_of
from vldm_cli.packs.elsewhere import NAMELESS, Addition, Embedding, Part
from vldm_cli.packs.manifest import MANIFEST, read_manifest
from vldm_cli.packs.origins.cached import snapshot
from vldm_cli.packs.origins.home import pulled, repository
from vldm_cli.packs.origins.listing import Folder, class_of, part
from vldm_cli.packs.origins.shapes import SUFFIXES, shapes
from vldm_cli.packs.schemas import SD_SCALE, XL_SCALE
from vldm_cli.packs.values import shown

_STRONGEST = 10.0
_LORA = (
    "lora_down.",
    "lora_up.",
    ".lora.down.",
    ".lora.up.",
    ".lora_A.",
    ".lora_B.",
    "_lora.down.",
    "_lora.up.",
)


@dataclass(frozen=True)
class Space:
    """The latents that an autoencoder must be of: what they are scaled by, whose they are, and the configuration of an
    autoencoder's file (`packs/configs`), which does not say."""

    scale: float
    of: str
    config: str


SD = Space(SD_SCALE, "Stable Diffusion 1.x or 2.x", "sd15")
XL = Space(XL_SCALE, "Stable Diffusion XL", "sdxl")
_SVD_VAE = "svd"
# Stable Diffusion XL's autoencoder mended so that it does not overflow in float16 is told by its name alone.
_MENDED, _MENDED_CONFIG = re.compile(r"fp16.?fix|sdxl\.vae", re.IGNORECASE), "sdxl-fp16-fix"


def lora(named: str) -> Addition:
    """A LoRA's FILE or FILE:STRENGTH: of the image model, or of the motion modules. Raises RequestError."""
    name, strength = strength_of(named)
    amount = 1.0
    if strength is not None:
        try:
            amount = float(strength)
        except ValueError:
            amount = math.nan
        if not abs(amount) <= _STRONGEST:
            raise RequestError(
                f"--lora {named}: {strength or 'nothing'} is no strength; give a number from -10 to 10 after the colon"
            )
    path = _file("--lora", name)
    held = shapes(path)
    if not any(end in key for key in held for end in _LORA):
        raise RequestError(f"--lora {name} holds no LoRA; name a file of up and down weights")
    to = "motion" if any("motion_modules" in key for key in held) else "image"
    return Addition(file=path.name, path=str(path.parent), to=to, strength=amount)


def embedding(named: str, two: bool = False) -> Embedding:
    """A file of a textual inversion; the word for it is what the file calls it, or the file's own name. two: for Stable
    Diffusion XL's two text encoders. Raises RequestError."""
    path = _file("--embedding", named)
    held = shapes(path)
    rows = {name: shape for name, shape in held.items() if len(shape) in (1, 2) and shape[-1] >= 32}
    if ("clip_g" in held) != two and rows:
        raise RequestError(
            f"--embedding {named} is {'not ' if two else ''}for Stable Diffusion XL; name one for the pack's own model"
        )
    if not rows or len(held) > 20:
        raise RequestError(
            f"--embedding {named} holds no textual inversion; name a file with a word's vectors"
        )
    own = next(iter(rows))
    token = path.stem if len(held) > 1 or own in NAMELESS else own
    return Embedding(file=path.name, path=str(path.parent), token=token)


def vae(named: str, space: Space = SD) -> tuple[str, Part]:
    """("vae" or "decoder", the part): an autoencoder's file or folder; Stable Video Diffusion's is a decoder of frames
    that see each other. Raises RequestError, also for one of another latent space."""
    path, known = expanded(named), pulled(named)
    if known and (known / MANIFEST).is_file():
        parts = read_manifest(known).elsewhere.parts
        for name in ("decoder", "vae"):
            if name in parts and (name == "vae" or space == SD):
                return name, parts[name]
        raise RequestError(f"--vae {named} holds no autoencoder; name another pack, a file or a folder")
    if path.is_file():
        return _vae_file(_file("--vae", named), space)
    listing = place("--vae", named)
    for folder in ("", "vae"):
        config = f"{folder}/config.json".lstrip("/")
        kind = class_of(listing, config) if listing.has(config) else ""
        if kind in ("AutoencoderKL", "AutoencoderKLTemporalDecoder"):
            table = listing.read(config)
            scale, channels = table.get("scaling_factor", SD_SCALE), table.get("latent_channels", 4)
            if channels != 4 or not isinstance(scale, int | float) or abs(scale - space.scale) > 1e-6:
                raise RequestError(
                    f"--vae {named} is of another latent space ({shown(channels)} channels scaled by {shown(scale)}, "
                    f"not 4 by {space.scale}); name one for {space.of}"
                )
            found = located_at(part(listing, folder), listing)
            temporal = kind == "AutoencoderKLTemporalDecoder"
            return ("decoder", replace(found, family="svd-decoder")) if temporal else ("vae", found)
    raise RequestError(
        f"--vae {named} holds no autoencoder; name a folder with an AutoencoderKL's config.json"
    )


def place(option: str, named: str) -> Folder:
    """A folder on the disk or a repository in the hub's cache. Raises RequestError where it is neither."""
    path = expanded(named)
    if path.is_dir():
        return Folder(path.resolve(), named)
    hub = repository(named)
    if not hub or path.suffix.lower() in SUFFIXES:
        raise RequestError(f"there is no {named}; name a file, a folder or OWNER/NAME with {option}")
    folder = snapshot(hub[0], hub[1], "config.json") or snapshot(hub[0], hub[1], "vae/config.json")
    if folder is None:
        raise RequestError(f"{option} {named} is not here; fetch it with `vldm packs pull {named}`")
    return Folder(folder, named, hub[0], folder.name)


def located_at(one: Part, listing: Folder) -> Part:
    """A part of a listing with its absolute place on the disk, where it is not the hub's."""
    if one.hub:
        return one
    here = str(listing.root)
    return replace(one, path=here, shards=tuple(replace(shard, path=here) for shard in one.shards))


def _vae_file(path: Path, space: Space) -> tuple[str, Part]:
    held = shapes(path)
    here = Part(file=path.name, path=str(path.parent))
    if "decoder.time_conv_out.weight" in held and space != SD:
        raise RequestError(
            f"--vae {path} is of another latent space, Stable Video Diffusion's; name one for {space.of}"
        )
    if "decoder.time_conv_out.weight" in held:
        return "decoder", replace(here, family="svd-decoder", config=_SVD_VAE)
    prefix = "first_stage_model." if any(name.startswith("first_stage_model.") for name in held) else ""
    last = held.get(f"{prefix}decoder.conv_in.weight", ())
    if len(last) != 4:
        raise RequestError(f"--vae {path} holds no autoencoder; name another file")
    if last[1] != 4:
        raise RequestError(
            f"--vae {path} is of another latent space ({last[1]} channels, not 4); name one for {space.of}"
        )
    original = any(name.startswith(f"{prefix}decoder.up.") for name in held)
    config = _MENDED_CONFIG if space == XL and _MENDED.search(path.name) else space.config
    return "vae", replace(here, config=config, layout="original" if original else "diffusers")


def _file(option: str, named: str) -> Path:
    path = expanded(named)
    if path.is_dir():
        raise RequestError(f"{option} {named} is a folder; name a file")
    if not path.is_file():
        raise RequestError(f"{option} {named}: there is no such file; name one that is here")
    return path.resolve()
