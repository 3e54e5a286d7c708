"""LPIPS (Zhang et al., CVPR 2018, arXiv:1801.03924): how different two pictures look, as a training loss.

The network is no part of a pack and is not shipped. Its file is the state dict of the package `lpips`, version 0.1,
net "alex", as safetensors.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from vldm_cli.errors import RequestError

# AlexNet (Krizhevsky 2014, arXiv:1404.5997), numbered as lpips does: name → (stride, padding, pooled before).
CONVOLUTIONS = {
    "net.slice1.0": (4, 2, False),
    "net.slice2.3": (1, 2, True),
    "net.slice3.6": (1, 1, True),
    "net.slice4.8": (1, 1, False),
    "net.slice5.10": (1, 1, False),
}
HEADS = tuple(f"lin{i}.model.1.weight" for i in range(len(CONVOLUTIONS)))
# Mean and deviation of ImageNet's colours, for values in [−1, 1].
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
# Where all features of a place are nought, their direction is.
EPSILON = 1e-10


class Perceptual(nn.Module):
    """The distance; frozen, in float32. weights: the state dict; raises KeyError where a name is missing."""

    shift: Tensor
    scale: Tensor

    def __init__(self, weights: dict[str, Tensor]):
        super().__init__()
        for name in CONVOLUTIONS:
            for kind in ("weight", "bias"):
                self.register_buffer(_buffer(name, kind), weights[f"{name}.{kind}"].float())
        for name in HEADS:
            self.register_buffer(name.replace(".", "_"), weights[name].float())
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1))

    @classmethod
    def load(cls, path: Path, device: torch.device) -> "Perceptual":
        """From a safetensors file. Raises RequestError if it is none, or another network's."""
        remedy = "give the state dict of lpips.LPIPS(net='alex') as safetensors"
        try:
            return cls(load_file(path)).to(device)
        except (OSError, SafetensorError) as error:
            raise RequestError(f"--perceptual {path}: cannot be read ({error}); {remedy}") from error
        except KeyError as error:
            raise RequestError(f"--perceptual {path} holds no {error}; {remedy}") from error

    def distance(self, a_NCHW: Tensor, b_NCHW: Tensor) -> Tensor:
        """(N,) distances of frames in [−1, 1] of at least 35 × 35 pixels, 0 for equal ones; differentiable."""
        total = a_NCHW.new_zeros(len(a_NCHW), dtype=torch.float32)
        for head, a, b in zip(HEADS, self._features(a_NCHW), self._features(b_NCHW), strict=True):
            total = total + F.conv2d((a - b) ** 2, getattr(self, head.replace(".", "_"))).mean((1, 2, 3))
        return total

    def _features(self, x_NCHW: Tensor) -> list[Tensor]:
        """Each convolution's features, of length 1 at every place."""
        x, found = (x_NCHW.float() - self.shift) / self.scale, []
        for name, (stride, padding, pooled) in CONVOLUTIONS.items():
            if pooled:
                x = F.max_pool2d(x, 3, 2)
            weight, bias = getattr(self, _buffer(name, "weight")), getattr(self, _buffer(name, "bias"))
            x = F.relu(F.conv2d(x, weight, bias, stride, padding))
            # the root's slope at nought is infinite, so the small number goes under it
            found.append(x / (x.square().sum(1, keepdim=True) + EPSILON).sqrt())
        return found


def _buffer(name: str, kind: str) -> str:
    return f"{name}.{kind}".replace(".", "_")
