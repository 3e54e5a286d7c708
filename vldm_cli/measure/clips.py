"""The clips that are measured: made by the pack, and rendered. All as the probe takes them, frames in [−1, 1] that
have been rounded to bytes as a file would."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vldm_cli.align import Context
from vldm_cli.denoise.guidance import Guidance
from vldm_cli.denoise.noise import frame_noise
from vldm_cli.denoise.sampler import sample
from vldm_cli.measure.probe.probe import FRAMES
from vldm_cli.packs.reader import read
from vldm_cli.pipelines.generate.compose import Stages
from vldm_cli.pipelines.generate.request import GenerateRequest
from vldm_cli.pipelines.generate.settings import Settings, identity, plan_of, resolve
from vldm_cli.runs.journal import Journal
from vldm_cli.runs.progress import Clock, silent
from vldm_cli.stages.models import Models
from vldm_cli.toyland.batch import SceneBatch
from vldm_cli.toyland.render import render

# Frames decoded at a time.
DECODE_FRAMES = 128


@dataclass(frozen=True)
class Maker:
    """Makes clips with a pack's models and its default settings, `steps` keyframe steps excepted (None: its own).

    Clip i of a set has the seed `seed` + i; batch: clips in one call of the model.
    """

    models: Models
    batch: int
    steps: int | None = None

    @property
    def frames(self) -> int:
        """Keyframes of a clip: one window of the model, and no more than the probe takes."""
        return min(self.models.pack.manifest.video.window, FRAMES)

    @property
    def keyframe_step(self) -> int:
        return self.models.pack.manifest.video.keyframe_step

    @property
    def size(self) -> tuple[int, int]:
        video = self.models.pack.manifest.video
        return video.height, video.width

    def settings(self, prompt: str, frames: int) -> Settings:
        """What `vldm generate` would use for this prompt without the upscaler."""
        request = GenerateRequest(prompt, Path("unused.mp4"), frames=frames, steps=self.steps, upscale=False)
        return replace(
            resolve(request, self.models.pack.manifest), dtype=str(self.models.dtype).split(".")[-1]
        )

    def keyframes(self, prompts: Sequence[str], seed: int) -> Iterator[Tensor]:
        """Batches (B, T, 3, H, W) of clips of keyframes, one a prompt, on the device.

        The keyframes of METHOD §4 with S = 0, decoded frame by frame: the temporal decoder is for neighbours."""
        for first in range(0, len(prompts), self.batch):
            some = prompts[first : first + self.batch]
            yield self.decoded(self.latents(some, range(self.frames), seed + first))

    def latents(
        self,
        prompts: Sequence[str],
        items: range,
        seed: int,
        context: Context | None = None,
        context_guidance: float = 1.0,
    ) -> Tensor:
        """Latents (B, T, C, h, w) of the keyframes numbered `items` of clips, made in one window, float32."""
        models, settings = self.models, self.settings(prompts[0], self.frames)
        texts = [read(prompt, models.pack.manifest.defaults) or prompt for prompt in prompts]
        factor = models.pack.manifest.video.latent_factor
        shape = (models.latent_channels, *(side // factor for side in self.size))
        at = [t * self.keyframe_step for t in items]
        defaults = models.pack.manifest.defaults
        noise = [
            frame_noise(seed + i, "keyframes", at, shape, defaults.shared_noise) for i in range(len(prompts))
        ]
        return sample(
            models.keyframes,
            models.scheduler(settings.scheduler, models.keyframe_times),
            torch.stack(noise).to(models.device),
            steps=settings.keyframe_steps,
            text_BLD=models.text.encode(texts),
            negative_BLD=models.text.encode([""]).expand(len(prompts), -1, -1),
            context=context,
            guidance=Guidance(settings.guidance, context_guidance, from_noise=defaults.guide_from_noise),
            frame_step=self.keyframe_step,
        )

    def encoded(self, x_BTCHW: Tensor) -> Tensor:
        """Latents (B, T, C, h, w) of frames in [−1, 1], float32."""
        decoder = self.models.decoder
        clips = max(1, DECODE_FRAMES // x_BTCHW.shape[1])
        return torch.cat([decoder.encode(x.to(self.models.dtype)).float() for x in x_BTCHW.split(clips)])

    def video(self, prompt: str, frames: int, seed: int) -> Iterator[Tensor]:
        """The frames (3, H, W) of a whole video through the chain, without upscaling, one after the other."""
        pack, models = self.models.pack, self.models
        settings = self.settings(prompt, frames)
        plan = plan_of(settings, pack.manifest, str(models.device))
        with (
            tempfile.TemporaryDirectory() as folder,
            Journal(Path(folder) / "run", identity(settings, plan, pack.manifest, seed)) as journal,
        ):
            stages = Stages(settings, plan, models, seed, Clock(), journal, silent(plan.totals))
            for frame in stages.frames()(0):
                yield rounded(frame)

    def rendered(self, scenes: SceneBatch, times_T: Sequence[float] | np.ndarray) -> Iterator[Tensor]:
        """Batches (B, T, 3, H, W) of the scenes at these times (seconds)."""
        times = np.asarray(times_T, float)
        for first in range(0, len(scenes), self.batch):
            some = scenes[first : first + self.batch]
            x_BTCHW = render(some, np.tile(times, (len(some), 1)), self.size, device=self.models.device)
            yield rounded(2 * x_BTCHW - 1)

    def keyframe_times(self) -> np.ndarray:
        """When the keyframes of a clip are, in seconds; settling motions begin with it."""
        return np.arange(self.frames) * self.keyframe_step / float(self.models.pack.manifest.video.fps)

    def decoded(self, z_BTCHW: Tensor, temporal: bool = False) -> Tensor:
        """Frames (B, T, 3, H, W) of latents, decoded frame by frame or with the temporal layers."""
        decoder = self.models.decoder
        clips = max(1, DECODE_FRAMES // z_BTCHW.shape[1])
        with nullcontext() if temporal else decoder.temporal_off():
            return rounded(torch.cat([decoder.decode(z.to(self.models.dtype)) for z in z_BTCHW.split(clips)]))


def rounded(x: Tensor) -> Tensor:
    """Frames in [−1, 1] as bytes would hold them, float32."""
    return ((x.float().clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1
