"""The models of a pack, each loaded when it is first needed and kept for the next video."""

import json
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from vldm_cli.align.decoder import VideoDecoder
from vldm_cli.align.space import Space
from vldm_cli.align.unet import VideoUNet
from vldm_cli.denoise.schedulers import make_scheduler
from vldm_cli.errors import RequestError
from vldm_cli.packs import load
from vldm_cli.packs.pack import Pack
from vldm_cli.runs.memory import keep_freed_memory
from vldm_cli.stages.upsampling import fold_upsampling


@dataclass(frozen=True)
class Upscaler:
    """A denoiser and the space of what it denoises. text_BLD: what one that listens to text hears, (1, L, D)."""

    model: VideoUNet
    space: Space
    text_BLD: Tensor | None = None


class Models:
    """A pack's models on one device in one dtype. Raises RequestError when the device or dtype is not there."""

    def __init__(self, pack: Pack, device: str = "cpu", dtype: str = "float32") -> None:
        self.pack = pack
        self._upscalers: dict[tuple[str, bool], Upscaler] = {}
        try:
            self.device = torch.device(device)
            torch.empty(1, device=self.device)
        except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
            raise RequestError(
                f"there is no device {device} here; leave --device out or use --device cpu"
            ) from error
        if self.device.type not in ("cpu", "cuda", "mps"):
            raise RequestError(f"vldm does not run on {device}; use --device cuda, mps or cpu")
        if self.device.type == "cpu":
            keep_freed_memory()
        self.dtype = getattr(torch, dtype, None)
        if self.dtype not in (torch.float32, torch.bfloat16, torch.float16):
            raise RequestError(f"--dtype {dtype} is none of float32, bfloat16, float16")

    @cached_property
    def text(self) -> load.TextEncoder:
        return load.load_text(self.pack, self.device, self.dtype)

    @cached_property
    def keyframes(self) -> VideoUNet:
        return self._quick(load.load_keyframes(self.pack, self.device, self.dtype))

    @cached_property
    def interpolation(self) -> VideoUNet:
        return self._quick(load.load_interpolation(self.pack, self.device, self.dtype))

    @cached_property
    def decoder(self) -> VideoDecoder:
        return self._quick(load.load_decoder(self.pack, self.device, self.dtype))

    def _quick(self, model: nn.Module) -> nn.Module:
        """The same model, made ready to run fast on this device."""
        # on a GPU it has not been timed
        return fold_upsampling(model) if self.device.type == "cpu" else model

    @property
    def upscaler(self) -> Upscaler:
        """The upscaler for frames that the pack has made, of the space that it uses where nothing else is asked for."""
        return self.upscaler_in(self.pack.manifest.defaults.upscale_space, own=True)

    def upscaler_in(self, space: str, own: bool = False) -> Upscaler:
        """The upscaler of that space, one of `manifest.SPACES`, for clips of people's own, or for the pack's."""
        if (space, own) not in self._upscalers:
            model = load.load_upscaler(self.pack, space, self.device, self.dtype, own)
            self._upscalers[space, own] = Upscaler(
                self._quick(model), load.load_space(self.pack, space, self.device, self.dtype)
            )
        return self._upscalers[space, own]

    @cached_property
    def latent_channels(self) -> int:
        """Channels of a latent frame."""
        return json.loads(self.pack.path("unet", "config.json").read_text())["out_channels"]

    def scheduler(self, name: str, shift: float = 1.0):
        """A new sampler over the image LDM's noise schedule, its steps taken at `sampler.shifted` times."""
        return make_scheduler(load.scheduler_config(self.pack), name, shift)

    def upscaler_scheduler(self, name: str, space: str | None = None):
        """A new sampler over the noise schedule of the upscaler of that space; None: the pack's own."""
        space = space or self.pack.manifest.defaults.upscale_space
        return make_scheduler(load.upscaler_scheduler_config(self.pack, space), name)
