"""What makes an image model's pictures move: motion modules in a file, a folder, a repository, or those of a pack."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.packs.choice import expanded
from vldm_cli.packs.elsewhere import Addition, Part
from vldm_cli.packs.manifest import MANIFEST, Defaults, Manifest, VideoNumbers, read_manifest
from vldm_cli.packs.origins.additions import located_at, place
from vldm_cli.packs.origins.home import pulled
from vldm_cli.packs.origins.numbers import KINDS, kind_of_motion, schedule_of
from vldm_cli.packs.origins.repository import XL_LEVELS, adapter, kind_of_adapter, read_repository
from vldm_cli.packs.origins.shapes import Shapes, shapes
from vldm_cli.packs.origins.shipped import shipped

_ENCODING = re.compile(r"motion_modules\.0\..*(pos_encoder|pos_embed)\.pe$")
_STEPS = re.compile(r"(\d{1,2})[ _-]?step")
_POSITIONS_OF_V1 = 24
_XL = "animatediff-xl"
# What of another pack its motion is: modules for any image model, or a model of its own, which makes pictures move.
_PARTS = {
    **dict.fromkeys(("animatediff", "animatediff-window"), ("keyframes", "context", "sketch", "schedule")),
    "svd": ("keyframes", "context", "eyes", "decoder", "schedule"),
}


@dataclass(frozen=True)
class Motion:
    """Parts ("keyframes", "schedule", and what there is of others in _PARTS), the numbers that go with them, and LoRAs
    that they cannot do without."""

    parts: dict[str, Part]
    video: VideoNumbers
    defaults: Defaults
    loras: tuple[Addition, ...] = ()


def motion(named: str) -> Motion:
    """The motion of that name: a pack's that was fetched, a file of motion modules, a folder or repository of a
    MotionAdapter. Raises RequestError."""
    folder = pulled(named)
    if folder and (folder / MANIFEST).is_file():
        return _of_pack(named, read_manifest(folder))
    if named in shipped():
        raise RequestError(f"--motion {named} is not here yet; fetch it with `vldm packs pull {named}`")
    path = expanded(named)
    if path.is_file():
        return _of_file(path.resolve())
    listing = place("--motion", named)
    if listing.has(MANIFEST):
        return _of_pack(named, read_manifest(listing.root))
    if listing.has("model_index.json"):
        made = read_repository(listing).elsewhere
        if "keyframes" in made.parts and made.parts["keyframes"].family == "svd":
            manifest = read_repository(listing)
            parts = {name: located_at(part, listing) for name, part in made.parts.items()}
            return _of_pack(named, replace(manifest, elsewhere=replace(made, parts=parts)))
    kind = kind_of_adapter(listing)
    return _made(located_at(adapter(listing), listing), kind)


def _of_pack(named: str, manifest: Manifest) -> Motion:
    every = manifest.elsewhere
    family = every.parts["keyframes"].family if "keyframes" in every.parts else None
    if family not in _PARTS:
        raise RequestError(
            f"--motion {named} has no motion modules that go with another image model; name AnimateDiff's"
        )
    parts = {name: part for name, part in every.parts.items() if name in _PARTS[family]}
    return Motion(parts, manifest.video, manifest.defaults, every.loras)


def _of_file(path: Path) -> Motion:
    held = shapes(path)
    if not any("motion_modules." in name for name in held):
        raise RequestError(f"--motion {path} holds no motion modules; name a file of AnimateDiff's")
    if any("lora" in name for name in held):
        raise RequestError(
            f"--motion {path} is a MotionLoRA, which is added to motion modules; name it with --lora"
        )
    original = any(".temporal_transformer." in name for name in held)
    part = Part(
        file=path.name,
        path=str(path.parent),
        family="animatediff",
        layout="original" if original else "diffusers",
        config=_version(held),
    )
    return _made(part, "xl" if part.config == _XL else kind_of_motion(path.stem), path.stem)


def _version(held: Shapes) -> str:
    """Which of AnimateDiff's sets it is shaped like: that for Stable Diffusion XL has a level less than those for 1.5,
    of which v2 alone has a module in the middle, and v1 knows fewer positions."""
    levels = {name.partition("down_blocks.")[2].partition(".")[0] for name in held} - {""}
    if len(levels) == XL_LEVELS:
        return _XL
    if any("mid_block.motion_modules." in name for name in held):
        return "animatediff-v2"
    lengths = [shape[1] for name, shape in held.items() if _ENCODING.search(name) and len(shape) == 3]
    return "animatediff-v1" if lengths and max(lengths) <= _POSITIONS_OF_V1 else "animatediff-v3"


def _made(part: Part, kind: str, stem: str = "") -> Motion:
    model = shipped()[KINDS[kind]]
    defaults = model.defaults
    steps = _STEPS.search(stem.lower())
    if kind == "lightning" and steps and 1 <= int(steps.group(1)) <= 16:
        count = int(steps.group(1))
        defaults = replace(defaults, keyframe_steps=count, interpolation_steps=(count, count))
    parts = {"keyframes": part, "schedule": schedule_of(kind)}
    return Motion(parts, model.video, defaults)
