"""What plans are made of: the frame steps that models are trained at, passes of interpolation, and a pack's numbers.
No torch."""

from dataclasses import dataclass
from math import log2

from vldm_cli.stages.windows import Window

LEVELS = {16: (16, 4, 1), 4: (4, 1), 1: (1,)}  # --interpolation → frame step of keyframes and of each level
# Frames from one keyframe to the next between which motion fills in, at the most.
FURTHEST = 64


@dataclass(frozen=True)
class Level:
    """One pass of interpolation ×4. Windows count known frames: [start, stop) of them bound stop − start − 1
    intervals, and `new` is the first *made* frame (at `frame_step`) that the window gives."""

    stage: str
    frame_step: int
    known: int
    made: int
    steps: int
    windows: tuple[Window, ...]


@dataclass(frozen=True)
class Numbers:
    """What a plan needs to know of a pack and of the options. Windows and overlaps in frames, except
    `interpolation_window`, which counts intervals; `interpolation_steps` at a frame step of 4 and of 1; `guided` is
    about the share of keyframe steps that are guided, for estimates only, as `weights`, the
    bytes of models that others have trained."""

    window: int = 8
    context: int = 2
    interpolation_window: int = 4
    decode_window: int = 12
    decode_overlap: int = 2
    upscale_window: int = 8
    upscale_overlap: int = 1
    keyframe_steps: int = 20
    interpolation_steps: tuple[int, int] = (8, 6)
    upscale_steps: int = 1
    guidance: float = 1.0
    context_guidance: float = 1.0
    guided: float = 1.0
    latent_factor: int = 8
    weights: int = 0


def nearest_step(frames: float, by_motion: bool) -> int:
    """The frames from one keyframe to the next that can be filled in between and are nearest to so many, by ratio."""
    return min(range(1, FURTHEST + 1) if by_motion else sorted(LEVELS), key=lambda n: abs(log2(n / frames)))


def trained_step(frames: float) -> int:
    """The frame step that models are trained at which is nearest to so many frames of the pack's rate, by ratio."""
    return min(sorted(LEVELS), key=lambda step: abs(log2(step / frames)))


def passes(window: Window, numbers: Numbers) -> float:
    """Passes of the denoiser that a step of one keyframe window needs on average. METHOD.md §4."""
    if window.new == window.stop:
        return 0
    further = (numbers.guidance != 1) + (window.new > window.start and numbers.context_guidance != 1)
    return 1 + numbers.guided * further
