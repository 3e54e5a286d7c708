"""An image super-resolution network of any make, as an upscaler of clips asks it: frames in, larger frames out."""

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor, nn

from vldm_cli.align.fast.engine import pays
from vldm_cli.align.fast.networks import hasten_network, kernels_of
from vldm_cli.align.fast.ops import has_triton
from vldm_cli.align.receptive import reach


class ImageNetwork:
    """run: maps pictures (1, channels, h, w) in [0, 1] to (1, channels, s·h, s·w), by the weights of `module`; the
    fourth of four channels is how opaque a pixel is. scale: s, whole. multiple: sides of which the network asks
    pictures to be a multiple; least: and how long they must be. tiled: whether it is meant for parts of pictures."""

    def __init__(
        self,
        module: nn.Module,
        run: Callable[[Tensor], Tensor],
        scale: int,
        channels: int = 3,
        multiple: int = 1,
        least: int = 1,
        tiled: bool = True,
    ) -> None:
        self.module, self.run, self.scale, self.channels = (
            module.eval().requires_grad_(False),
            run,
            scale,
            channels,
        )
        self.multiple, self.least, self.tiled = multiple, least, tiled

    @property
    def device(self) -> torch.device:
        return next(self.module.parameters()).device

    @property
    def weights(self) -> int:
        """How many numbers it has."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    @cached_property
    def looks(self) -> int | None:
        """How far, in pixels, as `reach` has it, by weights that are on the CPU in float32."""
        return reach(self.run, self.channels, self.multiple, self.least)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Moves it. In 16 bits on a GPU a network of convolutions alone goes on in channels_last, the order in which
        matrix units compute, and by vldm's own kernels; others take their features apart in ways that may not allow
        it."""
        self.module.to(device, dtype)
        if device.type == "cuda" and dtype.itemsize == 2 and self.convolutional:
            self.module.to(memory_format=torch.channels_last)
        if self.kernels(device, dtype):
            hasten_network(self.module)

    def kernels(self, device: torch.device, dtype: torch.dtype) -> tuple[str, ...]:
        """Those of vldm's own that it runs by there."""
        if device.type != "cuda" or not (self.convolutional and has_triton() and pays(device, dtype)):
            return ()
        return kernels_of(self.module)

    @cached_property
    def convolutional(self) -> bool:
        """Whether all its weights are those of two-dimensional convolutions and of activations."""
        weighty = (m for m in self.module.modules() if next(m.parameters(recurse=False), None) is not None)
        return all(isinstance(module, nn.Conv2d | nn.PReLU) for module in weighty)

    def enlarged(self, x_CHW: Tensor) -> Tensor:
        """A picture (3, h, w) in [0, 1] → (3, s·h, s·w) float32 in [0, 1]. One picture a call, as networks promise no
        more, and so that what comes out of one never depends on another."""
        return self.several(x_CHW[None])[0].float()

    def several(self, x_NCHW: Tensor) -> Tensor:
        """Pictures (N, 3, h, w) in [0, 1] → (N, 3, s·h, s·w) in the network's own format, for training, which is not
        held to the last bit."""
        x_NCHW = x_NCHW.to(next(self.module.parameters()).dtype)
        if self.channels == 4:
            x_NCHW = torch.cat([x_NCHW, torch.ones_like(x_NCHW[:, :1])], 1)
        return self.run(x_NCHW)[:, :3]
