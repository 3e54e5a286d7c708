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


def common_noise(seed: int, stage: str, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """The noise (C, h, w) of every frame: the same one, so windows agree where they overlap, and tiles as well."""
    return frame_noise(seed, stage, [0], shape, SHARED_NOISE)[0].to(device)


@dataclass(frozen=True)
class Upscaler:
    """A denoiser and the space of what it denoises. text: of one that listens to some."""

    model: VideoUNet
    space: Space
    text: TextEncoder | None = None
    _heard: dict = field(default_factory=dict, compare=False)

    def hears(self, prompt: str, negative: str) -> tuple[Tensor | None, Tensor | None]:
        """Hidden states (1, L, D) of both texts, or None and None. Those of the last ones are kept: a list of prompts
        would fill the memory."""
        if self.text is None:
            return None, None
        heard = self._heard.get((prompt, negative))
        if heard is None:
            heard = self.text.encode([prompt, negative]).split(1)
            self._heard.clear()
            self._heard[prompt, negative] = heard
        return heard


class Upscale:
    """The source of upscaled frames (3, 4H, 4W) in [−1, 1] from the source of frames (3, H, W).

    noise: level of noise augmentation of the low-resolution frame, 0 ≤ noise < 1: how much detail may be invented.
    prompt, negative, guidance: for one that listens to text. What is denoised has a cell for each low-resolution pixel
    in every space, so a frame's noise has that size.
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
        self.seed, self.steps, self.noise = seed, steps, noise
        self.prompt, self.negative, self.guidance = prompt, negative, guidance
        self._noise: dict[tuple, Tensor] = {}

    def __call__(self, start: int) -> Iterator[Tensor]:
        """Frames start, start + 1, …: the same ones wherever one starts."""
        frames = Reader(self.frames)

        def run(i: int) -> Tensor:
            window = self.windows[i]
            lr_TCHW = torch.stack(frames.window(window.start, window.stop))
            return self._window(lr_TCHW)

        for frame, x_CHW in enumerate(faded(self.windows, start, run), start):
            self.meter.upto(frame + 1)
            yield x_CHW

    def _drawn(self, stage: str, shape: tuple[int, ...], device: torch.device) -> Tensor:
        """`common_noise`, drawn once: of 160×256 that takes a processor longer than a GPU needs for the window."""
        key = stage, shape, device
        if key not in self._noise:
            self._noise[key] = common_noise(self.seed, stage, shape, device)
        return self._noise[key]

    def _window(self, lr_TCHW: Tensor) -> Tensor:
        upscaler = self.upscaler()
        model, space = upscaler.model, upscaler.space
        text_BLD, negative_BLD = upscaler.hears(self.prompt, self.negative)
        weight = place_of(model)
        size = lr_TCHW.shape[-2:]
        grain_CHW = self._drawn(f"{STAGE}-input", (3, *size), lr_TCHW.device)
        seen_TCHW = space.noised(lr_TCHW, grain_CHW, self.noise)
        x_BTCHW = sample(
            model,
            self.scheduler(),
            self._drawn(STAGE, (space.channels, *size), weight.device).expand(1, len(lr_TCHW), -1, -1, -1),
            steps=self.steps,
            extra_BTCHW=seen_TCHW[None].to(weight.device, weight.dtype),
            text_BLD=text_BLD,
            negative_BLD=negative_BLD,
            guidance=self.guidance,
            class_labels=torch.tensor([space.label(self.noise)], device=weight.device),
        )
        return video(model, space, x_BTCHW, lr_TCHW[None].to(weight.device))[0].clamp(-1, 1)
