"""Frames of a clip into a model and larger ones out of it, whatever that model is."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import torch
from torch import Tensor

from vldm_cli.pipelines.clip.job import Frames
from vldm_cli.runs.ahead import ahead
from vldm_cli.runs.progress import Clock, Meter
from vldm_cli.runs.store import Store
from vldm_cli.stages.upscale import STAGE
from vldm_cli.video.clip import Clip
from vldm_cli.video.look import Raw

# Frames that are read, and made, before they are asked for: a GPU works while ffmpeg does. On a CPU they would only
# take time from each other.
AHEAD = {"cpu": 0, "mps": 0, "cuda": 8}


class Enlarged(ABC):
    """A clip `scale` times as large. read, raw: its frames as they are read, and the new ones as they are written."""

    def __init__(self, clip: Clip, scale: int) -> None:
        self.clip, self.scale = clip, scale
        self.read = clip.raw(rgb=True)
        self.raw = Raw(self.read.pixels, clip.height * scale, clip.width * scale)

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where the model is."""

    @abstractmethod
    def images(self, start: int, device: torch.device) -> Iterator[Tensor]:
        """The new frames start, start + 1, … (3, H, W) in values of the file, 0 to `raw.peak`, not yet rounded; the
        same ones wherever one starts. On a GPU nothing in here waits for what has been asked of it, so that it never
        runs out of work."""

    def frames(self, start: int, meter: Meter) -> Iterator[bytes]:
        """Frames start, start + 1, … of the new clip, as raw RGB."""
        device = self.device
        with closing(ahead(self._arriving(start, device), AHEAD[device.type])) as images:
            for frame, (image_HWC, arrived) in enumerate(images, start):
                if arrived is not None:
                    arrived.synchronize()
                yield self.raw.pack([image_HWC.numpy()])
                meter.upto(frame + 1)

    def make(self, start: int, clock: Clock, journal: Store, meters: dict[str, Meter]) -> Frames:
        """A `Make`."""
        return clock.timed(STAGE, self.frames(start, meters[STAGE]))

    def source(self, start: int, device: torch.device) -> Iterator[Tensor]:
        """The clip's frames (3, H, W) in values of the file, 0 to `read.peak`, float32 on the device; they go there as
        they are read."""
        kind = _integers(self.read)
        with closing(ahead(self.clip.read(start, self.read), AHEAD[device.type])) as frames:
            for frame in frames:
                (image,) = self.read.planes(frame)
                x_HWC = torch.empty(image.shape, dtype=kind, pin_memory=device.type == "cuda")
                np.copyto(x_HWC.numpy(), image)
                x_HWC = x_HWC.to(device, non_blocking=True).float()
                yield x_HWC.permute(2, 0, 1).contiguous()

    def _arriving(self, start: int, device: torch.device) -> Iterator[tuple[Tensor, torch.cuda.Event | None]]:
        """The new frames (H, W, 3) as integers on the CPU, each once its event, if any, has happened."""
        for x_CHW in self.images(start, device):
            image_HWC = x_CHW.round().clamp(0, self.raw.peak).to(_integers(self.raw)).permute(1, 2, 0)
            image_HWC = image_HWC.contiguous()
            if image_HWC.device.type != "cuda":
                yield image_HWC.cpu(), None
                continue
            host_HWC = torch.empty(image_HWC.shape, dtype=image_HWC.dtype, pin_memory=True)
            host_HWC.copy_(image_HWC, non_blocking=True)
            arrived = torch.cuda.Event()
            arrived.record(torch.cuda.current_stream(image_HWC.device))
            yield host_HWC, arrived


def _integers(raw: Raw) -> torch.dtype:
    """What samples travel in between host and device: bytes, or what every device has for 16 bits."""
    return torch.uint8 if raw.dtype.itemsize == 1 else torch.int32
