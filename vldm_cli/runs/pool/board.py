"""Who does what next: the units of all videos that are being made, and the workers that ask for one. Pure bookkeeping,
without processes, threads or time, so that it can be tested and simulated as it is."""

from heapq import heappop, heappush

from vldm_cli.runs.pool.graph import SEGMENT, SPINE, Graph, Unit

LANE_AHEAD = 8  # segments a worker by which work may run ahead of the first one that is missing


class Board:
    """Videos are numbered by who adds them, workers from 0. A worker goes on with its own video, then begins one that
    is nobody's, then helps with others."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._videos: dict[int, _Video] = {}
        self._own: dict[int, int] = {}
        self._at: dict[int, list[tuple[int, Unit]]] = {}

    def add(self, video: int, graph: Graph, ranks: dict[Unit, int]) -> None:
        """ranks: of `graph.ranked`, the units that are missing."""
        self._videos[video] = _Video(graph, ranks, self.workers)

    def next(self, worker: int) -> tuple[int, Unit] | None:
        """What the worker, which is at nothing or waits for the encoder alone, does now; None where it has to wait for
        others."""
        own = self._own.get(worker)
        taken = {video for other, video in self._own.items() if other != worker}
        order = sorted(self._videos, key=lambda video: (video != own, video in taken, video))
        for video in order:
            unit = self._videos[video].next(worker)
            if unit is not None:
                if own not in self._videos and video not in taken:
                    self._own[worker] = video
                self._at.setdefault(worker, []).append((video, unit))
                return video, unit
        return None

    def finished(self, worker: int) -> tuple[int, Unit]:
        """The worker is done with the first of what it was at."""
        video, unit = self._at[worker].pop(0)
        if video in self._videos:
            self._videos[video].finished(unit)
        return video, unit

    def drop(self, worker: int) -> None:
        """Nobody does the first of what the worker was at again."""
        self._at[worker].pop(0)

    def lost(self, worker: int) -> list[tuple[int, Unit]]:
        """What the worker was at is there to be done again, by any of them."""
        lost = self._at.pop(worker, [])
        for video, unit in lost:
            if video in self._videos:
                self._videos[video].lost(worker, unit)
        return lost

    def units(self, worker: int) -> list[tuple[int, Unit]]:
        """What the worker is at: the one that it does, after one that only the encoder is still at."""
        return list(self._at.get(worker, ()))

    def remove(self, video: int) -> None:
        """No more of its units are given out."""
        self._videos.pop(video, None)
        self._own = {worker: own for worker, own in self._own.items() if own != video}

    def at(self, video: int) -> list[int]:
        """The workers that are at it."""
        return [worker for worker, units in self._at.items() if any(one == video for one, _ in units)]


class _Video:
    """One video's units. A row of segments that one worker makes in turn is its lane, [next, stop)."""

    def __init__(self, graph: Graph, ranks: dict[Unit, int], workers: int) -> None:
        self.workers, self.longest, self.ranks = workers, graph.lane, ranks
        self.waits = {unit: sum(need in ranks for need in graph.needs[unit]) for unit in ranks}
        self.users: dict[Unit, list[Unit]] = {}
        for unit in ranks:
            for need in graph.needs[unit]:
                self.users.setdefault(need, []).append(unit)
        self.segments = {unit.index: unit for unit in ranks if unit.stage == SEGMENT}
        self.free = sorted(self.segments)
        self.left = set(self.segments)  # not finished
        self.last = max(ranks.values(), default=0)
        self.lanes: dict[int, tuple[int, int]] = {}
        self.spine: list[tuple[int, Unit]] = []
        self.latents: list[tuple[int, Unit]] = []
        for unit, waits in self.waits.items():
            if not waits:
                self._ready(unit)

    def next(self, worker: int) -> Unit | None:
        if self.spine and self.workers > 1:  # what all else waits for
            return heappop(self.spine)[1]
        reach = min(self.left, default=self.last) + LANE_AHEAD * (self.workers + 2)
        number = self._in_lane(worker)
        begun = self.free[0] if number is None and self._begins(reach) else number
        # latents for all the lanes, before one's own goes on
        near = reach if begun is None else begun + (2 * self.workers if self.workers > 1 else 0)
        for ready in sorted((self.spine, self.latents), key=lambda heap: heap[:1]):
            if ready and ready[0][0] <= near:
                return heappop(ready)[1]
        if number is None:
            number = self._new_lane(worker, reach)
        if number is None:
            return None
        self.lanes[worker] = number + 1, self.lanes[worker][1]
        return self.segments[number]

    def finished(self, unit: Unit) -> None:
        if unit.stage == SEGMENT:
            self.left.discard(unit.index)
        for user in self.users.get(unit, ()):
            self.waits[user] -= 1
            if not self.waits[user]:
                self._ready(user)

    def lost(self, worker: int, unit: Unit) -> None:
        if unit.stage == SEGMENT:
            self.free = sorted({*self.free, unit.index, *self._rest(worker)})
            self.lanes.pop(worker, None)
        else:
            self._ready(unit)

    def _ready(self, unit: Unit) -> None:
        if unit.stage != SEGMENT:
            heappush(self.spine if unit.stage == SPINE else self.latents, (self.ranks[unit], unit))

    def _rest(self, worker: int) -> range:
        return range(*self.lanes.get(worker, (0, 0)))

    def _in_lane(self, worker: int) -> int | None:
        """The next segment of the worker's lane, if it can be made now."""
        rest = self._rest(worker)
        return rest.start if rest and not self.waits[self.segments[rest.start]] else None

    def _begins(self, reach: int) -> bool:
        """Whether a lane can be begun with the first segment that is in none."""
        return bool(self.free) and self.free[0] <= reach and not self.waits[self.segments[self.free[0]]]

    def _new_lane(self, worker: int, reach: int) -> int | None:
        """Its first segment; None where none can be begun now. Lanes are shorter towards the end, so that workers are
        done at about the same time; where all are given out, half of the longest rest is taken from its worker."""
        if self._rest(worker):
            return None  # its next segment waits for latents
        if self.free:
            if not self._begins(reach):
                return None
            start = self.free[0]
            length = max(1, min(self.longest, len(self.free) // (2 * self.workers)))
            row = [number for place, number in enumerate(self.free[:length]) if number == start + place]
            del self.free[: len(row)]
            self.lanes[worker] = start, start + len(row)
            return start
        robbed = max(self.lanes, key=lambda other: len(self._rest(other)), default=None)
        if robbed is None or not self._rest(robbed):
            return None
        begin, stop = self.lanes[robbed]
        middle = begin + (stop - begin) // 2
        if self.waits[self.segments[middle]]:
            return None
        self.lanes[robbed], self.lanes[worker] = (begin, middle), (middle, stop)
        return middle
