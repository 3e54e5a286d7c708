"""Upscaling ×4, in fixed windows that fade into each other (METHOD.md §6)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vldm_cli.align.place import place_of
from vldm_cli.align.space import Space, video
from vldm_cli.align.unet import VideoUNet
from vldm_cli.denoise.guidance import UNGUIDED, Guidance
from vldm_cli.denoise.noise import frame_noise
from vldm_cli.denoise.sampler import sample
from vldm_cli.packs.text import TextEncoder
from vldm_cli.runs.progress import Meter
from vldm_cli.stages.source import Reader, Source, faded
from vldm_cli.stages.windows import Window

STAGE = "upscale"
# All frames have the same noise: where nothing moves, whatever it brings about does not flicker.
SHARED_NOISE = 1.0


@dataclass(frozen=True)
class Upscaler:
    """A denoiser and the space of what it denoises. text: of one that listens to some."""

    model: VideoUNet
    space: Space
    text: TextEncoder | None = None
    _heard: dict = field(default_factory=dict, compare=False)

    def hears(self, prompt: str, negative: str) -> tuple[Tensor | None, Tensor | None]:
        """Hidden states (1, L, D) of both texts, or None and None."""
        if self.text is None:
            return None, None
        if (prompt, negative) not in self._heard:
            self._heard[prompt, negative] = self.text.encode([prompt, negative]).split(1)
        return self._heard[prompt, negative]


class Upscale:
    """The source of upscaled frames (3, 4H, 4W) in [−1, 1] from the source of frames (3, H, W).

    noise: level of noise augmentation of the low-resolution frame, 0 ≤ noise < 1: how much detail may be invented.
    first: the number of item 0's frame in the whole video. prompt, negative, guidance: for one that listens to text.
    What is denoised has a cell for each low-resolution pixel in every space, so a frame's noise has that size.
    """

    def __init__(
        self,
        windows: Sequence[Window],
        frames: Source,
        upscaler: Callable[[], Upscaler],
        scheduler: Callable[[], object],
        meter: Meter,
        *,
        seed: int,
        steps: int,
        noise: float,
        first: int = 0,
        prompt: str = "",
        negative: str = "",
        guidance: Guidance = UNGUIDED,
    ) -> None:
        self.windows, self.frames, self.upscaler, self.scheduler, self.meter = (
            windows,
            frames,
            upscaler,
            scheduler,
            meter,
        )
        self.seed, self.steps, self.noise, self.first = seed, steps, noise, first
        self.prompt, self.negative, self.guidance = prompt, negative, guidance

    def __call__(self, start: int) -> Iterator[Tensor]:
        """Frames start, start + 1, …: the same ones wherever one starts."""
        frames = Reader(self.frames)

        def run(i: int) -> Tensor:
            window = self.windows[i]
            lr_TCHW = torch.stack(frames.window(window.start, window.stop))
            return self._window(range(self.first + window.start, self.first + window.stop), lr_TCHW)

        for frame, x_CHW in enumerate(faded(self.windows, start, run), start):
            self.meter.upto(frame + 1)
            yield x_CHW

    def _window(self, frames: range, lr_TCHW: Tensor) -> Tensor:
        upscaler = self.upscaler()
        model, space = upscaler.model, upscaler.space
        text_BLD, negative_BLD = upscaler.hears(self.prompt, self.negative)
        weight = place_of(model)
        size = lr_TCHW.shape[-2:]
        noise_TCHW = frame_noise(self.seed, f"{STAGE}-input", frames, (3, *size), SHARED_NOISE)
        seen_TCHW = space.noised(lr_TCHW, noise_TCHW.to(lr_TCHW.device), self.noise)
        x_BTCHW = sample(
            model,
            self.scheduler(),
            frame_noise(self.seed, STAGE, frames, (space.channels, *size), SHARED_NOISE)[None].to(
                weight.device
            ),
            steps=self.steps,
            extra_BTCHW=seen_TCHW[None].to(weight.device, weight.dtype),
            text_BLD=text_BLD,
            negative_BLD=negative_BLD,
            guidance=self.guidance,
            class_labels=torch.tensor([space.label(self.noise)], device=weight.device),
        )
        return video(model, space, x_BTCHW, lr_TCHW[None].to(weight.device))[0].clamp(-1, 1)
