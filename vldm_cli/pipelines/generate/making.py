"""One video of `generate`, as what it is made from, and its making unit by unit, in this process or in several."""

from collections.abc import Generator, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from vldm_cli.pipelines.generate.compose import BATCH, Stages, as_image
from vldm_cli.pipelines.generate.settings import Settings
from vldm_cli.pipelines.generate.sketches import Sketch
from vldm_cli.runs.aside import Aside
from vldm_cli.runs.memory import check_fits
from vldm_cli.runs.pool.graph import SEGMENT, Graph, Unit
from vldm_cli.runs.pool.row import Row
from vldm_cli.runs.preview import Thumbnails
from vldm_cli.runs.progress import Clock, Meter, silent
from vldm_cli.runs.store import Store
from vldm_cli.stages.models import Models
from vldm_cli.stages.plan import Plan
from vldm_cli.stages.units import graph_of
from vldm_cli.video.write import encode_segment

REMEDY = "a smaller --size or --no-upscale needs less"


@dataclass(frozen=True, eq=False)
class Making:
    """All that decides the frames of one video, and how they are encoded (a `pool.graph.Recipe`). image: the first
    frame, as in `GenerateRequest`; kind: of the file; speed: as in `Stages`; shown: whether a contact sheet is made;
    tail: frames whose latents the file keeps; sketches: what keyframes follow."""

    settings: Settings
    plan: Plan
    models: Models
    seed: int
    image: np.ndarray | None
    kind: str
    shown: bool
    tail: tuple[int, ...] = ()
    sketches: tuple[Sketch, ...] = ()

    @property
    def speed(self) -> float:
        """Frames of the pack's rate that go by in one of the video's."""
        rate: Fraction = self.models.pack.manifest.video.fps
        return float(rate / self.settings.fps)

    def graph(self, device: str) -> Graph:
        return graph_of(
            self.plan, BATCH[device], self.plan.segments, joined=self.image is not None, tail=self.tail
        )

    def bench(self, store: Store, clock: Clock, aside: Aside) -> "Segments":
        """Raises RequestError where a worker's device has by far too little memory for it."""
        check_fits(self.plan.estimated_peak_bytes, self.models.device, REMEDY)
        return Segments(self, store, clock, aside)


class Segments:
    """Makes the units of one video in this process; segments in a row come out of one stream of frames, in which each
    stage goes on where it was. A `pool.graph.Bench`."""

    def __init__(
        self,
        making: Making,
        store: Store,
        clock: Clock,
        aside: Aside,
        meters: dict[str, Meter] | None = None,
        thumbnails: Thumbnails | None = None,
    ) -> None:
        """aside: where frames are encoded; meters: of progress, by stage; thumbnails: who sees finished frames."""
        plan = making.plan
        if meters is None:
            meters = silent(plan.totals)
        if thumbnails is None and making.shown:
            thumbnails = Thumbnails(plan.frames, store)
        self.making, self.store, self.clock, self.aside = making, store, clock, aside
        self.meters, self.thumbnails = meters, thumbnails
        self.stages = Stages(
            making.settings,
            plan,
            making.models,
            making.seed,
            clock,
            store,
            meters,
            speed=making.speed,
            sketches=making.sketches,
        )
        self.frames = self.stages.frames(making.image)
        self.latents = self.stages.latents(making.image)
        self.row = Row(self._written)

    def do(self, unit: Unit) -> Future | None:
        if unit.stage == SEGMENT:
            return self.segment(unit.index)
        self.stages.make(unit)
        return None

    def segment(self, index: int) -> Future[float]:
        """That segment of the video: the run's seconds until its file was there. Its frames are made now."""
        start, stop = self.making.plan.segments[index]
        making, settings = self.making, self.making.settings

        def work(frames: Iterator[np.ndarray]) -> float:
            def write(path: Path) -> None:
                encode_segment(path, frames, settings.fps, making.kind, settings.crf, settings.encoder)

            self.store.make_segment(index, write)
            return self.clock.elapsed

        with self.clock.stage("write"):
            return self.aside.do(work, self.row.frames(start, stop))

    def close(self) -> None:
        """Lets go of the stream."""
        self.row.close()

    def _written(self, start: int) -> Generator[np.ndarray, None, None]:
        """Frames as a file takes them, uint8 (H, W, 3)."""
        frames: Any = self.frames(start)
        with closing(frames):
            for frame, x_CHW in enumerate(frames, start):
                image_HWC = as_image(x_CHW)
                if self.thumbnails:
                    self.thumbnails.see(frame, image_HWC)
                yield image_HWC
                self.meters["write"].upto(frame + 1)
