"""The stages of one run, put together: each takes the source of the one before it and is put on the clock."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vldm_cli.align.readers import FirstFrame
from vldm_cli.align.unet import VideoUNet
from vldm_cli.denoise.guidance import Guidance
from vldm_cli.denoise.noise import frame_noise
from vldm_cli.denoise.sampler import sample
from vldm_cli.denoise.times import EVEN, Times
from vldm_cli.pipelines.generate.joined import Joined
from vldm_cli.pipelines.generate.settings import Settings
from vldm_cli.pipelines.generate.sketches import Sketch, nearest
from vldm_cli.runs.memory import fetch_memory
from vldm_cli.runs.pool.graph import Unit
from vldm_cli.runs.progress import Clock, Meter
from vldm_cli.runs.units import Units
from vldm_cli.stages.costs import BASE
from vldm_cli.stages.decode import Decode
from vldm_cli.stages.denoiser import Denoiser
from vldm_cli.stages.fill import Fill
from vldm_cli.stages.first_frame import FirstFrames
from vldm_cli.stages.interpolate import Interpolation
from vldm_cli.stages.keyframes import Keyframes, encode_image
from vldm_cli.stages.levels import trained_step
from vldm_cli.stages.models import Models
from vldm_cli.stages.plan import MOTION, Plan
from vldm_cli.stages.source import Source
from vldm_cli.stages.units import last_item
from vldm_cli.stages.upscale import Upscale

# Interpolation windows in one call of the model: first frames early on CPUs, throughput on GPUs.
BATCH = {"cpu": 1, "mps": 1, "cuda": 4}


class Stages:
    """Makes sources for one plan and seed; models are loaded when the first item is pulled through them."""

    def __init__(
        self,
        settings: Settings,
        plan: Plan,
        models: Models,
        seed: int,
        clock: Clock,
        journal: Units,
        meters: dict[str, Meter],
        origin: int = 0,
        speed: float = 1.0,
        sketches: Sequence[Sketch] = (),
    ) -> None:
        """origin: the number of the plan's first frame in the whole video. speed: how many frames of the pack's rate go
        by in one of the video's; not 1 where a clip of another rate goes on. sketches: what keyframes follow."""
        self.sketches = sketches
        self.origin, self.speed = origin, speed
        self.settings, self.plan, self.models, self.seed = settings, plan, models, seed
        self.clock, self.journal, self.meters = clock, journal, meters
        self._latents: dict[str, Source] = {}  # of each stage, once they are put together

    def make(self, unit: Unit) -> None:
        """Makes these windows of latents; they are in the journal then, if it is one. `latents`, or whatever puts the
        stages together, has been called before."""
        for index in range(unit.index, unit.index + unit.count):
            next(iter(self._latents[unit.stage](last_item(self.plan, unit.stage, index))))

    def frames(self, image: np.ndarray | None = None) -> Source:
        """Finished frames (3, H, W) in [−1, 1]: the whole chain, from text or from a picture (uint8 RGB), which is the
        first frame as it is."""
        frames = self.filled(self.decoded(self.latents(image)))
        frames = self.upscaled(frames) if self.plan.upscale else frames
        if image is None:
            return frames
        given_HWC = torch.from_numpy(resized(image, self.plan.out_size).astype(np.float32))
        given_CHW = given_HWC.permute(2, 0, 1).contiguous() / 127.5 - 1
        return Joined(frames, lambda: given_CHW, self.journal, round(self.settings.fps))

    def latents(self, image: np.ndarray | None = None) -> Source:
        """Latents (C, h, w) of every frame, from text or from a picture; of keyframes alone where motion fills in what
        is between."""
        if image is None:
            return self.interpolated(self.keyframes(self.drawn if self.models.abilities.draws else None))
        seen = resized(image, (self.plan.height, self.plan.width))

        def lead() -> Tensor:
            z_TCHW = encode_image(self.models.decoder, seen)
            self.first_frames.latent = z_TCHW[0]
            self.first_frames.picture = torch.from_numpy(seen.copy()).permute(2, 0, 1) / 127.5 - 1
            return z_TCHW

        return self.interpolated(self.keyframes(lead))

    def drawn(self) -> Tensor:
        """The latents (1, C, h, w) of a first frame, from text by the image model."""
        text_BLD, negative_BLD = self.text_BLDs
        noise_BTCHW = frame_noise(self.seed, "picture", [0], self.shape)[None]
        z_BTCHW = sample(
            self.models.drawing,
            self.models.drawing_scheduler(),
            noise_BTCHW.to(self.models.device),
            steps=self.settings.keyframe_steps,
            text_BLD=text_BLD,
            negative_BLD=negative_BLD,
            guidance=Guidance(self.settings.guidance, until=self.settings.guided),
        )
        return z_BTCHW[0].float().cpu()

    def keyframes(self, lead: Callable[[], Tensor] | None = None) -> Source:
        """Latents (C, h, w) of keyframes; `lead` returns the given ones at the start, (T, C, h, w)."""
        settings = self.settings
        defaults = self.models.pack.manifest.defaults
        guidance = Guidance(
            settings.guidance,
            self.context_guidance,
            from_noise=defaults.guide_from_noise,
            until=settings.guided,
        )
        denoiser = self.denoiser(
            "keyframes",
            self.keyframe_model,
            self.plan.keyframe_step,
            settings.keyframe_steps,
            guidance,
            self.origin - self.plan.before * self.plan.keyframe_step,
            self.models.keyframe_times,
            self.drawings,
        )
        meter = self.meters["keyframes"]
        source = Keyframes(self.plan.keyframe_windows, denoiser, self.journal, meter, lead, defaults.still)
        self._latents["keyframes"] = self.timed("keyframes", source)
        return self._latents["keyframes"]

    @cached_property
    def first_frames(self) -> FirstFrames:
        """What a model that animates pictures is shown of them."""
        context = self.models.pack.named.get("context")
        noise = 0.0 if context is None or context.noise is None else context.noise
        return FirstFrames(lambda: self.models.decoder, lambda: self.models.eyes, self.seed, noise)

    def keyframe_model(self) -> VideoUNet:
        """The keyframes' model; one that animates pictures sees this video's, at this video's rate."""
        model = self.models.keyframes
        reader = getattr(model, "reader", None)
        if isinstance(reader, FirstFrame):
            told = self.models.pack.named["context"].fps
            rate = float(self.settings.fps) / self.settings.interpolation
            reader.show(self.first_frames, told or rate)
        return model

    def interpolated(self, latents: Source) -> Source:
        """Latents of every frame from those of the keyframes."""
        batch, still = BATCH[self.models.device.type], self.models.pack.manifest.defaults.still
        # vldm's own interpolation was trained to need none; one that makes keyframes too is guided as it is for these
        guidance = Guidance()
        if not self.models.abilities.own:
            guidance = Guidance(self.settings.guidance, until=self.settings.guided)
        for level in self.plan.levels:
            denoiser = self.denoiser(
                level.stage,
                lambda: self.models.interpolation,
                level.frame_step,
                level.steps,
                guidance,
                self.origin,
            )
            meter = self.meters[level.stage]
            latents = self._latents[level.stage] = self.timed(
                level.stage, Interpolation(level, latents, denoiser, self.journal, meter, batch, still)
            )
        return latents

    def decoded(self, latents: Source) -> Source:
        """Frames (3, H, W) from latents."""
        meter = self.meters["decode"]
        # vldm's own decoders were trained on neighbouring frames of the pack's rate
        apart = self.speed * (self.plan.interpolation if self.plan.between == MOTION else 1)
        temporal = not self.models.abilities.temporal_decoder or trained_step(apart) == 1
        source = Decode(self.plan.decode_windows, latents, lambda: self.models.decoder, meter, temporal)

        def fetched(start: int) -> Iterator[Tensor]:
            # Before any stage has begun: this one pulls all those before it. The estimate is of float32.
            if self.models.device.type == "cpu":
                activations = self.plan.estimated_peak_bytes - BASE["cpu"] - self.plan.numbers.weights
                fetch_memory(BASE["cpu"] + activations * self.models.dtype.itemsize // 4)
            yield from source(start)

        return self.timed("decode", fetched)

    def filled(self, frames: Source) -> Source:
        """Every frame from those that are decoded: the same ones, unless these are keyframes."""
        if self.plan.between != MOTION:
            return frames
        source = Fill(frames, self.plan.interpolation, self.plan.frames, self.meters["fill"])
        return self.timed("fill", source)

    def upscaled(self, frames: Source) -> Source:
        """Frames (3, 4H, 4W) from frames."""
        settings = self.settings
        source = Upscale(
            self.plan.upscale_windows,
            frames,
            lambda: self.models.upscaler,
            lambda: self.models.upscaler_scheduler(settings.scheduler),
            self.meters["upscale"],
            seed=self.seed,
            steps=settings.upscale_steps,
            noise=settings.upscale_noise,
            prompt=settings.text,
            negative=settings.negative,
            guidance=Guidance(self.models.pack.manifest.defaults.upscale_guidance, until=settings.guided),
        )
        return self.timed("upscale", source)

    def denoiser(
        self,
        stage: str,
        model: Callable[[], VideoUNet],
        frame_step: int,
        steps: int,
        guidance: Guidance,
        first: int,
        times: Times = EVEN,
        sketches: Mapping[int, Tensor] | None = None,
    ) -> Denoiser:
        """One stage of latents at this run's size, with its text and seed; `first` is its item 0's frame, `times`
        those of its steps, `sketches` by its items."""
        hears = not self.models.abilities.draws
        return Denoiser(
            model=model,
            scheduler=lambda: self.models.scheduler(self.settings.scheduler, times),
            text=lambda: self.text_BLDs if hears else (None, None),
            seed=self.seed,
            stage=stage,
            frame_step=frame_step,
            steps=steps,
            shape=self.shape,
            guidance=guidance,
            first=first,
            told=trained_step(frame_step * self.speed),
            shared=self.models.pack.manifest.defaults.shared_noise,
            sketches=sketches or {},
        )

    @cached_property
    def drawings(self) -> dict[int, Tensor]:
        """Sketches (3, H, W) in [0, 1] by the numbers of the keyframes that follow them."""
        plan, found = self.plan, {}
        for sketch in self.sketches:
            x_CHW = torch.from_numpy(sketch.picture.copy()).permute(2, 0, 1) / 255
            found[nearest(sketch.frame, plan.keyframe_step, plan.frames)] = x_CHW
        return found

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a latent frame, (C, h, w)."""
        factor = self.plan.numbers.latent_factor
        return self.models.latent_channels, self.plan.height // factor, self.plan.width // factor

    @property
    def context_guidance(self) -> float | tuple[float, float]:
        """The weight of the frames before, or the first and the last frame's of a window."""
        first = self.models.pack.manifest.defaults.first_context_guidance
        last = self.settings.context_guidance
        return last if first is None or first == last else (first, last)

    @cached_property
    def text_BLDs(self) -> tuple[Tensor | None, Tensor | None]:
        """Hidden states (1, L, D) of the prompt and of the negative prompt; None of a pack that reads none."""
        if not self.models.abilities.text:
            return None, None
        text_BLD = self.models.text.encode([self.settings.text, self.settings.negative])
        return text_BLD[:1], text_BLD[1:]

    def timed(self, stage: str, source: Source) -> Source:
        """The same source, its work on the clock."""
        return lambda start: self.clock.timed(stage, source(start))


def as_image(x_CHW: Tensor) -> np.ndarray:
    """A finished frame in [−1, 1] as a file takes it, uint8 (H, W, 3): rounded once, here."""
    image = ((x_CHW + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return image.permute(1, 2, 0).contiguous().cpu().numpy()


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture (H, W, 3), uint8, in another size (height, width)."""
    if image.shape[:2] == size:
        return image
    return np.array(Image.fromarray(image).resize(size[::-1], Image.Resampling.LANCZOS))
