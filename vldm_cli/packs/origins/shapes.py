"""The names and shapes of the tensors in a file of weights, without reading one of them."""

from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.packs.files import Unusable, read_header
from vldm_cli.packs.values import shown

PICKLES = (".ckpt", ".pt", ".pth", ".bin")
SUFFIXES = (".safetensors", *PICKLES)
Shapes = dict[str, tuple[int, ...]]


def shapes(path: Path) -> Shapes:
    """Of a safetensors file by its header; of a pickle by torch's weights-only loader, which runs nothing that lies in
    it. What a wrapper calls "state_dict" is unwrapped. Raises RequestError where the file cannot be read, or is a
    pickle that needs more."""
    if path.suffix.lower() not in SUFFIXES:
        raise RequestError(f"{path} is no file of weights; name a {', '.join(SUFFIXES)} file")
    if path.suffix.lower() == ".safetensors":
        try:
            return {name: entry.shape for name, entry in read_header(path).tensors.items()}
        except Unusable as error:
            raise RequestError(f"{path} {error}; name a whole safetensors file") from error
    return _pickled(path)


def _pickled(path: Path) -> Shapes:
    import torch

    try:
        table = torch.load(path, map_location="meta", weights_only=True)
    except (
        Exception
    ) as error:  # torch has a dozen kinds for files that are none, and one for pickles that run code
        reason = shown((str(error).splitlines() or [type(error).__name__])[0])
        raise RequestError(
            f"{path} cannot be read with torch's weights-only loader ({reason}); name a safetensors file"
        ) from error
    while isinstance(table, dict) and isinstance(table.get("state_dict"), dict):
        table = table["state_dict"]
    if not isinstance(table, dict):
        raise RequestError(f"{path} holds no table of weights; name a safetensors file")
    found: Shapes = {}
    for name, value in table.items():
        # textual inversions of other programs keep a table within the table
        inner = value.items() if isinstance(value, dict) else [("", value)]
        for rest, tensor in inner:
            if isinstance(tensor, torch.Tensor):
                found[f"{name}.{rest}".strip(".")] = tuple(tensor.shape)
    return found
