"""The run's state on disk: one safetensors file whose header carries the numbers, put in place by a rename.

Random numbers need no state: every step and every chunk of data is seeded by its own index (loop.py, bank.py).
"""

import json
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vldm_cli.errors import RequestError
from vldm_cli.video.numbers import LONGEST, real_of, whole_of

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
            whole_numbers = [whole_of(state[name], 0, 10**12) for name in ("step", "bank")]
            seconds = [real_of(state[name], 0, 60 * LONGEST) for name in ("elapsed", "bank_seconds")]
            if None in [*whole_numbers, *seconds] or not isinstance(state["identity"], dict):
                raise ValueError("its numbers are none")
            return {name: file.get_tensor(name) for name in file.keys()}, state  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RequestError(
            f"{path} is no checkpoint of a training run ({error}); choose another --run"
        ) from error
