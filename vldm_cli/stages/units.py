"""A plan as units that several workers share: windows of latents, and the segments that wait for them (METHOD.md §4 to
§6). Pure arithmetic; what a unit is missing, it makes by itself."""

from collections.abc import Iterable, Sequence

from vldm_cli.runs.pool.graph import SEGMENT, SPINE, Graph, Unit
from vldm_cli.stages.interpolate import FACTOR, groups
from vldm_cli.stages.levels import Level
from vldm_cli.stages.plan import MOTION, Plan
from vldm_cli.stages.windows import Window

Needs = dict[Unit, tuple[Unit, ...]]


def graph_of(
    plan: Plan,
    batch: int,
    segments: Iterable[tuple[int, int]],
    *,
    own: int = 0,
    copied: bool = False,
    known: int = 0,
    joined: bool = False,
    tail: Sequence[int] = (),
) -> Graph:
    """The units of a plan. batch: interpolation windows in one call of the model. segments: [start, stop) in frames of
    the file, whose first `own` ones are a clip's own (`copied` in no time); the others come after `known` ones of the
    plan that are none of the file's. joined: whether the first segment of these finds out what all of them need, the
    colours of a given frame. tail: frames of the plan whose latents are kept."""
    needs, last = _latents(plan, batch)
    told = {unit: {unit.stage: _steps(plan, unit)} for unit in needs}
    first: Unit | None = None
    for index, (start, stop) in enumerate(segments):
        unit = Unit(SEGMENT, index)
        if stop <= own:
            needs[unit], told[unit] = (), {} if copied else {"write": stop - start}
            continue
        begin, end = _seen(plan, start - own + known, stop - own + known)
        wanted = [one for (low, high), one in last if low < end and begin < high]
        needs[unit] = (*wanted, *([first] if first and joined else []))
        frames = stop - start
        told[unit] = {
            stage: frames for stage in ("decode", "fill", "upscale", "write") if stage in plan.totals
        }
        first = first or unit
    apart = plan.interpolation if plan.between == MOTION else 1
    items = {frame // apart for frame in tail}
    kept = tuple(one for (low, high), one in last if any(low <= item < high for item in items))
    return Graph(needs, told, kept=kept)


def last_item(plan: Plan, stage: str, index: int) -> int:
    """The last item of a window of latents, counted in the stage's own sequence: the windows before it do not give
    it."""
    if stage == SPINE:
        return plan.keyframe_windows[index].stop - 1
    (level,) = (level for level in plan.levels if level.stage == stage)
    return _stop(level, index) - 1


def _latents(plan: Plan, batch: int) -> tuple[Needs, list[tuple[tuple[int, int], Unit]]]:
    """The units of latents with what they need; and the finest ones with their items, [start, stop) of the frames or
    keyframes that the decoder is given."""
    needs: Needs = {}
    spine = [Unit(SPINE, index) for index in range(len(plan.keyframe_windows))]
    for index, unit in enumerate(spine):
        needs[unit] = (spine[index - 1],) if index else ()
    before = plan.before
    last = [
        ((window.start - before, window.stop - before), unit)
        for window, unit in zip(plan.keyframe_windows, spine, strict=True)
    ]
    for level in plan.levels:
        finer = []
        for group in dict.fromkeys(groups(level.windows, batch)):
            known = level.windows[group[0]].start, level.windows[group[-1]].stop
            unit = Unit(level.stage, group[0], len(group))
            needs[unit] = tuple(one for (low, high), one in last if low < known[1] and known[0] < high)
            finer.append(((FACTOR * known[0], _stop(level, group[-1])), unit))
        last = finer or last  # a single keyframe has nothing to go on to
    return needs, last


def _stop(level: Level, index: int) -> int:
    return min(FACTOR * (level.windows[index].stop - 1) + 1, level.made)


def _steps(plan: Plan, unit: Unit) -> int:
    """Denoiser calls, as progress counts them."""
    if unit.stage == SPINE:
        window = plan.keyframe_windows[unit.index]
        return plan.numbers.keyframe_steps if window.new < window.stop else 0
    (steps,) = (level.steps for level in plan.levels if level.stage == unit.stage)
    return steps * unit.count


def _seen(plan: Plan, start: int, stop: int) -> tuple[int, int]:
    """Of which items of latents frames [start, stop) are made: windows of the upscaler and of the decoder are run
    whole."""
    start, stop = plan.run_up + start, plan.run_up + stop
    if plan.upscale:
        start, stop = _span(plan.upscale_windows, start, stop)
    if plan.between == MOTION:
        step = plan.interpolation
        start, stop = start // step, -(-(stop - 1) // step) + 1
    start, stop = _span(plan.decode_windows, start, stop)
    return max(0, start - plan.run_up), stop - plan.run_up


def _span(windows: Sequence[Window], start: int, stop: int) -> tuple[int, int]:
    """The items of all the windows that items [start, stop) are mixed from."""
    met = [window for window in windows if window.stop > start and window.new < stop]
    return met[0].start, met[-1].stop
