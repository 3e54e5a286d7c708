"""Image super-resolution networks that people have as files: spandrel (an extra) tells what each is from its weights.

Pickles go through torch's weights-only loader alone, as everywhere (`origins.pickles`), and never through spandrel's.
"""

from __future__ import annotations

import inspect
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vldm_cli.align.network import ImageNetwork
from vldm_cli.errors import RequestError, ran_out
from vldm_cli.packs.files import Truncated, Unusable, read_header
from vldm_cli.packs.networks.named import NAMED, located
from vldm_cli.packs.origins.digests import digest
from vldm_cli.packs.origins.pickles import PICKLES, converted, is_pickle
from vldm_cli.packs.values import shown

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor
    from torch import Tensor

LARGEST = 8
_SAFE, _NCNN = ".safetensors", ".param"
_OTHER_TASKS = {"FaceSR": "faces alone", "Inpainting": "filling holes in pictures"}


@dataclass(frozen=True)
class Network:
    """A file's network on the CPU. name: the file's, or its own; sha256: of the file, as it was given; architecture: in
    spandrel's words; formats: the number formats that it computes in; scale: how many times it is to enlarge where
    nobody says so; remarks: what is to be told of the file."""

    name: str
    sha256: str
    architecture: str
    formats: tuple[str, ...]
    network: ImageNetwork
    scale: int
    remarks: tuple[str, ...] = ()


def open_network(path: Path, option: str = "--model") -> Network:
    """The network in a file, or one of `NAMED`; option: which named it. Raises RequestError where there is none that
    makes pictures larger, or cleaner at their size, or where spandrel is not here."""
    from safetensors.torch import load_file

    from vldm_cli.packs.networks.ncnn import read_ncnn

    said, name = f"{option} {shown(str(path))}", path.name
    known = NAMED.get(str(path)) if not path.exists() else None
    named = path if known else path.absolute()
    if known is not None:
        _spandrel(option)
        path = located(str(path), option)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not here"
        raise RequestError(
            f"{said} {what}; name a file of weights, {_SAFE} or .pth, or one of {', '.join(NAMED)}"
        )
    if path.suffix.lower() not in (_SAFE, _NCNN) and not is_pickle(path):
        raise RequestError(
            f"{said} is no file of weights by its name; name one in {_SAFE}, {', '.join(PICKLES)}"
        )
    _spandrel(option)
    try:
        if path.suffix.lower() == _NCNN:
            sha256, told = digest(path.with_suffix(".bin")), ""
            found = _recognised(read_ncnn(path))
        else:
            sha256 = digest(path)
            weights, told = converted(path) if is_pickle(path) else (path, "")
            read_header(weights)
            found = _recognised(load_file(weights))
    except OSError as error:
        raise RequestError(f"{said} cannot be read ({error.strerror or shown(str(error))})") from error
    except Truncated as error:
        raise RequestError(f"{said} {error}; fetch it anew") from error
    except Unusable as error:
        raise RequestError(f"{said} {error}") from error
    network = _FromFile(found, named, sha256)
    scale = (known.scale if known else None) or found.scale
    architecture, remarks = found.architecture.name, (told,) if told else ()
    return Network(name, sha256, architecture, _formats(found), network, scale, remarks)


class _FromFile(ImageNetwork):
    """found: as spandrel has it, which cannot be pickled: it goes to other processes by the name of its file, and its
    checksum."""

    def __init__(self, found: ImageModelDescriptor, path: Path, sha256: str) -> None:
        needs = found.size_requirements
        # without torch's inference mode around it, which training cannot use
        run = partial(inspect.unwrap(type(found).__call__), found)
        least, tiled = max(1, needs.minimum), found.tiling.name == "SUPPORTED"
        super().__init__(found.model, run, found.scale, found.input_channels, needs.multiple_of, least, tiled)
        self._made_of = found, path, sha256

    def __deepcopy__(self, memo: dict) -> _FromFile:
        found, path, sha256 = self._made_of
        return _FromFile(deepcopy(found, memo), path, sha256)

    def __reduce__(self) -> tuple:
        return _opened_again, self._made_of[1:]


def _opened_again(path: Path, sha256: str) -> ImageNetwork:
    """Raises RequestError where that file is not, or is another one."""
    there = open_network(path)
    if there.sha256 != sha256:
        raise RequestError(
            f"--model {shown(str(path))} is another file where a worker runs; put the same one there"
        )
    return there.network


def _formats(found: ImageModelDescriptor) -> tuple[str, ...]:
    half = ("float16",) if found.supports_half else ()
    return ("float32", *half, *(("bfloat16",) if found.supports_bfloat16 else ()))


def _spandrel(option: str) -> None:
    try:
        import spandrel  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "spandrel":
            raise _broken(option, error) from error
        raise RequestError(
            f"{option} needs spandrel, which knows other people's networks and is not here; install it with "
            "`pip install 'vldm[models]'`"
        ) from error
    except Exception as error:  # a torchvision of another torch raises a RuntimeError
        raise _broken(option, error) from error


def _broken(option: str, error: Exception) -> RequestError:
    reason = shown((str(error).splitlines() or [type(error).__name__])[0])
    return RequestError(
        f"{option} needs spandrel, which cannot be loaded here ({reason}); install it anew with "
        "`pip install --upgrade 'vldm[models]'`"
    )


def _recognised(weights: dict[str, Tensor]) -> ImageModelDescriptor:
    """Raises Unusable where the weights are of no network that an upscaler can be."""
    from spandrel import MAIN_REGISTRY, ImageModelDescriptor, UnsupportedModelError

    try:
        found = MAIN_REGISTRY.load(weights)
    except UnsupportedModelError as error:
        known = ", ".join(sorted((one.architecture.name for one in MAIN_REGISTRY), key=str.lower))
        raise Unusable(f"is no network that spandrel knows; it knows {known}") from error
    except Exception as error:
        # each architecture trips over weights that are not quite its own in its own way
        if ran_out(error):
            raise
        reason = shown((str(error).splitlines() or [type(error).__name__])[0])
        raise Unusable(
            f"has not all that a network of its kind has, or more ({reason:.120}); fetch the file anew"
        ) from error
    if not isinstance(found, ImageModelDescriptor) or found.purpose in _OTHER_TASKS:
        task = _OTHER_TASKS[found.purpose]
        raise Unusable(
            f"is a network for {task} ({found.architecture.name}); name one that enlarges pictures"
        )
    channels = found.input_channels, found.output_channels
    if channels not in ((3, 3), (4, 4)):
        if channels == (1, 1):
            raise Unusable("is a network for grey pictures; name one for pictures in colour")
        raise Unusable(
            f"takes pictures of {channels[0]} channels and gives {channels[1]}; name one for pictures in colour"
        )
    if not 1 <= found.scale <= LARGEST:
        raise Unusable(f"enlarges {found.scale} times; name one that does so 1 to {LARGEST} times")
    return found
