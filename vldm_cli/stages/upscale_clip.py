"""Upscaling people's own clips, of any size: an upscaler in windows and in tiles (METHOD.md §6)."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.align.pixels import faithful, from_residual
from vldm_cli.denoise.noise import frame_noise
from vldm_cli.denoise.sampler import sample
from vldm_cli.stages.models import Upscaler
from vldm_cli.stages.plan import UPSCALE
from vldm_cli.stages.progress import Meter
from vldm_cli.stages.source import Reader, faded
from vldm_cli.stages.tiles import Tiles
from vldm_cli.stages.upscale import STAGE, noise_label
from vldm_cli.stages.windows import fixed_windows
from vldm_cli.video.clip import Clip
from vldm_cli.video.look import Raw

TILE = 256
OVERLAP = 32
MULTIPLE = 8
# Tiles in one call of the model.
BATCH = {"cpu": 1, "mps": 1, "cuda": 4}


class UpscaleClip:
    """Frames of a clip `scale` (2 or 4) times as large, as raw RGB; the same ones wherever one starts.

    noise, 0 ≤ noise < 1: noise augmentation of the low-resolution frames, so how much detail may be invented.
    window and overlap count frames; tile is in pixels of the clip.
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
    ) -> None:
        self.clip, self.upscaler, self.scheduler, self.scale = clip, upscaler, scheduler, scale
        self.seed, self.steps, self.noise = seed, steps, noise
        self.windows = fixed_windows(clip.frames, window, overlap)
        self.tiles = Tiles(clip.height, clip.width, tile, min(OVERLAP, tile // 4), MULTIPLE)
        self.read = clip.raw(rgb=True)
        self.raw = Raw(self.read.pixels, clip.height * scale, clip.width * scale)

    def frames(self, start: int, meter: Meter) -> Iterator[bytes]:
        """Frames start, start + 1, … of the new clip."""
        reader = Reader(self._source)
        device = next(self.upscaler().model.parameters()).device

        def run(i: int) -> Tensor:
            window = self.windows[i]
            lr_TCHW = torch.stack(reader.window(window.start, window.stop)).to(device)
            # What fades is the residual; the input goes along, and faded into itself it stays the same.
            return torch.cat([self._residual(range(window.start, window.stop), lr_TCHW), lr_TCHW], 1)

        for frame, x_CHW in enumerate(faded(self.windows, start, run), start):
            r_NCHW, lr_NCHW = x_CHW[None, :-3], x_CHW[None, -3:]
            hr_NCHW = from_residual(r_NCHW, lr_NCHW, UPSCALE)
            if self.scale != UPSCALE:
                hr_NCHW = shrunk(hr_NCHW, self.scale / UPSCALE)
            yield self._bytes(hr_NCHW[0])
            meter.upto(frame + 1)

    def _source(self, start: int) -> Iterator[Tensor]:
        """The clip's frames (3, H, W) in [−1, 1]."""
        for frame in self.clip.read(start, self.read):
            (image,) = self.read.planes(frame)
            x_HWC = torch.from_numpy(image.astype(np.float32))
            yield x_HWC.permute(2, 0, 1).contiguous() / (self.read.peak / 2) - 1

    def _bytes(self, x_CHW: Tensor) -> bytes:
        scaled = ((x_CHW + 1) * (self.raw.peak / 2)).round().clamp(0, self.raw.peak)
        image = scaled.to(torch.int32).permute(1, 2, 0).cpu().numpy()
        return self.raw.pack([image.astype(self.raw.dtype)])

    def _residual(self, frames: range, lr_TCHW: Tensor) -> Tensor:
        """The folded residual (T, 48, H, W) of one window, put together from tiles."""
        model, space, tiles = self.upscaler().model, self.upscaler().space, self.tiles
        weight = next(model.parameters())
        small_TCHW, size = tiles.pad(lr_TCHW), tiles.padded
        seen_TCHW = small_TCHW
        if self.noise:
            grain_TCHW = frame_noise(self.seed, f"{STAGE}-input", frames, (3, *size)).to(lr_TCHW.device)
            seen_TCHW = (1 - self.noise**2) ** 0.5 * small_TCHW + self.noise * grain_TCHW
        # Noise is drawn for the frame, so that tiles agree on it where they overlap.
        noise_TCHW = frame_noise(self.seed, STAGE, frames, (space.channels, *size))
        sum_TCHW = torch.zeros(len(frames), 3 * UPSCALE**2, *size, device=weight.device)
        sum_HW = torch.zeros(size, device=weight.device)
        batch = BATCH[weight.device.type]
        for first in range(0, len(tiles.places), batch):
            places = tiles.places[first : first + batch]
            x_BTCHW = sample(
                model,
                self.scheduler(),
                torch.stack([noise_TCHW[..., y, x] for y, x in places]).to(weight.device),
                steps=self.steps,
                extra_BTCHW=torch.stack([seen_TCHW[..., y, x] for y, x in places]).to(
                    weight.device, weight.dtype
                ),
                class_labels=torch.full((len(places),), noise_label(self.noise), device=weight.device),
            )
            for (y, x), x_TCHW in zip(places, x_BTCHW, strict=True):
                w_HW = tiles.weight((y, x), sum_HW)
                sum_TCHW[..., y, x] += space.residual(x_TCHW) * w_HW
                sum_HW[y, x] += w_HW
        return faithful(tiles.crop(sum_TCHW / sum_HW), UPSCALE)


def shrunk(x_NCHW: Tensor, share: float) -> Tensor:
    """Frames at a share of their size: how ×2 is made of ×4.

    The mean of what could be under a frame, scaled down, is the mean of what could be under it at that size, so
    nothing is lost on the way if the filter is the one that ×2 frames are thought to have come by: bicubic, not the
    duller mean of four pixels. It is done before values are rounded.
    """
    smaller = F.interpolate(x_NCHW, scale_factor=share, mode="bicubic", antialias=True, align_corners=False)
    return smaller.clamp(-1, 1)
