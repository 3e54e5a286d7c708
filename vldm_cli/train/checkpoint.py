"""The run's state on disk: one safetensors file whose header carries the numbers, put in place by a rename.

Random numbers need no state: every step and every chunk of data is seeded by its own index (loop.py, bank.py).
"""

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vldm_cli.errors import RequestError

NAME = "checkpoint.safetensors"


def save(folder: Path, tensors: dict[str, Tensor], state: dict) -> None:
    """Write `tensors` and the JSON-able `state`; a crash at any moment leaves the old checkpoint or the new one."""
    temporary = folder / f".{NAME}.tmp"
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(tensors, temporary, metadata={"state": json.dumps(state)})
    os.replace(temporary, folder / NAME)


def load(folder: Path) -> tuple[dict[str, Tensor], dict] | None:
    """(tensors on the CPU, state) of the run in `folder`, None if there is none yet. Raises RequestError if damaged."""
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads(file.metadata()["state"])
            return {name: file.get_tensor(name) for name in file.keys()}, state  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise RequestError(
            f"{path} is no checkpoint of a training run ({error}); choose another --run"
        ) from error


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: dict[Tensor, str]) -> dict[str, Tensor]:
    """AdamW's state as `optimizer.STATE.PARAMETER` → tensor."""
    return {
        f"optimizer.{key}.{names[parameter]}": value
        for parameter, entries in optimizer.state.items()
        for key, value in entries.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, names: dict[Tensor, str], tensors: dict) -> None:
    """Put back what `optimizer_tensors` gave; parameters that had no state yet get none.

    Moments must lie in memory as their parameter does (channels_last or not): the fused kernel goes by position.
    """
    for parameter, name in names.items():
        keys = ("step", "exp_avg", "exp_avg_sq")
        found = {
            key: tensors[f"optimizer.{key}.{name}"] for key in keys if f"optimizer.{key}.{name}" in tensors
        }
        if found:
            step = found.pop("step").to(parameter.device)
            moments = {key: torch.empty_like(parameter).copy_(value) for key, value in found.items()}
            optimizer.state[parameter] = {"step": step, **moments}
