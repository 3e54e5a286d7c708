"""What `extend` goes on with: the options, then what made the clip if vldm did, then the pack's defaults. No torch."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from vldm_cli.packs.abilities import NONE, Abilities
from vldm_cli.packs.choice import Choice
from vldm_cli.packs.manifest import Manifest
from vldm_cli.packs.reader import read
from vldm_cli.pipelines.generate.settings import Settings
from vldm_cli.stages.plan import UPSCALE
from vldm_cli.stages.running import AS_USUAL, Running
from vldm_cli.video.clip import Clip
from vldm_cli.video.encoders import ENCODERS, X264
from vldm_cli.video.kinds import KINDS
from vldm_cli.video.made import made_by
from vldm_cli.video.numbers import LAST_SEED, real_of, whole_of

FRAMES = 96
CRF = 16


@dataclass(frozen=True)
class Options:
    """What was asked for; None: as the clip was made, or else as the pack has it. `frames` counts new ones."""

    frames: int = FRAMES
    prompt: str | None = None
    negative: str | None = None
    only_new: bool = False
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    context_guidance: float | None = None
    replacement: bool = False
    crf: int | None = None
    encoder: str | None = None
    device: str = "cpu"
    dtype: str = "float32"
    running: Running = AS_USUAL


@dataclass(frozen=True)
class Memory:
    """What a clip says of how it was made; None for all that it does not say or says in a way that cannot be.

    pack and pack_hash: of the pack that made it; choice: what names it, where its name does not. latents: what it says
    to be those of its last frames (see `tail`)."""

    pack: str | None = None
    pack_hash: str | None = None
    choice: Choice | None = None
    prompt: str | None = None
    read: str | None = None
    negative: str | None = None
    seed: int | None = None
    guidance: float | None = None
    context_guidance: float | None = None
    keyframe_steps: int | None = None
    crf: int | None = None
    encoder: str | None = None
    size: tuple[int, int] | None = None
    latents: dict | None = None

    @classmethod
    def of(cls, clip: Clip) -> "Memory":
        """From the clip's metadata, which anybody may have written."""
        made: dict[str, Any] = made_by(clip) or {}
        settings, pack = _table(made.get("settings")), _table(made.get("pack"))
        height, width = (whole_of(settings.get(side), 1, 16_384) for side in ("height", "width"))
        return cls(
            pack=_text(pack.get("name")),
            pack_hash=_text(pack.get("hash")),
            choice=Choice.read(pack.get("choice")),
            prompt=_text(made.get("prompt")) or _text(settings.get("prompt")),
            read=_text(settings.get("read")),
            negative=_text(settings.get("negative")),
            seed=whole_of(made.get("seed"), 0, LAST_SEED),
            guidance=real_of(settings.get("guidance"), -1000, 1000),
            context_guidance=real_of(settings.get("context_guidance"), -1000, 1000),
            keyframe_steps=whole_of(settings.get("keyframe_steps"), 1, 1000),
            crf=whole_of(settings.get("crf"), 0, 51),
            encoder=next((name for name in ENCODERS if name == settings.get("encoder")), None),
            size=(height, width) if height and width else None,
            latents=made.get("latents") if isinstance(made.get("latents"), dict) else None,
        )


def settings_of(
    options: Options, memory: Memory, manifest: Manifest, clip: Clip, rate: Fraction, step: int
) -> Settings:
    """All that decides the new frames, but the seed. `step`: frames between keyframes; `upscale` is decided by whether
    the pack can and the clip needs it."""
    defaults = manifest.defaults
    same = memory if memory.pack == manifest.name else Memory()
    prompt = _first(options.prompt, memory.prompt, "")
    heard, as_written = heard_of(prompt, memory, manifest)
    height, width = _size(same, manifest, clip)
    asked = steps_of(options, memory, manifest)

    def steps(default: int) -> int:
        return default if asked is None else min(default, asked)

    return Settings(
        prompt=prompt,
        negative=_first(options.negative, memory.negative, ""),
        frames=options.frames,
        fps=rate,
        interpolation=step,
        between=manifest.defaults.between,
        upscale=False,
        upscale_noise=defaults.upscale_noise,
        height=height,
        width=width,
        scheduler=defaults.scheduler,
        # Without words there is nothing to be guided by.
        guidance=_first(options.guidance, same.guidance, defaults.guidance) if prompt.strip() else 1.0,
        context_guidance=_first(options.context_guidance, same.context_guidance, defaults.context_guidance),
        keyframe_steps=_first(asked, defaults.keyframe_steps),
        interpolation_steps=(steps(defaults.interpolation_steps[0]), steps(defaults.interpolation_steps[1])),
        upscale_steps=steps(defaults.upscale_steps),
        crf=_first(options.crf, memory.crf, CRF),
        dtype=options.dtype,
        image_sha256=None,
        fast=tuple(options.running.fast),
        memory=options.running.lossy_memory,
        read=heard,
        as_written=as_written,
        replacement=options.replacement and Abilities.of(manifest).context == NONE,
    )


def heard_of(prompt: str, memory: Memory, manifest: Manifest) -> tuple[str | None, bool]:
    """(what the pack reads in the prompt, whether it reads something else than this). A clip of the same pack goes on
    with what it was made of, whatever is read in its prompt today."""
    today = read(prompt, manifest.defaults)
    if memory.pack != manifest.name or prompt != memory.prompt:
        return today, False
    return memory.read, memory.read is None and today is not None


def steps_of(options: Options, memory: Memory, manifest: Manifest) -> int | None:
    """The limit of all denoising steps: the one asked for, or the one with which this pack made the clip."""
    if options.steps is not None or memory.pack != manifest.name:
        return options.steps
    usual = manifest.defaults.keyframe_steps
    return None if memory.keyframe_steps == usual else memory.keyframe_steps


def encoder_of(options: Options, memory: Memory, kind: str) -> str:
    """The encoder asked for, or the one that made the clip, where such a file holds what it makes."""
    own = memory.encoder if KINDS[kind].codec == "h264" else None
    return _first(options.encoder, own, X264)


def _size(memory: Memory, manifest: Manifest, clip: Clip) -> tuple[int, int]:
    """The size at which the clip was made, if it still is of that size or upscaled; otherwise the pack's own."""
    multiple, own = manifest.video.size_multiple, (manifest.video.height, manifest.video.width)
    if memory.size is None or any(side % multiple for side in memory.size):
        return own
    scales = {(scale * memory.size[0], scale * memory.size[1]) for scale in (1, UPSCALE)}
    return memory.size if (clip.height, clip.width) in scales else own


def _first(*values):
    return next(value for value in values if value is not None)


def _table(value) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value) -> str | None:
    return value if isinstance(value, str) else None
