"""Which engine makes the frames between a clip's own: the pack's interpolation in latents where the pack made the clip
and was trained for frames so far apart, and motion followed through the pixels and refined by a small network
everywhere else. No torch."""

from fractions import Fraction
from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.packs.manifest import Manifest
from vldm_cli.packs.pack import Pack, embedded
from vldm_cli.pipelines.extend.settings import Memory
from vldm_cli.video.clip import Clip
from vldm_cli.video.made import made_by

AUTO, MOTION, REFINED, DIFFUSION = "auto", "motion", "refined", "diffusion"
TRAINED = (4, 16)  # frame steps between known frames


def pack_for(clip: Clip, engine: str, pack: str | Path | Pack | None, factor: int) -> Pack | None:
    """The pack that makes the frames between the clip's; None where motion does, refined or not. `pack` is it, its name
    or folder, or None for the one that made the clip. Raises RequestError where `engine` is diffusion and that cannot
    be."""
    memory = Memory.of(clip)
    own = memory.pack if memory.pack in embedded() else None
    asked = pack or own or ("toyland" if engine == DIFFUSION else None)
    if engine in (MOTION, REFINED) or asked is None:
        return None
    opened = asked if isinstance(asked, Pack) else Pack.open(asked)
    hindrance = obstacle(clip, memory, opened.manifest, factor)
    if hindrance and engine == DIFFUSION:
        raise RequestError(f"{hindrance} --engine motion")
    return None if hindrance else opened


def obstacle(clip: Clip, memory: Memory, manifest: Manifest, factor: int) -> str | None:
    """Why the pack's interpolation cannot make the frames between the clip's: a sentence up to its last remedy, or
    None."""
    if memory.seed is None or not _made(clip, manifest):
        return f"pack {manifest.name}, as it is, did not make every frame of {clip.path} as they are now; use"
    steps = steps_between(clip, manifest)
    if steps not in TRAINED:
        rates = " or ".join(f"{float(manifest.video.fps / n):.4g}" for n in TRAINED)
        return (
            f"the frames of {clip.path} are {float(steps):.3g} frame steps of pack {manifest.name} apart, whose "
            f"interpolation is trained for 4 and 16; generate it with --fps {rates}, or use"
        )
    if factor not in TRAINED or factor > steps:
        fitting = " or ".join(f"--factor {n}" for n in TRAINED if n <= steps)
        return f"--factor {factor} is none that pack {manifest.name} is trained for here; use {fitting}, or"
    return None


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
