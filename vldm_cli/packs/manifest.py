"""The manifest of a pack, `pack.toml`: its name, its licence and the numbers that the chain needs. No torch."""

import hashlib
import tomllib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.video.numbers import rate_of

MANIFEST = "pack.toml"
# Where upscalers work: on folded pixels, or on the latents of an autoencoder.
SPACES = ("pixel", "latent")


@dataclass(frozen=True)
class VideoNumbers:
    """What the pack was made for: pixels, frames per second, frames between keyframes, keyframes a window
    (and how many of them are context when a video goes on), pixels a latent cell, and what sizes must be
    divisible by."""

    width: int
    height: int
    fps: Fraction
    keyframe_step: int
    window: int
    context: int
    latent_factor: int
    size_multiple: int


@dataclass(frozen=True)
class Defaults:
    """What a command uses where nothing else is asked for. Windows and overlaps are in frames, except
    `interpolation_window`, which counts intervals between known frames; `interpolation_steps` are the
    denoising steps at a frame step of 4 and of 1; `shared_noise` is the share of the latent stages' noise that
    all frames of a video have in common, in training and in sampling; `guide_from_noise`: from which share of
    noise on keyframes are guided (`Guidance.from_noise`); `timestep_shift`: how much nearer to noise the steps of
    keyframes are taken (`sampler.shifted`), 1 for evenly; `upscale_space` is one of SPACES."""

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
    upscale_space: str = "pixel"

    def __post_init__(self) -> None:
        if not 0 <= self.shared_noise < 1:
            raise ValueError(f"shared_noise must be from 0 to below 1, not {self.shared_noise}")
        if not 0 <= self.guide_from_noise < 1:
            raise ValueError(f"guide_from_noise must be from 0 to below 1, not {self.guide_from_noise}")
        if not 0 < self.timestep_shift < float("inf"):
            raise ValueError(f"timestep_shift must be above 0 and finite, not {self.timestep_shift}")
        if self.upscale_space not in SPACES:
            raise ValueError(f"upscale_space must be one of {', '.join(SPACES)}, not {self.upscale_space}")


@dataclass(frozen=True)
class Manifest:
    """The content of `pack.toml`; `hash` is the sha256 of the whole file, and so of every weight it lists."""

    name: str
    version: int
    licence: str
    description: str
    video: VideoNumbers
    defaults: Defaults
    files: dict[str, str]
    hash: str


def read_manifest(folder: Path) -> Manifest:
    """`pack.toml` of that folder, typed. Raises RequestError when it cannot be read or lacks an entry."""
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
        table = tomllib.loads(raw.decode())
        video = {**table["video"], "fps": rate_of(table["video"]["fps"])}
        defaults = {
            **table["defaults"],
            "interpolation_steps": tuple(table["defaults"]["interpolation_steps"]),
        }
        return Manifest(
            name=table["name"],
            version=table["version"],
            licence=table["licence"],
            description=table["description"],
            video=VideoNumbers(**video),
            defaults=Defaults(**defaults),
            files=dict(table["files"]),
            hash=hashlib.sha256(raw).hexdigest(),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{path} is no usable manifest ({error}); install the pack again") from error
