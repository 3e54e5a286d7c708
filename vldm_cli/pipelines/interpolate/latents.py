"""`interpolate` on a clip that the pack made: known frames go through untouched, those between are made in latents by
the pack's own interpolation (METHOD.md §5), decoded, upscaled and fitted to the clip's size."""

from collections.abc import Iterator
from itertools import islice, pairwise

import numpy as np
import torch
from torch import Tensor

from vldm_cli.motion.between import Pair
from vldm_cli.pipelines.clip.fit import Fit, rgb_frames
from vldm_cli.pipelines.clip.job import Frames
from vldm_cli.pipelines.generate.compose import Stages
from vldm_cli.pipelines.generate.match import Match
from vldm_cli.pipelines.generate.settings import Settings
from vldm_cli.runs.progress import Clock, Meter
from vldm_cli.runs.store import Store
from vldm_cli.stages.models import Models
from vldm_cli.stages.plan import Plan
from vldm_cli.stages.source import Source
from vldm_cli.video.clip import Clip
from vldm_cli.video.look import Raw


def cuts_of(clip: Clip, fit: Fit) -> list[int]:
    """After which frames another scene begins. Seen at the model's size, a frame at a time."""
    seen = (fit.to_model(x_CHW[None]) / 2 + 0.5 for x_CHW in rgb_frames(clip, 0))
    return [i for i, (a, b) in enumerate(pairwise(seen)) if not torch.equal(a, b) and Pair([a], [b]).is_cut()]


class InterpolateLatents:
    """The clip's frames and `factor` − 1 more after each, as `raw` describes them; behind the last one and at `cuts` it
    is repeated, so that the duration stays and no two scenes are mixed.

    plan: all its keyframes are the clip's frames. speed: frames of the pack's rate that go by in one of the new clip's.
    """

    def __init__(
        self,
        clip: Clip,
        models: Models,
        settings: Settings,
        plan: Plan,
        fit: Fit,
        *,
        factor: int,
        speed: float,
        cuts: list[int],
        seed: int,
        raw: Raw,
    ) -> None:
        self.clip, self.models, self.settings, self.plan, self.fit = clip, models, settings, plan, fit
        self.factor, self.speed, self.cuts, self.seed, self.raw = factor, speed, set(cuts), seed, raw

    def frames(self, start: int, clock: Clock, journal: Store, meters: dict[str, Meter]) -> Frames:
        """Frames start, start + 1, … of the new clip: the same ones wherever one starts."""
        stages = Stages(
            self.settings, self.plan, self.models, self.seed, clock, journal, meters, speed=self.speed
        )
        made = stages.decoded(self._held(stages.interpolated(self._known)))
        made = stages.upscaled(made) if self.plan.upscale else made
        first, skip = divmod(start, self.factor)
        stream = (self.fit.from_model(x_CHW[None].float())[0] for x_CHW in made(first * self.factor))
        known = self.clip.read(first, self.raw)
        frame, before = next(known, None), None
        for i in range(first, self.clip.frames):
            assert frame is not None  # `read` gives all frames or raises
            following = next(known, None)
            if skip == 0:
                yield frame
            if following is None:
                yield from (frame for _ in range(max(1, skip), self.factor))
                return
            before = self._matched(next(stream), frame) if before is None else before
            between = [next(stream) for _ in range(1, self.factor)]
            after = self._matched(next(stream), following)
            for k in range(max(1, skip), self.factor):
                if i in self.cuts:
                    yield frame if 2 * k <= self.factor else following
                else:
                    t, x_CHW = k / self.factor, between[k - 1]
                    yield self._bytes(before(x_CHW, 1.0).lerp(after(x_CHW, 1.0), t))
            frame, before, skip = following, after, 0

    def _known(self, start: int) -> Iterator[Tensor]:
        """Latents (C, h, w) of the clip's frames."""
        decoder = self.models.decoder
        weight = next(decoder.parameters())
        for x_CHW in rgb_frames(self.clip, start):
            seen_NCHW = self.fit.to_model(x_CHW[None]).to(weight.device, weight.dtype)
            yield decoder.encode(seen_NCHW[None])[0, 0].float().cpu()

    def _held(self, latents: Source) -> Source:
        """The same latents, but at cuts those of the known frame that is nearer: what the model made between two scenes
        shall not be seen by the decoder's windows."""

        def held(start: int) -> Iterator[Tensor]:
            number = start - start % self.factor
            stream = latents(number)
            z_CHW = next(stream)
            while between := list(islice(stream, self.factor - 1)):
                following_CHW = next(stream)
                if number // self.factor in self.cuts:
                    near = range(1, self.factor)
                    between = [z_CHW if 2 * k <= self.factor else following_CHW for k in near]
                yield from [z_CHW, *between][max(0, start - number) :]
                z_CHW, number = following_CHW, number + self.factor
            yield z_CHW

        return held if self.cuts else latents

    def _matched(self, made_CHW: Tensor, frame: bytes) -> Match:
        """What gives the made frame in the place of a known one the colours of that."""
        image = self.clip.look.to_rgb(self.raw, frame).astype(np.float32)
        return Match.of(made_CHW.cpu(), torch.from_numpy(image).permute(2, 0, 1) / 127.5 - 1)

    def _bytes(self, x_CHW: Tensor) -> bytes:
        image = (x_CHW.permute(1, 2, 0).cpu().numpy() / 2 + 0.5).clip(0, 1)
        return self.clip.look.from_rgb(self.raw, image)
