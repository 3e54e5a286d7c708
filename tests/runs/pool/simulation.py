"""A simulation of many workers: the board as it is, and units that take the time that they were recorded to take. Run
as a program it prints the tables of docs/scaling.md: `python -m tests.runs.pool.simulation`."""

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush

from vldm_cli.packs.manifest import Manifest
from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.generate.request import GenerateRequest, numbers_of, resolve
from vldm_cli.runs.pool.board import Board
from vldm_cli.runs.pool.graph import SEGMENT, Graph, Unit
from vldm_cli.stages.plan import Plan, make_plan
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
            video, unit = board.lost(worker)
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


def toyland(frames: int, manifest: Manifest | None = None) -> Plan:
    manifest = manifest or Pack.open(check=False).manifest
    settings = resolve(GenerateRequest("a ball", out=None, frames=frames), manifest)  # type: ignore[arg-type]
    numbers = numbers_of(settings, manifest)
    return make_plan(frames, 16, numbers=numbers, size=(settings.height, settings.width))


def graph(frames: int, batch: int) -> Graph:
    plan = toyland(frames)
    return graph_of(plan, batch, plan.segments)


# Of Toyland at 1024×640 on one H200, in seconds: see docs/scaling.md.
H200 = Costs(keyframes=0.5, interpolate4=0.08, interpolate1=0.06, frame=0.02, row=0.06)
WORKERS = (1, 2, 4, 8, 16, 32, 64)


def main() -> None:
    print("one video, times as fast as one worker (share of time at work)")
    for frames in (240, 960, 3840, 10_000):
        one = graph(frames, 4)
        alone = simulate([one], 1, H200)
        found = [(n, simulate([one], n, H200)) for n in WORKERS]
        spine = sum(H200.of(unit, one, False) for unit in one.needs if unit.stage == "keyframes")
        cells = [
            f"{alone.seconds / made.seconds:.1f} ({made.busy / n / made.seconds:.0%})" for n, made in found
        ]
        print(f"| {frames} | {alone.seconds:.0f} s | {spine:.1f} s |", " | ".join(cells), "|")
    print("videos of 48 frames")
    for count in (16, 64, 256):
        some = [graph(48, 4)] * count
        alone = simulate(some, 1, H200)
        found = [(n, simulate(some, n, H200)) for n in WORKERS]
        cells = [
            f"{alone.seconds / made.seconds:.1f} ({made.busy / n / made.seconds:.0%})" for n, made in found
        ]
        print(f"| {count} | {alone.seconds:.0f} s |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
