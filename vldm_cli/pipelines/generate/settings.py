"""The settings that a pack's defaults make of what is asked of `generate`, and the plan that these make. No torch."""

import hashlib
from dataclasses import MISSING, asdict, dataclass, fields
from fractions import Fraction

import numpy as np

from vldm_cli import __version__
from vldm_cli.errors import RequestError
from vldm_cli.packs.abilities import FIRST, NONE, Abilities
from vldm_cli.packs.manifest import FILLERS, Manifest
from vldm_cli.packs.reader import read
from vldm_cli.pipelines.generate.request import MAX_FRAMES, USUAL_FRAMES, GenerateRequest
from vldm_cli.pipelines.generate.sketches import check
from vldm_cli.stages.levels import LEVELS, Numbers, nearest_step
from vldm_cli.stages.plan import MODEL, MOTION, UPSCALE, Plan, make_plan
from vldm_cli.stages.running import Running
from vldm_cli.video.encoders import X264


@dataclass(frozen=True)
class Settings:
    """A request with every default filled in: all that decides what is made, except the seed. read: what the pack's
    reader made of the prompt; as_written: it would have made something of it. replacement: that had to be asked for."""

    prompt: str
    negative: str
    frames: int
    fps: Fraction
    interpolation: int
    between: str
    upscale: bool
    upscale_noise: float
    height: int
    width: int
    scheduler: str
    guidance: float
    context_guidance: float
    keyframe_steps: int
    interpolation_steps: tuple[int, int]
    upscale_steps: int
    crf: int
    dtype: str
    image_sha256: str | None
    sketches: tuple[str, ...] = ()
    fast: tuple[str, ...] = ()
    memory: str | None = None
    encoder: str = X264
    read: str | None = None
    as_written: bool = False
    replacement: bool = False

    def as_dict(self) -> dict:
        """For JSON; the frame rate as "24" or "24000/1001"; sketches, "FRAME:SHA256", `fast` and `memory`, what is
        given up for speed and memory, the encoder, what was read, and `replacement`, where they are not as usual."""
        told = {**asdict(self), "fps": str(self.fps)}
        usual = {field.name: field.default for field in fields(self) if field.default is not MISSING}
        return {
            name: list(what) if isinstance(what, tuple) else what
            for name, what in told.items()
            if name not in usual or what != usual[name]
        }

    @property
    def text(self) -> str:
        """What the text encoder gets."""
        return self.prompt if self.read is None else self.read

    @property
    def guided(self) -> float:
        """The share of steps that are guided."""
        return Running(fast=self.fast).guided


def resolve(request: GenerateRequest, manifest: Manifest) -> Settings:
    """The settings of a request. Raises RequestError, one sentence, for what cannot be served."""
    video, defaults = manifest.video, manifest.defaults
    height, width = request.size or (video.height, video.width)
    fps = video.fps if request.fps is None else request.fps
    can = Abilities.of(manifest)
    if not request.prompt.strip() and can.text:
        raise RequestError("the prompt is empty; say what the video shall show")
    between = _between(request, manifest, can)
    interpolation = _interpolation(request, manifest, can, between, fps)
    frames = _frames(request, manifest, can, between, interpolation)
    multiple = video.size_multiple
    if min(height, width) < multiple or height % multiple or width % multiple:
        near = [max(multiple, round(side / multiple) * multiple) for side in (width, height)]
        raise RequestError(
            f"--size {width}x{height} is not divisible by {multiple}, as pack {manifest.name} needs; "
            f"the nearest is {near[0]}x{near[1]}"
        )
    image = request.image
    upscale = can.upscales if request.upscale is None else request.upscale
    shapes = {(scale * height, scale * width, 3) for scale in (1, UPSCALE if upscale else 1)}
    if image is not None and (image.shape not in shapes or image.dtype != np.uint8):
        raise RequestError(
            f"the first frame must be an RGB image of {width}x{height} pixels, not {image.shape}"
        )

    check(request.sketches, manifest, frames, interpolation, (height, width), image is not None)

    heard = read(request.prompt, defaults)

    def steps(default: int) -> int:
        return default if request.steps is None else min(default, request.steps)

    return Settings(
        prompt=request.prompt,
        negative=request.negative,
        frames=frames,
        fps=fps,
        interpolation=interpolation,
        between=between,
        upscale=upscale,
        upscale_noise=defaults.upscale_noise if request.upscale_noise is None else request.upscale_noise,
        height=height,
        width=width,
        scheduler=request.scheduler or defaults.scheduler,
        guidance=defaults.guidance if request.guidance is None else request.guidance,
        context_guidance=defaults.context_guidance
        if request.context_guidance is None
        else request.context_guidance,
        keyframe_steps=request.steps or defaults.keyframe_steps,
        interpolation_steps=(steps(defaults.interpolation_steps[0]), steps(defaults.interpolation_steps[1])),
        upscale_steps=steps(defaults.upscale_steps),
        crf=request.crf,
        dtype=request.dtype,
        image_sha256=None if image is None else hashlib.sha256(np.ascontiguousarray(image).data).hexdigest(),
        sketches=tuple(f"{sketch.frame}:{sketch.sha256}" for sketch in request.sketches),
        fast=tuple(request.running.fast),
        memory=request.running.lossy_memory,
        encoder=request.encoder,
        read=None if request.as_written else heard,
        as_written=request.as_written and heard is not None,
        replacement=request.replacement and _replaces(request, manifest, can, interpolation, frames),
    )


def _between(request: GenerateRequest, manifest: Manifest, can: Abilities) -> str:
    """What fills in the frames between keyframes."""
    asked = request.between or manifest.defaults.between
    if asked not in FILLERS:
        raise RequestError(f"--between {asked:.40} is none of {', '.join(FILLERS)}")
    if asked == MODEL and not can.fills and request.interpolation != 1:
        raise RequestError(
            f"pack {manifest.name} has no model for frames between others; use --between {MOTION}"
        )
    return asked


