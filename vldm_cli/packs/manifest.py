"""The manifest of a pack, `pack.toml`: its name, its licence and the numbers that the chain needs. No torch."""

import hashlib
import re
import tomllib
from dataclasses import MISSING, dataclass, field, fields
from fractions import Fraction
from pathlib import Path, PurePosixPath

from vldm_cli.errors import RequestError
from vldm_cli.packs.choice import Choice
from vldm_cli.packs.elsewhere import Elsewhere
from vldm_cli.packs.files import inside, parse, read_text
from vldm_cli.packs.sections import read_elsewhere
from vldm_cli.packs.values import (
    Check,
    Each,
    OneOf,
    Real,
    Schema,
    Text,
    Whole,
    checked,
    only_known,
    shown,
)
from vldm_cli.video.numbers import rate_of

MANIFEST = "pack.toml"
# Where upscalers work: on folded pixels of the residual, on its latents, or on latents of whole frames.
SPACES = ("pixel", "latent", "frame")
# What `denoise.schedulers` knows by name.
SAMPLERS = ("ddim", "dpm++", "euler", "lcm")
# What fills in the frames between keyframes: the pack's own model, on latents, or optical flow, on decoded frames.
FILLERS = ("model", "motion")
# What reads plain English and says it again in the words that a pack's model was trained on (`packs.reader`).
READERS = ("toyland",)
_MOST_MANIFEST = 2**20  # bytes
_MOST_FRAMES = 512  # of a window


@dataclass(frozen=True)
class VideoNumbers:
    """What the pack was made for: pixels, frames per second, frames between keyframes, keyframes a window
    (and how many of them are context when a video goes on), pixels a latent cell, and what sizes must be
    divisible by. most_window: keyframes beyond which its model cannot see; None: any number."""

    width: int
    height: int
    fps: Fraction
    keyframe_step: int
    window: int
    context: int
    latent_factor: int
    size_multiple: int
    most_window: int | None = None


@dataclass(frozen=True)
class Defaults:
    """What a command uses where nothing else is asked for. Windows and overlaps are in frames, except
    `interpolation_window`, which counts intervals between known frames; `interpolation_steps` are the
    denoising steps at a frame step of 4 and of 1; `shared_noise` is the share of the latent stages' noise that
    all frames of a video have in common, in training and in sampling; `guide_from_noise`: from which share of
    noise on keyframes are guided (`Guidance.from_noise`); `timestep_shift`: how much nearer to noise the steps of
    keyframes are taken (`times.shifted`), 1 for evenly, and `timestep_last` the time, of a thousand, of the last
    of them, 0 for where the others lead; `still`: up to which departure interpolated latents are held
    to their known neighbours (`stages.still`), 0 for none; `upscale_space` is one of SPACES; `between` one of FILLERS.
    `first_context_guidance`: the first frame's of a window, from which it changes to the last one's,
    `context_guidance`; None: the same for all. `upscale_guidance`: the text's, of an upscaler that listens to some.
    `reader`: one of READERS; None: prompts are taken as they are. `upscale_clip_noise`: the noise of clips of people's
    own in `upscale_space`; None: as for frames that the pack makes."""

    keyframe_steps: int
    interpolation_steps: tuple[int, int]
    guidance: float
    context_guidance: float
    upscale_steps: int
    upscale_noise: float
    scheduler: str
    decode_window: int
    decode_overlap: int
    upscale_window: int
    upscale_overlap: int
    interpolation_window: int
    shared_noise: float = 0.0
    guide_from_noise: float = 0.0
    timestep_shift: float = 1.0
    timestep_last: int = 0
    still: float = 0.0
    upscale_space: str = "pixel"
    between: str = "model"
    first_context_guidance: float | None = None
    upscale_guidance: float = 1.0
    reader: str | None = None
    upscale_clip_noise: float | None = None

    def noise_of_clips(self, space: str) -> float:
        """`upscale_noise` of clips of people's own."""
        if self.upscale_clip_noise is None or space != self.upscale_space:
            return self.upscale_noise
        return self.upscale_clip_noise


@dataclass(frozen=True)
class Manifest:
    """The content of `pack.toml`; `hash` is the sha256 of the whole file, and so of every weight it lists. elsewhere:
    the parts that lie in other places; weights: bytes of their files that are here. choice: what names the pack, where
    its own name does not (of a diffusers folder, a checkpoint, or a pack with additions)."""

    name: str
    version: int
    licence: str
    description: str
    video: VideoNumbers
    defaults: Defaults
    files: dict[str, str]
    hash: str
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    weights: int = 0
    choice: Choice | None = None

    @property
    def told(self) -> dict:
        """Name and hash, the licence of a pack of others' parts, and the choice if there is one: what a result and a
        video's metadata say of the pack."""
        licence = {"licence": self.licence} if self.elsewhere else {}
        chosen = {"choice": self.choice.as_table()} if self.choice else {}
        return {"name": self.name, "hash": self.hash, **licence, **chosen}


class _Rate(Check):
    """A frame rate: "24", "23.976" or "24000/1001", exactly."""

    @property
    def wanted(self) -> str:
        return 'a frame rate up to 1000, such as "24" or "24000/1001"'

    def fits(self, value) -> bool:
        try:
            return bool(rate_of(value))
        except ValueError:
            return False

    def __call__(self, value) -> Fraction:
        return rate_of(super().__call__(value))


