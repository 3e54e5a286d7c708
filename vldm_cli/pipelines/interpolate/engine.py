"""Which engine makes the frames between a clip's own: the pack's interpolation in latents where the pack made the clip
and was trained for frames so far apart, and motion followed through the pixels and refined by a small network
everywhere else. No torch."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.packs.abilities import Abilities
from vldm_cli.packs.choice import Choice
from vldm_cli.packs.combine import open_choice
from vldm_cli.packs.manifest import Manifest
from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.extend.maker import maker
from vldm_cli.pipelines.extend.settings import Memory
from vldm_cli.pipelines.interpolate.names import AUTO, BY_MOTION, DIFFUSION
from vldm_cli.video.clip import Clip
from vldm_cli.video.made import made_by

TRAINED = (4, 16)  # frame steps between known frames


def pack_for(clip: Clip, engine: str, pack: str | Path | Pack | None, factor: int) -> Pack | None:
    """The pack that makes the frames between the clip's; None where motion does, refined or not. `pack` is it, its name
    or folder, or None for what made the clip, if it has layers of its own for that. Raises RequestError where `engine`
    is diffusion and that cannot be."""
    if engine in BY_MOTION:
        return None
    memory = Memory.of(clip)
    opened = Pack.open(pack) if isinstance(pack, str | Path) else pack or _found(memory, engine)
    if opened is None:
        return None
    hindrance = obstacle(clip, memory, opened.manifest, factor)
    if hindrance and engine == DIFFUSION:
        raise RequestError(f"{'; '.join(hindrance)} --engine motion")
    if hindrance:
        return None
    for problem in opened.problems() if pack is None else ():
        raise RequestError(problem)
    return opened


def _found(memory: Memory, engine: str) -> Pack | None:
    """What made the clip, its files unchecked, if its own layers make frames between others; models that others have
    trained are told of no frame steps, and motion is for their clips. Where `engine` is diffusion, what made it
    whatever it can, or else Toyland: there is a sentence about what hinders it then."""
    try:
        own = maker(memory)
    except RequestError:
        if engine == DIFFUSION:
            raise
        return None
    if own is None and engine == AUTO:
        return None
    opened = open_choice(own or Choice("toyland"), check=False)
    can = Abilities.of(opened.manifest)
    return opened if engine == DIFFUSION or (can.own and can.fills) else None


def obstacle(clip: Clip, memory: Memory, manifest: Manifest, factor: int) -> tuple[str, str] | None:
    """(why the pack's interpolation cannot make the frames between the clip's, remedies up to the last one), or
    None."""
    if memory.seed is None or not _made(clip, manifest):
        return (
            f"pack {manifest.name}, as it is, did not make every frame of {clip.path} as they are now",
            "use",
        )
    if not Abilities.of(manifest).fills:
        return f"pack {manifest.name} has no model for frames between others", "use"
    steps = steps_between(clip, manifest)
    if steps not in TRAINED:
        rates = " or ".join(f"{float(manifest.video.fps / n):.4g}" for n in TRAINED)
        return (
            f"the frames of {clip.path} are {float(steps):.3g} frame steps of pack {manifest.name} apart, whose "
            "interpolation is trained for 4 and 16",
            f"generate it with --fps {rates}, or use",
        )
    if factor not in TRAINED or factor > steps:
        fitting = " or ".join(f"--factor {n}" for n in TRAINED if n <= steps)
        return (
            f"--factor {factor} is none that pack {manifest.name} is trained for here",
            f"use {fitting}, or",
        )
    return None


def remark(clip: Clip, pack: Pack | None, factor: int, unused: Sequence[str]) -> str:
    """What is to be said where motion makes frames for which these options, that diffusion alone uses, were given.
    pack: the one that was named."""
    options = f"{', '.join(unused)} {'is' if len(unused) == 1 else 'are'} of no use"
    hindrance = None if pack is None else obstacle(clip, Memory.of(clip), pack.manifest, factor)
    if hindrance is None:
        return f"motion makes the frames, for which {options}"
    return f"{hindrance[0]}, so motion makes the frames, for which {options}"


def steps_between(clip: Clip, manifest: Manifest) -> Fraction:
    """How many frames at the pack's rate go by from one frame of the clip to the next."""
    return manifest.video.fps / clip.times.fps


def _made(clip: Clip, manifest: Manifest) -> bool:
    """Whether this very pack made every frame of the clip, at the rate at which they are shown."""
    made = made_by(clip) or {}
    settings, pack = made.get("settings"), made.get("pack")
    if not isinstance(settings, dict) or not isinstance(pack, dict) or pack.get("hash") != manifest.hash:
        return False
    if not clip.times.constant or settings.get("fps") != str(clip.times.fps):
        return False
    match made.get("command"):
        case "generate":
            return True
        case "extend":  # of its own video, or without the video
            return settings.get("context_from") == "latents" or settings.get("only_new") is True
        case "interpolate":
            return settings.get("engine") == DIFFUSION and settings.get("slow") is False
    return False
