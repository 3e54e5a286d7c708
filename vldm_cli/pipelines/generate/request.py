"""What is asked of `generate`. No torch."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from vldm_cli.errors import RequestError, shown
from vldm_cli.pipelines.generate.sketches import Sketch
from vldm_cli.stages.levels import FURTHEST
from vldm_cli.stages.running import AS_USUAL, Running
from vldm_cli.video.encoders import X264
from vldm_cli.video.numbers import LAST_SEED, rate_of, real, whole

MAX_FRAMES = 10_000
USUAL_FRAMES = 240


@dataclass(frozen=True)
class GenerateRequest:
    """One video. None means: as the pack has it. `size` is (height, width) before upscaling; `image` the first frame,
    uint8 (H, W, 3) of that size or of the finished video's; `sketches` what keyframes follow, of the size before
    upscaling; `steps` limits all denoising steps; `device` and `dtype` as torch names them. replacement: a model that
    was not made for known frames goes on from them all the same.
    as_written: the pack's reader does not say the prompt in other words.

    Numbers are of the types that are told here, whatever stood for them; RequestError, one sentence, for those that
    cannot be served."""

    prompt: str
    out: Path
    frames: int | None = None
    negative: str = ""
    as_written: bool = False
    seed: int | None = None
    fps: Fraction | None = None
    steps: int | None = None
    guidance: float | None = None
    context_guidance: float | None = None
    scheduler: str | None = None
    image: np.ndarray | None = None
    sketches: tuple[Sketch, ...] = ()
    interpolation: int | None = None
    between: str | None = None
    replacement: bool = False
    upscale: bool | None = None
    upscale_noise: float | None = None
    size: tuple[int, int] | None = None
    crf: int = 16
    encoder: str = X264
    device: str = "cpu"
    dtype: str = "float32"
    running: Running = AS_USUAL
    preview: Path | None = None
    resume: bool = True
    force: bool = False

    def __post_init__(self) -> None:
        numbers: dict[str, object] = {"crf": whole("--crf", self.crf, 0, 51)}
        if self.frames is not None:
            numbers["frames"] = whole("--frames", self.frames, 1, MAX_FRAMES)
        if self.interpolation is not None:
            numbers["interpolation"] = whole("--interpolation", self.interpolation, 1, FURTHEST)
        if self.seed is not None:
            numbers["seed"] = whole("--seed", self.seed, 0, LAST_SEED)
        if self.steps is not None:
            numbers["steps"] = whole("--steps", self.steps, 1, 1000)
        if self.guidance is not None:
            numbers["guidance"] = real("--guidance", self.guidance, -1000, 1000)
        if self.context_guidance is not None:
            numbers["context_guidance"] = real("--context-guidance", self.context_guidance, -1000, 1000)
        if self.upscale_noise is not None:
            numbers["upscale_noise"] = real("--noise", self.upscale_noise, 0, 1, below=True)
        if self.fps is not None:
            try:
                numbers["fps"] = rate_of(self.fps)
            except ValueError as error:
                raise RequestError(
                    f"--fps {shown(self.fps)} {error}; give one such as 24 or 24000/1001"
                ) from error
        for name, number in numbers.items():
            object.__setattr__(self, name, number)
