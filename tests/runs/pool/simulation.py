"""A simulation of many workers: the board as it is, and units that take the time that they were recorded to take. Run
as a program it prints the tables of docs/scaling.md: `python -m tests.runs.pool.simulation`."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path

from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.generate.request import GenerateRequest
from vldm_cli.pipelines.generate.settings import plan_of, resolve
from vldm_cli.runs.pool.board import Board
from vldm_cli.runs.pool.graph import SEGMENT, SPINE, Graph, Unit
from vldm_cli.stages.plan import Plan
from vldm_cli.stages.units import graph_of


@dataclass(frozen=True)
class Costs:
    """Seconds: of a keyframe window, of a window of interpolation ×4 and ×16, of a finished frame, of beginning a row
    of segments in its middle, and of a video's beginning and end here."""

    keyframes: float
    interpolate4: float
    interpolate1: float
    frame: float
    row: float
    video: float = 0.0

    def of(self, unit: Unit, graph: Graph, in_row: bool) -> float:
        if unit.stage == SEGMENT:
            frames = graph.told[unit]["write"]
            return frames * self.frame + (0 if in_row or unit.index == 0 else self.row)
        return unit.count * getattr(self, unit.stage)


@dataclass
class Outcome:
    """seconds: until all is done; busy: of all workers together; order: (when, video, unit) as they finish."""

    seconds: float
    busy: float
    order: list[tuple[float, int, Unit]]


def simulate(
    graphs: list[Graph], workers: int, costs: Costs, lose: Callable[[int], bool] = lambda n: False
) -> Outcome:
    """lose(n): whether the worker is lost at the end of the n-th piece of work."""
    board = Board(workers)
    for video, graph in enumerate(graphs):
        board.add(video, graph, graph.ranked(lambda unit: False))
    left = {video: sum(1 for _ in graph.needs) for video, graph in enumerate(graphs)}
    events: list[tuple[float, int, float]] = []
    rows: dict[tuple[int, int], int] = {}
    idle, now, busy, pieces = list(range(workers)), 0.0, 0.0, 0
    order: list[tuple[float, int, Unit]] = []
    while True:
        waiting = []
        for worker in idle:
            found = board.next(worker)
            if found is None:
                waiting.append(worker)
                continue
            video, unit = found
            in_row = unit.stage == SEGMENT and rows.get((worker, video)) == unit.index
            if unit.stage == SEGMENT:
                rows[worker, video] = unit.index + 1
            heappush(events, (now + costs.of(unit, graphs[video], in_row), worker, now))
        if not events:
            break
        now, worker, began = heappop(events)
        busy, pieces = busy + now - began, pieces + 1
        if lose(pieces):
            board.lost(worker)
            rows = {key: row for key, row in rows.items() if key[0] != worker}
        else:
            video, unit = board.finished(worker)
            order.append((now, video, unit))
            left[video] -= 1
            if not left[video]:
                board.remove(video)
        idle = [*waiting, worker]
    assert not any(left.values()), "all is done"
    return Outcome(now + costs.video, busy, order)


def toyland(frames: int) -> Plan:
    """The plan of a video of Toyland, upscaled; its estimates are of a GPU."""
    manifest = Pack.open(check=False).manifest
    settings = resolve(GenerateRequest("a ball", out=Path(), frames=frames), manifest)
    return plan_of(settings, manifest, "cuda")


def graph(frames: int, batch: int) -> Graph:
    plan = toyland(frames)
    return graph_of(plan, batch, plan.segments)


def costs_of(stages: dict[str, float], plan: Plan) -> Costs:
    """From the seconds that the stages of a plain run of that plan took, or that the plan reckons with."""
    latents = {level.stage: stages[level.stage] / len(level.windows) for level in plan.levels}
    return Costs(
        keyframes=stages["keyframes"] / len(plan.keyframe_windows),
        interpolate4=latents["interpolate4"],
        interpolate1=latents["interpolate1"],
        frame=(stages["decode"] + stages["upscale"] + stages["write"]) / plan.frames,
        row=stages["decode"] / len(plan.decode_windows) + stages["upscale"] / len(plan.upscale_windows),
    )


WORKERS = (1, 2, 4, 8, 16, 32, 64)


def row(some: list[Graph], costs: Costs) -> str:
    """How long one worker takes, then for each number of workers how many times as fast they are."""
    alone = simulate(some, 1, costs).seconds
    found = [(number, simulate(some, number, costs)) for number in WORKERS[1:]]
    cells = [
        f"{alone / made.seconds:.1f} ({made.busy / number / made.seconds:.0%})" for number, made in found
    ]
    return f"{alone:.0f} s | {' | '.join(cells)}"


def main() -> None:
    """Costs: of the plan, or of a result of `vldm generate --json` (960 frames of Toyland) that is named."""
    plan = toyland(960)
    stages = plan.estimated_seconds
    if len(sys.argv) > 1:
        stages = json.loads(Path(sys.argv[1]).read_text())["seconds"]["stages"]
    costs = costs_of(stages, plan)
    print(costs)
    heads = " | ".join(f"{number} workers" for number in WORKERS[1:])
    print(f"| one video of | its spine | one worker | {heads} |\n| {'--- | ' * (2 + len(WORKERS))}")
    for frames in (240, 960, 3840, 10_000):
        one = graph(frames, 4)
        spine = sum(costs.of(unit, one, False) for unit in one.needs if unit.stage == SPINE)
        print(f"| {frames} frames | {spine:.1f} s | {row([one], costs)} |")
    print(f"| videos of 48 frames | one worker | {heads} |\n| {'--- | ' * (1 + len(WORKERS))}")
    for count in (16, 64, 256):
        print(f"| {count} | {row([graph(48, 4)] * count, costs)} |")


if __name__ == "__main__":
    main()
