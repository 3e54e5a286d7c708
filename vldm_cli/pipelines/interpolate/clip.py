"""`interpolate` on a clip of any kind: known frames go through untouched, those between are made of their pixels."""

import copy
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from vldm_cli.motion.between import Pair
from vldm_cli.motion.refiner import BEYOND, Refiner, refined
from vldm_cli.pipelines.clip.job import Frames
from vldm_cli.runs.here import here
from vldm_cli.runs.progress import Clock, Meter
from vldm_cli.runs.side_by_side import side_by_side
from vldm_cli.runs.store import Store
from vldm_cli.video.clip import Clip

STAGE = "interpolate"
# Frames of 512×288 a second between known ones, and bytes held for each pixel: measured, for the estimates only.
SPEED = {"cpu": 2.5, "mps": 10.0, "cuda": 40.0}
AREA = 512 * 288
# So many times as long do refined frames take.
REFINING = 1.6
HELD = 600
# Pixels of all the frames that are worked on side by side, on a CPU: of larger ones it is one frame by all cores.
BESIDE = 2_000_000


class InterpolateClip:
    """The clip's frames and `factor` − 1 more after each; behind the last one and at cuts it is repeated, so that
    the duration stays and no two scenes are mixed. refiner: what those that motion makes are refined by, on the CPU."""

    def __init__(
        self, clip: Clip, factor: int, device: torch.device, rgb: bool, refiner: Refiner | None = None
    ) -> None:
        self.clip, self.factor, self.device, self.refiner = clip, factor, device, refiner
        self.raw = clip.raw(rgb)

    def __setstate__(self, state: dict) -> None:
        """In another process it works on that one's device."""
        vars(self).update(state, device=torch.device(here.device))
        vars(self).pop("ready", None)

    def frames(self, start: int, meter: Meter) -> Iterator[bytes]:
        """Frames start, start + 1, … of the new clip: the same ones wherever one starts."""
        first, skip = divmod(start, self.factor)
        number = start
        with closing(self._groups(first, skip)) as groups:
            for group in groups:
                for frame in group:
                    yield frame
                    number += 1
                    meter.upto(number)

    def make(self, start: int, clock: Clock, journal: Store, meters: dict[str, Meter]) -> Frames:
        """A `Make`."""
        return clock.timed(STAGE, self.frames(start, meters[STAGE]))

    @property
    def workers(self) -> int:
        """Pairs of frames that are worked on at a time."""
        if self.device.type != "cpu":
            return 1
        return max(1, min(torch.get_num_threads(), BESIDE // (self.clip.height * self.clip.width)))

    @cached_property
    def ready(self) -> Refiner | None:
        """The refiner where it is needed; the one that was opened stays as it is, for it is other clips' too."""
        return None if self.refiner is None else copy.deepcopy(self.refiner).to(self.device)

    def _groups(self, first: int, skip: int) -> Generator[Iterable[bytes], None, None]:
        """Each known frame with those up to the next one, from the known frame `first` on, without the first `skip`."""
        workers = self.workers
        if workers == 1:
            yield from (self._group(*pair) for pair in self._pairs(first, skip))
        else:
            yield from side_by_side(lambda pair: list(self._group(*pair)), self._pairs(first, skip), workers)

    def _pairs(self, first: int, skip: int) -> Iterator[tuple[bytes, bytes | None, int]]:
        stream = self.clip.read(first, self.raw)
        known = next(stream, None)
        while known is not None:
            following = next(stream, None)
            yield known, following, skip
            known, skip = following, 0

    def _group(self, known: bytes, following: bytes | None, skip: int) -> Iterator[bytes]:
        """A known frame and those up to the next one, without the first `skip` of them."""
        if skip == 0:
            yield known
        missing = range(max(1, skip), self.factor)
        if not missing:
            return
        if following is None or following == known:
            yield from (known for _ in missing)
            return
        beyond = None if self.ready is None else BEYOND
        pair = Pair(self._planes(known), self._planes(following), beyond=beyond)
        cut = pair.is_cut()
        for k in missing:
            if cut:
                yield known if 2 * k <= self.factor else following
            else:
                yield self._pack(self._made(pair, k / self.factor))

    def _made(self, pair: Pair, t: float) -> list[Tensor]:
        return pair.at(t) if self.ready is None else refined(pair, t, self.ready)

    def _planes(self, frame: bytes) -> list[Tensor]:
        """Planes (1, 1, h, w), or one (1, 3, H, W) of RGB, in [0, 1]."""
        planes = []
        for plane in self.raw.planes(frame):
            x = torch.from_numpy(plane.astype(np.float32)).to(self.device) / self.raw.peak
            planes.append(x.permute(2, 0, 1)[None] if x.ndim == 3 else x[None, None])
        return planes

    def _pack(self, planes: list[Tensor]) -> bytes:
        whole = [(x[0] * self.raw.peak).round().clamp(0, self.raw.peak).to(torch.int32).cpu() for x in planes]
        return self.raw.pack([(x.permute(1, 2, 0) if len(x) == 3 else x[0]).numpy() for x in whole])