def _interpolation(
    request: GenerateRequest, manifest: Manifest, can: Abilities, between: str, fps: Fraction
) -> int:
    """Frames from one keyframe to the next, as asked for or as usual."""
    asked = request.interpolation
    if asked is None:
        return usual_interpolation(manifest, can, between, fps)
    if between == MODEL and asked not in LEVELS:
        raise RequestError(
            f"--interpolation {asked} is none of {', '.join(map(str, sorted(LEVELS)))}; others go with --between motion"
        )
    return asked


def usual_interpolation(manifest: Manifest, can: Abilities, between: str, fps: Fraction) -> int:
    """Frames from one keyframe to the next: as the pack has it, or where models of others have a rate of their own and
    motion fills in, as many as come nearest to it."""
    video = manifest.video
    if between == MOTION and not can.own:
        return nearest_step(float(fps / video.fps * video.keyframe_step), True)
    return video.keyframe_step


def _frames(
    request: GenerateRequest, manifest: Manifest, can: Abilities, between: str, interpolation: int
) -> int:
    """How many frames: 240 where nothing else is asked for, or what fits into the only window of a model that cannot
    go on."""
    if not can.keyframes:
        raise RequestError(
            f"pack {manifest.name} makes no videos: it has no temporal layers for its image model"
        )
    most = _most_frames(manifest, can, interpolation)
    # where motion fills in, one more ends with a keyframe, from which `extend` goes on without a loss
    usual = USUAL_FRAMES + (between == MOTION)
    frames = min(usual, most) if request.frames is None else request.frames
    if not request.replacement and _replaces(request, manifest, can, interpolation, frames):
        raise RequestError(
            f"pack {manifest.name} was not made to go on from known frames, so it makes {most} at most, from text; "
            "--replacement does all the same what it can"
        )
    return frames


def _most_frames(manifest: Manifest, can: Abilities, interpolation: int) -> int:
    """How many frames, without --replacement."""
    return MAX_FRAMES if can.context != NONE else (manifest.video.window - 1) * interpolation + 1


def _replaces(
    request: GenerateRequest, manifest: Manifest, can: Abilities, interpolation: int, frames: int
) -> bool:
    """Whether a model that was not made for known frames has to go on from some, which is to be asked for."""
    beyond = frames > _most_frames(manifest, can, interpolation)
    return can.context == NONE and (beyond or request.image is not None)


def off_track(settings: Settings, manifest: Manifest) -> list[str]:
    """Warnings about a size and a rate for which models that others have trained were not made. vldm's own are told the
    rate, and trained at the pack's size."""
    video, can = manifest.video, Abilities.of(manifest)
    said: list[str] = []
    if can.own:
        return said
    times = settings.width * settings.height / (video.width * video.height)
    if not 0.5 <= times <= 2:
        said.append(
            f"pack {manifest.name} was made for {video.width}x{video.height}; at {settings.width}x{settings.height} "
            "its pictures come out worse"
        )
    rate, made_for = settings.fps / settings.interpolation, video.fps / video.keyframe_step
    if can.context != FIRST and rate != made_for:
        said.append(
            f"pack {manifest.name} makes keyframes for {float(made_for):.3g} a second and cannot be told another rate, "
            f"so what moves is {float(rate / made_for):.3g} times as fast"
        )
    return said


def check_first_frame(settings: Settings, manifest: Manifest) -> None:
    """Raises RequestError for a pack that animates a picture and has none."""
    can = Abilities.of(manifest)
    if can.context == FIRST and not can.draws and settings.image_sha256 is None:
        raise RequestError(
            f"pack {manifest.name} makes a picture move and none of its own; give one as --image FILE, or name "
            f"what draws one from text, as in --pack sd15-animatediff --motion {manifest.name}"
        )


def numbers_of(settings: Settings, manifest: Manifest) -> Numbers:
    """What a plan of these settings needs to know of the pack."""
    video, defaults = manifest.video, manifest.defaults
    return Numbers(
        window=video.window,
        context=video.context,
        interpolation_window=defaults.interpolation_window,
        decode_window=defaults.decode_window,
        decode_overlap=defaults.decode_overlap,
        upscale_window=defaults.upscale_window,
        upscale_overlap=defaults.upscale_overlap,
        keyframe_steps=settings.keyframe_steps,
        interpolation_steps=settings.interpolation_steps,
        upscale_steps=settings.upscale_steps,
        guidance=settings.guidance,
        context_guidance=settings.context_guidance,
        # half of a schedule's steps are at shares of noise of about 0.9 and more
        guided=min(0.5 if defaults.guide_from_noise else 1.0, settings.guided),
        latent_factor=video.latent_factor,
        weights=manifest.weights,
    )


def plan_of(settings: Settings, manifest: Manifest, device: str = "cpu") -> Plan:
    """The plan of these settings with this pack; `device` (such as "cuda:1") only decides the estimates."""
    return make_plan(
        settings.frames,
        settings.interpolation,
        numbers=numbers_of(settings, manifest),
        size=(settings.height, settings.width),
        upscale=settings.upscale,
        lead=int(settings.image_sha256 is not None or Abilities.of(manifest).draws),
        between=settings.between,
        device=device.split(":")[0],
    )


def identity(settings: Settings, plan: Plan, manifest: Manifest, seed: int) -> dict:
    """What a run's journal is known by: the same identity, the same video."""
    return {
        "command": "generate",
        "vldm": __version__,
        "plan": plan.hash,
        "pack": {"name": manifest.name, "hash": manifest.hash},
        "settings": settings.as_dict(),
        "seed": seed,
    }
