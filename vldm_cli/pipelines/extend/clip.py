"""New frames after a clip's last one: the latents of its last frames, saved in it or encoded once, are the context, and
the stages of `generate` go on from them (METHOD.md §4 and §5)."""

from collections.abc import Iterator

import torch
from torch import Tensor

from vldm_cli.pipelines.clip.fit import Fit, rgb_frames
from vldm_cli.pipelines.generate.compose import Stages
from vldm_cli.pipelines.generate.joined import Joined
from vldm_cli.pipelines.generate.settings import Settings
from vldm_cli.pipelines.generate.tail import pulled
from vldm_cli.runs.progress import Clock, Meter
from vldm_cli.runs.store import Store
from vldm_cli.stages.models import Models
from vldm_cli.stages.plan import Plan
from vldm_cli.stages.source import Source
from vldm_cli.video.clip import Clip


class ExtendClip:
    """The new frames, as raw RGB of the clip's size; the same ones wherever one starts.

    plan: of one frame more than is wanted, for its frame 0 is the clip's last one, the first keyframe that is known.
    fade: for how many frames the colours of the join fade out. saved: latents (C, h, w) of the clip's frames by their
    numbers; of all others that are needed the pixels are encoded.
    """

    def __init__(
        self,
        clip: Clip,
        models: Models,
        settings: Settings,
        plan: Plan,
        fit: Fit,
        speed: float,
        fade: int,
        saved: dict[int, Tensor],
    ) -> None:
        self.clip, self.models, self.settings, self.plan, self.fit = clip, models, settings, plan, fit
        self.speed, self.fade, self.saved = speed, fade, saved
        self.raw = clip.raw(rgb=True)
        self.last = clip.frames - 1

    def stages(self, seed: int, clock: Clock, journal: Store, meters: dict[str, Meter]) -> Stages:
        """The stages of a run that goes on after the clip's last frame."""
        return Stages(
            self.settings, self.plan, self.models, seed, clock, journal, meters, self.last, self.speed
        )

    def frames(self, stages: Stages, start: int) -> Iterator[bytes]:
        """New frames start, start + 1, …; `start` 0 is the one after the clip's last."""
        run_up = self.plan.run_up
        assert isinstance(stages.journal, Store), "`stages` makes them over a run's"
        made = stages.filled(stages.decoded(self._led(self.latents(stages), stages.journal)))
        made = self._fitted(stages.upscaled(made) if self.plan.upscale else made)
        joined = Joined(
            lambda first: made(run_up + first),
            lambda: next(rgb_frames(self.clip, self.last)),
            stages.journal,
            self.fade,
            same=bool(self.saved),
        )
        for x_CHW in joined(start + 1):
            yield self._bytes(x_CHW)

    def tail(self, stages: Stages, numbers: list[int]) -> Tensor:
        """Latents (T, C, h, w) of frames `numbers` (ascending), counted from the clip's first one on."""
        old = [n for n in numbers if n < self.last]
        new = [n - self.last for n in numbers if n >= self.last]
        new_TCHW = pulled(self.latents(stages), new, self.plan)
        return torch.cat([self._known(old), new_TCHW]) if old else new_TCHW

    def latents(self, stages: Stages) -> Source:
        """Latents of the clip's last frame and of the new ones."""
        step, before = self.plan.keyframe_step, self.plan.before
        lead = [self.last - i * step for i in range(before, -1, -1)]
        keyframes = stages.keyframes(lambda: self._known(lead))
        return stages.interpolated(lambda first: keyframes(first + before))

    def _led(self, latents: Source, journal: Store) -> Source:
        """The same with the run-up before them."""
        run_up = self.plan.run_up

        def led(start: int) -> Iterator[Tensor]:
            if start < run_up:
                numbers = list(range(self.last - run_up, self.last))
                unit = journal.unit("run-up", 0, lambda: {"z": self._known(numbers)})
                yield from unit["z"][start:]
            yield from latents(max(0, start - run_up))

        return led

    def _known(self, numbers: list[int]) -> Tensor:
        """Latents (T, C, h, w) of frames of the clip: what is saved of them, the others encoded."""
        missing = [n for n in numbers if n not in self.saved]
        made = dict(zip(missing, self._encoded(missing), strict=True)) if missing else {}
        return torch.stack([self.saved[n] if n in self.saved else made[n] for n in numbers])

    def _encoded(self, numbers: list[int]) -> Tensor:
        x_TCHW = torch.stack(
            [x for n, x in enumerate(rgb_frames(self.clip, numbers[0]), numbers[0]) if n in numbers]
        )
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

    def _bytes(self, x_CHW: Tensor) -> bytes:
        scaled = ((x_CHW + 1) * (self.raw.peak / 2)).round().clamp(0, self.raw.peak)
        image = scaled.to(torch.int32).permute(1, 2, 0).cpu().numpy()
        return self.raw.pack([image.astype(self.raw.dtype)])
