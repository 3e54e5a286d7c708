"""Temporal layers in a file of their own, which says under which network they were trained.

Networks go by their weights, not by their files: the same network comes as .pth, as safetensors and in ncnn's format,
in 16 or 32 bits. So the file keeps the root mean square of each of its tensors, which 16 bits change by less than a
thousandth, and another network's, or a fine-tuned one's, differ from.
"""

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from vldm_cli.align.network import ImageNetwork
from vldm_cli.align.steady.body import find_body
from vldm_cli.align.steady.layers import Sizes, TemporalLayers
from vldm_cli.align.steady.network import SteadyNetwork, loudness_of

KIND = "vldm temporal layers of an image network"
_NETWORK = "network"
# By which share the root mean squares of a network's tensors may differ from those of the one that layers are for.
ALIKE = 2e-3


class Others(ValueError):
    """The layers are of another network; what differs, in words."""


def save_layers(
    path: Path,
    steady: SteadyNetwork,
    told: dict[str, str],
    dtype: torch.dtype = torch.float16,
    known: Tensor | None = None,
) -> None:
    """The layers alone, in 16 bits. told: what else the file's header is to say, such as the network's name. known: the
    network's `fingerprint` as it was opened, where it has been rounded since: bfloat16 is too coarse for it."""
    tensors = {name: value.to(dtype) for name, value in steady.layers.state_dict().items()}
    tensors = {name: value.contiguous().cpu() for name, value in tensors.items()}
    tensors[_NETWORK] = fingerprint(steady.image.module) if known is None else known
    sizes = json.dumps({**asdict(steady.layers.sizes), "scale": steady.image.scale})
    temporary = path.with_name(f".{path.name}.part")
    save_file(tensors, temporary, metadata={**told, "kind": KIND, "sizes": sizes})
    temporary.replace(path)


def load_layers(path: Path, image: ImageNetwork) -> SteadyNetwork:
    """The network with the layers of that file. Raises Others where they are another network's, ValueError where the
    file is none of such layers, OSError and SafetensorError where it cannot be read."""
    with safe_open(path, "pt") as file:
        said = file.metadata() or {}
        if said.get("kind") != KIND:
            raise ValueError("holds no temporal layers of an image network")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dictionary)
    if not alike(image.module, tensors.pop(_NETWORK)):
        raise Others(f"is for {said.get('network', 'another network')}")
    try:
        sizes = json.loads(said["sizes"])
        sizes.pop("scale")
        known = Sizes(**sizes)
        body = find_body(image.module, image.run, image.channels, image.least)
        layers = TemporalLayers(body.width, loudness_of(body, known.taps), image.scale, known)
        layers.load_state_dict({name: value.float() for name, value in tensors.items()})
    except (KeyError, TypeError, RuntimeError, ValueError) as error:
        raise ValueError(f"is not as vldm writes such layers ({error})") from error
    return SteadyNetwork(image, layers.eval().requires_grad_(False), body)


def fingerprint(module: nn.Module) -> Tensor:
    """(n,) float32: the root mean square of each tensor of a network, by the order of their names."""
    state = module.state_dict()
    each = [state[name].float().square().mean().sqrt() for name in sorted(state) if state[name].numel()]
    return torch.stack(each).cpu()


def alike(module: nn.Module, known: Tensor) -> bool:
    """Whether it is the network whose `fingerprint` that is."""
    own = fingerprint(module)
    return own.shape == known.shape and bool(((own - known).abs() <= ALIKE * known + 1e-7).all())
