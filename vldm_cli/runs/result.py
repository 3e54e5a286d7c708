"""What came out of a run: the same for every command, and what `--json` prints."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Video:
    """A finished video.

    out: the file, or the folder of PNGs. width, height: in pixels. fps: frames a second (on average, where they vary).
    seconds: of wall time by stage, each without the stages that it waited for; total_seconds: for all;
    first_segment_seconds: until the first finished frames were on disk, None if they were there before.
    seed, prompt and pack (its "name", "hash" and what else names it): None where none is used. settings: what else
    decides the frames, as JSON has it. peak_memory_bytes: of the device, or else of the process; None if unknown.
    warnings: a sentence each. workers: of a pool, what each process did ("host", "device", "process", "threads",
    "units", "seconds", "peak_memory_bytes"); the stages' seconds are then sums over them, and the peak is the highest
    of theirs.
    """

    out: Path
    frames: int
    fps: Fraction
    width: int
    height: int
    seconds: dict[str, float]
    total_seconds: float
    first_segment_seconds: float | None
    seed: int | None
    prompt: str | None = None
    pack: dict | None
    settings: dict
    device: str
    peak_memory_bytes: int | None
    warnings: list[str] = field(default_factory=list)
    workers: list[dict] = field(default_factory=list)

    def as_table(self) -> dict:
        """The JSON object of `--json`."""
        first = self.first_segment_seconds
        return {
            "out": str(self.out),
            "frames": self.frames,
            "fps": str(self.fps),
            "width": self.width,
            "height": self.height,
            "seconds": {
                "wall": self.total_seconds,
                "first_segment": None if first is None else round(first, 3),
                "stages": self.seconds,
            },
            "seed": self.seed,
            "prompt": self.prompt,
            "pack": self.pack,
            "settings": self.settings,
            "device": self.device,
            "peak_memory_bytes": self.peak_memory_bytes,
            "warnings": self.warnings,
            **({"workers": self.workers} if self.workers else {}),
        }