_FRAMES = Whole(1, _MOST_FRAMES)
_STEPS = Whole(1, 1000)
_SHARE = Real(0, 1, below=True)
_WEIGHT = Real(-1000, 1000)

TOP: Schema = {
    "name": Text(100),
    "version": Whole(0, 10**9),
    "licence": Text(1000, lines=True),
    "description": Text(4000, lines=True),
}
VIDEO: Schema = {
    "width": Whole(8, 16384),
    "height": Whole(8, 16384),
    "fps": _Rate(),
    "keyframe_step": Whole(1, 64),
    "window": Whole(2, _MOST_FRAMES),
    "context": _FRAMES,
    "latent_factor": OneOf((1, 2, 4, 8, 16, 32)),
    "size_multiple": Whole(1, 1024),
    "most_window": Whole(2, _MOST_FRAMES),
}
DEFAULTS: Schema = {
    "keyframe_steps": _STEPS,
    "interpolation_steps": Each(_STEPS, 2, 2),
    "guidance": _WEIGHT,
    "context_guidance": _WEIGHT,
    "upscale_steps": _STEPS,
    "upscale_noise": _SHARE,
    "scheduler": OneOf(SAMPLERS),
    "decode_window": _FRAMES,
    "decode_overlap": Whole(0, _MOST_FRAMES),
    "upscale_window": _FRAMES,
    "upscale_overlap": Whole(0, _MOST_FRAMES),
    "interpolation_window": Whole(1, 128),
    "shared_noise": _SHARE,
    "guide_from_noise": _SHARE,
    "timestep_shift": Real(0, 1000, above=True),
    "timestep_last": Whole(0, 999),
    "still": Real(0, 1000),
    "upscale_space": OneOf(SPACES),
    "between": OneOf(FILLERS),
    "first_context_guidance": _WEIGHT,
    "upscale_guidance": _WEIGHT,
    "reader": OneOf(READERS),
    "upscale_clip_noise": _SHARE,
}


def read_manifest(folder: Path, links: bool = False) -> Manifest:
    """`pack.toml` of that folder, every entry within its bounds; links: it may be a link to one elsewhere. Raises
    RequestError when it cannot be read, lacks an entry, or says what no pack can be."""
    path = folder / MANIFEST
    try:
        inside(folder, MANIFEST, links)
    except ValueError as error:
        raise _unusable(path, error) from error
    return read_manifest_file(path)


def read_manifest_file(path: Path) -> Manifest:
    """A manifest of any name. Raises RequestError as `read_manifest` does."""
    try:
        text = read_text(path, _MOST_MANIFEST)
        table = parse(tomllib.loads, text)
        only_known(table, (*TOP, "video", "defaults", "files", "parts", "loras", "embeddings"))
        top = checked(table, TOP, tuple(TOP))
        video = VideoNumbers(**_section(table, "video", VIDEO, VideoNumbers))
        defaults = Defaults(**_section(table, "defaults", DEFAULTS, Defaults))
        _go_together(video, defaults)
        elsewhere = read_elsewhere(table)
        files = _files(table.get("files", {} if elsewhere else None))
    except ValueError as error:
        raise _unusable(path, error) from error
    return Manifest(
        **top,
        video=video,
        defaults=defaults,
        files=files,
        hash=hashlib.sha256(text.encode()).hexdigest(),
        elsewhere=elsewhere,
    )


def _unusable(path: Path, error: ValueError) -> RequestError:
    return RequestError(f"{path} is no usable manifest ({error}); install the pack again")


def _section(table: dict, name: str, schema: Schema, kind: type) -> dict:
    """A section of the manifest, for the dataclass `kind`, whose entries without default must be there."""
    section = table.get(name, {})
    try:
        found = checked(section, schema, tuple(f.name for f in fields(kind) if f.default is MISSING))
        only_known(section, schema)
    except ValueError as error:
        raise ValueError(f"[{name}]: {error}") from error
    return found


def _go_together(video: VideoNumbers, defaults: Defaults) -> None:
    """Raises ValueError for numbers that are sound each for itself and not together."""
    multiple = video.size_multiple
    if multiple % video.latent_factor:
        raise ValueError(f"size_multiple must be a multiple of latent_factor, not {multiple}")
    for name, side in (("width", video.width), ("height", video.height)):
        if side % multiple:
            raise ValueError(f"{name} must be a multiple of size_multiple, not {side}")
    if video.context >= video.window:
        raise ValueError(f"context must be less than window, not {video.context}")
    if video.most_window is not None and video.most_window < video.window:
        raise ValueError(f"most_window must be at least window, not {video.most_window}")
    for stage in ("decode", "upscale"):
        window, overlap = (getattr(defaults, f"{stage}_{what}") for what in ("window", "overlap"))
        if 2 * overlap > window:  # else three windows would meet in one frame
            raise ValueError(f"{stage}_overlap must be at most half of {stage}_window, not {overlap}")


def _files(table) -> dict[str, str]:
    """The files with their sha256: names inside the folder."""
    if not isinstance(table, dict):
        raise ValueError(f"[files] must be a table, not {shown(table)}")
    for name, digest in table.items():
        pure = PurePosixPath(name)
        plain = name.isprintable() and 0 < len(name) <= 200 and "\\" not in name and ":" not in name
        if not plain or pure.is_absolute() or ".." in pure.parts or str(pure) != name:
            raise ValueError(f"[files]: {shown(name)} is no name of a file inside the pack")
        if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
            raise ValueError(f"[files]: {name} must have a sha256 of 64 digits, not {shown(digest)}")
    return dict(table)
