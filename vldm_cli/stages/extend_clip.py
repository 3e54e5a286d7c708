"""New frames after a clip's last one: its last frames are encoded once and are the context, and the stages of
`generate` go on from them (METHOD.md §4 and §5)."""

from collections.abc import Iterator
from math import log2

import numpy as np
import torch
from torch import Tensor

from vldm_cli.stages.compose import Stages
from vldm_cli.stages.fit import Fit
from vldm_cli.stages.joined import Joined
from vldm_cli.stages.journal import Journal
from vldm_cli.stages.models import Models
from vldm_cli.stages.plan import LEVELS, Plan
from vldm_cli.stages.progress import Clock, Meter
from vldm_cli.stages.request import Settings
from vldm_cli.stages.source import Source
from vldm_cli.video.clip import Clip


def context_of(frames: int, speed: float, keyframe_step: int, context: int) -> tuple[int, int]:
    """(frames from one keyframe to the next, how many of them the clip gives as context).

    Two that lie a keyframe step apart carry motion. speed: frames of the pack's rate that go by in one of the clip's;
    the step is the one that is nearest to the pack's in time, or shorter where the clip is.
    """
    wanted = min(sorted(LEVELS), key=lambda step: abs(log2(step * speed / keyframe_step)))
    fitting = [step for step in LEVELS if step <= wanted and step < frames]
    step = max(fitting, default=wanted)
    return step, min(context, (frames - 1) // step + 1)


class ExtendClip:
    """The new frames, as raw RGB of the clip's size; the same ones wherever one starts.

    plan: of one frame more than is wanted, for its frame 0 is the clip's last one, the first keyframe that is known.
    fade: for how many frames the colours of the join fade out.
    """

    def __init__(
        self, clip: Clip, models: Models, settings: Settings, plan: Plan, fit: Fit, speed: float, fade: int
    ) -> None:
        self.clip, self.models, self.settings, self.plan, self.fit = clip, models, settings, plan, fit
        self.speed, self.fade = speed, fade
        self.raw = clip.raw(rgb=True)

    def frames(
        self, start: int, seed: int, clock: Clock, journal: Journal, meters: dict[str, Meter]
    ) -> Iterator[bytes]:
        """New frames start, start + 1, …; `start` 0 is the one after the clip's last."""
        last = self.clip.frames - 1
        stages = Stages(self.settings, self.plan, self.models, seed, clock, journal, meters, last, self.speed)
        keyframes, before = stages.keyframes(self._lead), self.plan.before
        made = stages.decoded(stages.interpolated(lambda first: keyframes(first + before)))
        made = stages.upscaled(made) if self.plan.upscale else made
        joined = Joined(self._fitted(made), lambda: next(self._read(last)), journal, self.fade)
        for x_CHW in joined(start + 1):
            yield self._bytes(x_CHW)

    def _lead(self) -> Tensor:
        """Latents (S, C, h, w) of the clip's last frames, a keyframe step apart."""
        step, last = self.plan.keyframe_step, self.clip.frames - 1
        first = last - self.plan.before * step
        x_TCHW = torch.stack([x for i, x in enumerate(self._read(first)) if i % step == 0])
        decoder = self.models.decoder
        weight = next(decoder.parameters())
        seen_TCHW = self.fit.to_model(x_TCHW).to(weight.device, weight.dtype)
        # One by one: so many pixels at once are for the decoder's windows to decide.
        return torch.cat([decoder.encode(x_CHW[None, None])[0].float().cpu() for x_CHW in seen_TCHW])

    def _fitted(self, made: Source) -> Source:
        """The same frames in the clip's size."""

        def fitted(start: int) -> Iterator[Tensor]:
            for x_CHW in made(start):
                yield self.fit.from_model(x_CHW[None].float())[0]

        return fitted

    def _read(self, start: int) -> Iterator[Tensor]:
        """The clip's frames (3, H, W) in [−1, 1]."""
        for frame in self.clip.read(start, self.raw):
            (image,) = self.raw.planes(frame)
            x_HWC = torch.from_numpy(image.astype(np.float32))
            yield x_HWC.permute(2, 0, 1).contiguous() / (self.raw.peak / 2) - 1

    def _bytes(self, x_CHW: Tensor) -> bytes:
        scaled = ((x_CHW + 1) * (self.raw.peak / 2)).round().clamp(0, self.raw.peak)
        image = scaled.to(torch.int32).permute(1, 2, 0).cpu().numpy()
        return self.raw.pack([image.astype(self.raw.dtype)])
