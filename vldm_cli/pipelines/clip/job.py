"""What a command makes of a clip, as plain data: the job, and what it is known by."""

import hashlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from vldm_cli import __version__
from vldm_cli.runs.progress import Clock, Meter
from vldm_cli.runs.store import Store
from vldm_cli.video.carry import Baggage
from vldm_cli.video.clip import Clip
from vldm_cli.video.encoders import X264
from vldm_cli.video.kinds import open_container
from vldm_cli.video.look import Look, Raw
from vldm_cli.video.times import Times

Frames = Generator[bytes, None, None]
Make = Callable[[int, Clock, Store, dict[str, Meter]], Frames]
"""make(start, clock, journal, meters): a generator of finished frames start, start + 1, … as `ClipJob.raw` describes
them. It can be sent to another process."""


@dataclass(frozen=True, kw_only=True)
class ClipJob:
    """What every command makes of a clip. `settings` is all that decides the frames (JSON-able); `baggage` and `times`
    are of the new file; `remedy` is what to do when memory runs out; `plan` holds numbers for `--dry-run`."""

    clip: Clip
    out: Path
    command: str
    settings: dict
    raw: Raw
    look: Look
    times: Times
    baggage: Baggage
    crf: int
    device: torch.device
    remedy: str
    encoder: str = X264
    pack: dict | None = None
    seed: int | None = None
    prompt: str | None = None
    preview: Path | None = None
    resume: bool = True
    force: bool = False
    warnings: list[str] = field(default_factory=list)
    plan: dict = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The kind of file that is made."""
        return open_container(self.out)

    @property
    def all_settings(self) -> dict:
        """Those of the frames and of the file."""
        return {
            **self.settings,
            "crf": self.crf,
            **({} if self.encoder == X264 else {"encoder": self.encoder}),
        }

    @property
    def of_the_clip(self) -> dict:
        """The settings that say how the clip was read, where that was told: pictures have no rate of their own."""
        return {} if self.clip.rate is None else {"pictures_fps": str(self.clip.rate)}

    @property
    def metadata(self) -> dict:
        """What `vldm info` shows: nothing in it changes from run to run."""
        return {
            "vldm": __version__,
            "command": self.command,
            "clip": self.clip.path.name,
            "seed": self.seed,
            "pack": self.pack,
            "settings": {**self.all_settings, **self.of_the_clip, "fps": str(self.times.fps)},
        }

    @property
    def encoded(self) -> int:
        """Frames that are encoded here: those that a person waits for."""
        return len(self.times)


@dataclass(frozen=True, kw_only=True)
class Job(ClipJob):
    """A new clip, every frame of which is made. `stages` names the stages of `make`, whose progress is counted in
    finished frames; `calls` those that count denoiser calls, and how many these are."""

    make: Make
    stages: tuple[str, ...]
    calls: dict[str, int] = field(default_factory=dict)


def identity(job: ClipJob, fingerprint: str) -> dict:
    """What the job's journal is known by: all that decides the file, but the clip's name."""
    return {
        "command": job.command,
        "clip": fingerprint,
        "frames": len(job.times),
        "times": _hash(job.times.clock, job.times.end, job.times.start, job.times.ticks.tolist()),
        "out": job.kind,
        "coded": _hash(job.raw, job.look, job.baggage),
        # how a pack was named, or a file of weights, says nothing about what it is
        "pack": job.pack and {name: job.pack[name] for name in ("name", "hash")},
        "seed": job.seed,
        "settings": {k: v for k, v in job.all_settings.items() if k not in ("model", "layers")},
        "vldm": __version__,
    }


def _hash(*things: object) -> str:
    """Of plain data, by how Python writes it."""
    return hashlib.blake2b(repr(things).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
