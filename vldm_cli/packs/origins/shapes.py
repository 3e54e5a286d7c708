"""The names and shapes of the tensors in a file of weights, without reading one of them."""

from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.packs.files import Unusable, read_header
from vldm_cli.packs.origins.pickles import PICKLES, is_pickle, read_pickle

SUFFIXES = (".safetensors", *PICKLES)
Shapes = dict[str, tuple[int, ...]]


def shapes(path: Path) -> Shapes:
    """Of a safetensors file by its header; of a pickle by torch's weights-only loader, which runs nothing that lies in
    it. Raises RequestError where the file cannot be read, or is a pickle that needs more."""
    if path.suffix.lower() not in SUFFIXES:
        raise RequestError(f"{path} is no file of weights; name a {', '.join(SUFFIXES)} file")
    try:
        if is_pickle(path):
            return {name: tuple(tensor.shape) for name, tensor in read_pickle(path, meta=True)[0].items()}
        return {name: entry.shape for name, entry in read_header(path).tensors.items()}
    except Unusable as error:
        raise RequestError(f"{path} {error}; name a whole file of weights") from error
