"""Upscaling people's own clips, of any size: an upscaler in windows and in tiles (METHOD.md §6)."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.align.pixels import faithful, from_residual
from vldm_cli.align.place import place_of
from vldm_cli.denoise.guidance import UNGUIDED, Guidance
from vldm_cli.denoise.sampler import sample
from vldm_cli.pipelines.upscale.enlarged import Enlarged
from vldm_cli.pipelines.upscale.filtered import filtered
from vldm_cli.runs.memory import in_halves
from vldm_cli.stages.plan import UPSCALE
from vldm_cli.stages.source import Reader, faded
from vldm_cli.stages.tiles import Tiles
from vldm_cli.stages.upscale import STAGE, Upscaler, common_noise
from vldm_cli.stages.windows import fixed_windows
from vldm_cli.video.clip import Clip

TILE = 256
OVERLAP = 32
MULTIPLE = 8
# Tiles in one call of the model, at most.
BATCH = {"cpu": 1, "mps": 1, "cuda": 4}


class UpscaleClip(Enlarged):
    """Frames of a clip `scale` (2 or 4) times as large, as raw RGB; the same ones wherever one starts.

    noise, 0 ≤ noise < 1: noise augmentation of the low-resolution frames, so how much detail may be invented.
    window and overlap count frames; tile is in pixels of the clip. prompt, negative, guidance: for an upscaler that
    listens to text. settled: frames are `filtered` before they are looked at.
    """

    def __init__(
        self,
        clip: Clip,
        upscaler: Callable[[], Upscaler],
        scheduler: Callable[[], object],
        *,
        scale: int,
        seed: int,
        steps: int,
        noise: float,
        window: int,
        overlap: int,
        tile: int = TILE,
        prompt: str = "",
        negative: str = "",
        guidance: Guidance = UNGUIDED,
        settled: bool = False,
    ) -> None:
        super().__init__(clip, scale)
        self.upscaler, self.scheduler = upscaler, scheduler
        self.seed, self.steps, self.noise = seed, steps, noise
        self.prompt, self.negative, self.guidance = prompt, negative, guidance
        self.settled = settled
        self.windows = fixed_windows(clip.frames, window, overlap)
        self.tiles = Tiles(clip.height, clip.width, tile, min(OVERLAP, tile // 4), MULTIPLE)

    @property
    def device(self) -> torch.device:
        return place_of(self.upscaler().model).device

    def images(self, start: int, device: torch.device) -> Iterator[Tensor]:
        size, channels = self.tiles.padded, self.upscaler().space.channels
        noise_CHW = common_noise(self.seed, STAGE, (channels, *size), device)
        grain_CHW = common_noise(self.seed, f"{STAGE}-input", (3, *size), device)
        frames = Reader(partial(self._low, device=device))

        def run(i: int) -> Tensor:
            window = self.windows[i]
            lr_TCHW = torch.stack(frames.window(window.start, window.stop))
            # What fades is the residual; the input goes along, and faded into itself it stays the same.
            return torch.cat([self._residual(lr_TCHW, noise_CHW, grain_CHW), lr_TCHW], 1)

        for x_CHW in faded(self.windows, start, run):
            r_NCHW, lr_NCHW = x_CHW[None, :-3], x_CHW[None, -3:]
            hr_NCHW = from_residual(r_NCHW, lr_NCHW, UPSCALE)
            if self.scale != UPSCALE:
                hr_NCHW = shrunk(hr_NCHW, self.scale / UPSCALE)
            yield (hr_NCHW[0] + 1) * (self.raw.peak / 2)

    def _low(self, start: int, device: torch.device) -> Iterator[Tensor]:
        """The clip's frames (3, H, W) in [−1, 1] on the device."""
        if not self.settled:
            for x_CHW in self.source(start, device):
                yield x_CHW / (self.read.peak / 2) - 1
            return
        begin = max(0, start - 1)
        # flow is not for frames of a pixel or two
        frames = (self.tiles.pad(x_CHW / self.read.peak) for x_CHW in self.source(begin, device))
        for x_CHW in filtered(frames, start - begin):
            yield 2 * self.tiles.crop(x_CHW) - 1

    def _residual(self, lr_TCHW: Tensor, noise_CHW: Tensor, grain_CHW: Tensor) -> Tensor:
        """The folded residual (T, 48, H, W) of one window, put together from tiles; noise of the padded size."""
        upscaler = self.upscaler()
        model, space, tiles = upscaler.model, upscaler.space, self.tiles
        text_BLD, negative_BLD = upscaler.hears(self.prompt, self.negative)
        weight = place_of(model)
        small_TCHW, size = tiles.pad(lr_TCHW), tiles.padded
        seen_TCHW = space.noised(small_TCHW, grain_CHW, self.noise)
        sum_TCHW = torch.zeros(len(lr_TCHW), 3 * UPSCALE**2, *size, device=weight.device)
        sum_HW = torch.zeros(size, device=weight.device)
        calls = -(-len(tiles.places) // BATCH[weight.device.type])
        batch = -(-len(tiles.places) // calls)  # calls of one size as far as that goes: six tiles are 3 and 3

        def made(places: Sequence[tuple[slice, slice]]) -> list[Tensor]:
            """What the model makes of these tiles, each (T, channels, h, w)."""
            x_BTCHW = sample(
                model,
                self.scheduler(),
                torch.stack([noise_CHW[..., y, x].expand(len(lr_TCHW), -1, -1, -1) for y, x in places]),
                steps=self.steps,
                extra_BTCHW=torch.stack([seen_TCHW[..., y, x] for y, x in places]).to(weight.dtype),
                text_BLD=text_BLD,
                negative_BLD=negative_BLD,
                guidance=self.guidance,
                class_labels=torch.full((len(places),), space.label(self.noise), device=weight.device),
            )
            return list(x_BTCHW)

        for first in range(0, len(tiles.places), batch):
            places = tiles.places[first : first + batch]
            for (y, x), x_TCHW in zip(places, in_halves(made, places), strict=True):
                w_HW = tiles.weight((y, x), sum_HW)
                sum_TCHW[..., y, x] += space.residual(x_TCHW, small_TCHW[..., y, x]) * w_HW
                sum_HW[y, x] += w_HW
        # padded still: flow is not for frames of a pixel or two
        residual_BTCHW = model.steadied((sum_TCHW / sum_HW)[None], small_TCHW[None], UPSCALE)
        return faithful(tiles.crop(residual_BTCHW[0]), UPSCALE)


def shrunk(x_NCHW: Tensor, share: float) -> Tensor:
    """Frames at a share of their size: how ×2 is made of ×4.

    The mean of what could be under a frame, scaled down, is the mean of what could be under it at that size, so
    nothing is lost on the way if the filter is the one that ×2 frames are thought to have come by: bicubic, not the
    duller mean of four pixels. It is done before values are rounded.
    """
    height, width = (round(side * share) for side in x_NCHW.shape[-2:])
    smaller = F.interpolate(x_NCHW, (height, width), mode="bicubic", antialias=True, align_corners=False)
    return smaller.clamp(-1, 1)
