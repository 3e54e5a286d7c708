"""What will be computed, before anything is: pure arithmetic from frames and rates to windows, calls and cost.

No torch here. Progress bars, `--dry-run`, the journal and the stages themselves all read the plan, so that what is
promised and what is done cannot differ.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from vldm_cli.stages.costs import estimate
from vldm_cli.stages.levels import FURTHEST, LEVELS, Level, Numbers, passes
from vldm_cli.stages.windows import Window, continued_windows, fixed_windows, interval_windows, longest

SEGMENT = 24  # finished frames that are encoded and put on disk together
# The first segment is shorter: one window of the decoder, shorter too, and one of the upscaler make it, so it is on
# disk early.
FIRST_SEGMENT = 6
UPSCALE = 4
# What makes the frames between keyframes: a pack's model, on latents, or motion, on decoded frames.
MODEL, MOTION = "model", "motion"


@dataclass(frozen=True)
class Plan:
    """All windows of one video. `as_dict` is what `--dry-run --json` prints; `hash` leaves the estimates out."""

    frames: int
    interpolation: int
    between: str
    height: int
    width: int
    upscale: bool
    numbers: Numbers
    keyframes: int
    lead: int
    before: int
    run_up: int
    keyframe_windows: tuple[Window, ...]
    levels: tuple[Level, ...]
    decode_windows: tuple[Window, ...]
    upscale_windows: tuple[Window, ...]
    segments: tuple[tuple[int, int], ...]
    calls: dict[str, int]
    model_frames: dict[str, int]
    estimated_seconds: dict[str, float] = field(compare=False)
    estimated_peak_bytes: int = field(compare=False)
    estimated_low_bytes: int = field(compare=False)
    estimated_lowest_bytes: int = field(compare=False)

    @property
    def shown(self) -> int:
        """Items that the decoder shows: frames, or keyframes where motion fills in what is between."""
        return self.keyframes if self.between == MOTION else self.run_up + self.frames

    def progress(self, stop: int) -> dict[str, int]:
        """Stage → units that are done where the frames before `stop` are finished."""
        shown = stop if self.between == MODEL else min(_known(stop, self.interpolation), self.shown)
        done = {"decode": shown, "fill": stop, "upscale": stop, "write": stop}
        return {stage: n for stage, n in done.items() if stage in self.totals}

    @property
    def keyframe_step(self) -> int:
        """Frames between keyframes."""
        return self.interpolation

    @property
    def out_size(self) -> tuple[int, int]:
        """Height and width of the finished frames, in pixels."""
        scale = UPSCALE if self.upscale else 1
        return self.height * scale, self.width * scale

    @property
    def totals(self) -> dict[str, int]:
        """Stage → units of progress: denoiser calls, then frames; in the order in which the stages run."""
        frames = {
            "decode": self.shown,
            **({"fill": self.frames} if self.between == MOTION else {}),
            **({"upscale": self.run_up + self.frames} if self.upscale else {}),
            "write": self.frames,
        }
        return {**{stage: n for stage, n in self.calls.items() if stage != "upscale"}, **frames, "join": 2}

    @property
    def hash(self) -> str:
        """sha256 of everything that decides what is made."""
        table = {k: v for k, v in asdict(self).items() if not k.startswith("estimated")}
        return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()

    def as_dict(self) -> dict:
        """Plain numbers, lists and strings, for JSON. Windows are [start, stop, new]."""
        table = asdict(self)
        table["keyframe_windows"] = _triples(self.keyframe_windows)
        table["decode_windows"] = _triples(self.decode_windows)
        table["upscale_windows"] = _triples(self.upscale_windows)
        for level, plain in zip(self.levels, table["levels"], strict=True):
            plain["windows"] = _triples(level.windows)
        table["keyframe_step"], table["out_size"], table["hash"] = (
            self.keyframe_step,
            self.out_size,
            self.hash,
        )
        table["estimated_total_seconds"] = round(sum(self.estimated_seconds.values()), 3)
        return json.loads(json.dumps(table))


def make_plan(
    frames: int,
    interpolation: int = 16,
    *,
    numbers: Numbers,
    size: tuple[int, int],
    upscale: bool = True,
    lead: int = 0,
    before: int = 0,
    run_up: int = 0,
    given: bool = False,
    between: str = MODEL,
    cuts: Sequence[int] = (),
    device: str = "cpu",
) -> Plan:
    """The plan of `frames` frames of `size` (height, width in pixels before upscaling).

    `lead` counts the keyframes that are given at the start (1 with `--image`), of which `before` lie before the first
    frame (they carry the motion of a clip that goes on; keyframe windows count them, nothing else does). `run_up`
    counts the known frames before the first one which the decoder and the upscaler see along; their windows count them.
    With `given` all keyframes are, and `cuts` are the intervals between them that no window spans with others.
    `between` is what fills these: MODEL, or MOTION, which does it between decoded keyframes, so that there are neither
    levels nor a run-up. `device` is "cpu", "cuda" or "mps" and only decides the estimates. Raises ValueError for
    numbers that no plan fits.
    """
    most = FURTHEST if between == MOTION else 0
    if frames < 1 or not (interpolation in LEVELS or 1 <= interpolation <= most):
        raise ValueError(f"no plan for {frames} frames at interpolation {interpolation}")
    if interpolation == 1:
        between = MODEL  # there is nothing between
    steps = LEVELS[interpolation] if between == MODEL else (interpolation,)
    run_up = run_up if between == MODEL else 0
    counts = [_known(frames, step) for step in steps]
    keyframe_windows = (
        () if given else continued_windows(before + counts[0], numbers.window, numbers.context, lead)
    )
    levels = tuple(
        Level(
            f"interpolate{step}",
            step,
            known,
            made,
            numbers.interpolation_steps[0 if step == 4 else 1],
            interval_windows(known - 1, numbers.interpolation_window, _finer(cuts, steps[0] // (4 * step))),
        )
        for step, known, made in zip(steps[1:], counts, counts[1:], strict=False)
    )
    shown = run_up + frames
    upscale_windows = fixed_windows(shown, numbers.upscale_window, numbers.upscale_overlap) if upscale else ()
    # What the first segment is made of, and no more: its frames, or those that the upscaler sees of them …
    first = max(run_up + FIRST_SEGMENT, upscale_windows[0].stop if upscale else 0)
    if between == MOTION:
        shown, first = counts[0], _known(first, interpolation)
    # … and the ones that fade into the next window.
    decode_windows = fixed_windows(
        shown, numbers.decode_window, numbers.decode_overlap, first=first + numbers.decode_overlap
    )

    calls, seen = {}, {}
    if not given:
        calls["keyframes"] = sum(w.new < w.stop for w in keyframe_windows) * numbers.keyframe_steps
        frames_seen = sum(w.length * passes(w, numbers) for w in keyframe_windows)
        seen["keyframes"] = round(frames_seen * numbers.keyframe_steps)
    for level in levels:
        calls[level.stage] = len(level.windows) * level.steps
        seen[level.stage] = sum(4 * (w.length - 1) + 1 for w in level.windows) * level.steps
    seen["decode"] = sum(w.length for w in decode_windows)
    if between == MOTION:
        seen["fill"] = frames - counts[0]
    if upscale:
        calls["upscale"] = len(upscale_windows) * numbers.upscale_steps
        seen["upscale"] = sum(w.length for w in upscale_windows) * numbers.upscale_steps
    seen["write"] = frames
    longest_windows = longest(decode_windows), longest(upscale_windows)
    seconds, peak, low, lowest = estimate(seen, size, upscale, *longest_windows, device, numbers.weights)
    return Plan(
        frames=frames,
        interpolation=interpolation,
        between=between,
        height=size[0],
        width=size[1],
        upscale=upscale,
        numbers=numbers,
        keyframes=counts[0],
        lead=lead,
        before=before,
        run_up=run_up,
        keyframe_windows=keyframe_windows,
        levels=levels,
        decode_windows=decode_windows,
        upscale_windows=upscale_windows,
        segments=_segments(frames),
        calls=calls,
        model_frames=seen,
        estimated_seconds=seconds,
        estimated_peak_bytes=peak,
        estimated_low_bytes=low,
        estimated_lowest_bytes=lowest,
    )


def _known(frames: int, step: int) -> int:
    """Keyframes that so many frames from the first one on lie between."""
    return -(-(frames - 1) // step) + 1


def _finer(cuts: Sequence[int], factor: int) -> list[int]:
    """The same intervals where each is cut into so many."""
    return [factor * cut + i for cut in cuts for i in range(factor)]


def _triples(windows: tuple[Window, ...]) -> list[list[int]]:
    return [[w.start, w.stop, w.new] for w in windows]


def _segments(frames: int) -> tuple[tuple[int, int], ...]:
    """The frames of each segment, (start, stop)."""
    starts = [0, *range(FIRST_SEGMENT, frames, SEGMENT)]
    return tuple(zip(starts, [*starts[1:], frames], strict=True))
