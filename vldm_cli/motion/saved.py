"""The refiner in a file of its own."""

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from vldm_cli.motion.refiner import Refiner

KIND = "vldm refiner of frames made by motion"


def save_refiner(path: Path, network: Refiner) -> None:
    """The network in 16 bits; the file is whole or not there."""
    tensors = {name: x.half().contiguous().cpu() for name, x in network.state_dict().items()}
    temporary = path.with_name(f".{path.name}.part")
    save_file(tensors, temporary, metadata={"kind": KIND, "widths": json.dumps(network.widths)})
    temporary.replace(path)


def load_refiner(path: Path) -> Refiner:
    """Raises ValueError where the file is none of such a network, OSError and SafetensorError where it cannot be
    read."""
    with safe_open(path, "pt") as file:
        said = file.metadata() or {}
        if said.get("kind") != KIND:
            raise ValueError("holds no refiner of frames made by motion")
        tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 (no dictionary)
    try:
        with torch.device("meta"):
            network = Refiner(tuple(json.loads(said["widths"])))
        network.load_state_dict(tensors, assign=True)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"is not as vldm writes such a network ({error})") from error
    if not all(bool(x.isfinite().all()) for x in tensors.values()):
        raise ValueError("holds weights that are no numbers")
    return network.eval().requires_grad_(False)
