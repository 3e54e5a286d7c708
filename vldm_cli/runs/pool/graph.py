"""What a run does, as units: each a plain function of what the video is made from and of units before it, whose result
is a file in the run's folder. No torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from concurrent.futures import Future

    from vldm_cli.runs.aside import Aside
    from vldm_cli.runs.progress import Clock
    from vldm_cli.runs.store import Store

SEGMENT = "segment"
SPINE = "keyframes"


@dataclass(frozen=True, order=True)
class Unit:
    """Windows `index`, …, `index` + `count` − 1 of a stage of latents, which one call of the model makes; or the
    segment of that index, from latents to encoded video."""

    stage: str
    index: int
    count: int = 1

    def is_done(self, store: "Store") -> bool:
        """Whether its result is in the folder, and whole."""
        if self.stage == SEGMENT:
            return store.has_segment(self.index)
        return all(store.load(self.stage, i) is not None for i in range(self.index, self.index + self.count))


@dataclass(frozen=True)
class Graph:
    """The units of one video. needs: of each unit, the ones that are done before it, so that nothing is made twice; a
    unit that began without them would make what is missing by itself. told: how far each brings the stages of progress.
    lane: as many segments as one worker makes one after the other at the most: it begins each of these rows with a
    window that its neighbour makes as well. kept: units whose results the file takes along."""

    needs: Mapping[Unit, tuple[Unit, ...]]
    told: Mapping[Unit, Mapping[str, int]] = field(default_factory=dict)
    lane: int = 8
    kept: tuple[Unit, ...] = ()

    @property
    def segments(self) -> list[Unit]:
        """In their order."""
        return sorted(unit for unit in self.needs if unit.stage == SEGMENT)

    def ranked(self, is_done: Callable[[Unit], bool]) -> dict[Unit, int]:
        """The units that are missing and that a missing segment needs, with the index of the first one that does; in
        that order, each after those that it needs. Those that the file keeps belong to the last segment."""
        ranks: dict[Unit, int] = {}
        known: set[Unit] = set()
        segments = self.segments
        for wanted in (*segments, *self.kept):
            stack = [(wanted, False)]
            rank = (wanted if wanted.stage == SEGMENT else segments[-1]).index
            while stack:
                unit, ready = stack.pop()
                if ready:
                    ranks[unit] = rank
                elif unit not in known:
                    known.add(unit)
                    if not is_done(unit):
                        stack.append((unit, True))
                        stack += [(need, False) for need in reversed(self.needs[unit])]
        return ranks


class Bench(Protocol):
    """Where units of one video are made, with whatever is open between one and the next. do: returns what is still to
    be waited for, if anything is."""

    def do(self, unit: Unit) -> "Future | None": ...
    def close(self) -> None: ...


class Recipe(Protocol):
    """What a video is made from, and nothing of a process: it can be sent to another one. graph: `device` is the kind
    of device that the workers have. bench: `aside` does what need not be waited for."""

    def graph(self, device: str) -> Graph: ...
    def bench(self, store: "Store", clock: "Clock", aside: "Aside") -> Bench: ...
