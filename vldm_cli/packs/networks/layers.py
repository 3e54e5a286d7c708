"""Temporal layers for a network of others': those that come with vldm, found by the network's own weights, or a file.

A folder of `weights` with a network.toml holds such layers: their name, licence, file and its checksum.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from vldm_cli.errors import RequestError
from vldm_cli.packs.files import Unusable, read_header
from vldm_cli.packs.listed import folders_with, listed
from vldm_cli.packs.origins.digests import digest
from vldm_cli.packs.values import shown

if TYPE_CHECKING:
    from vldm_cli.align.network import ImageNetwork
    from vldm_cli.align.steady.network import SteadyNetwork

MANIFEST = "network.toml"


@dataclass(frozen=True)
class Layers:
    """name: for people; sha256: of the file; given: whether somebody named it."""

    name: str
    sha256: str
    steady: SteadyNetwork
    given: bool = False


def shipped_layers() -> list[Path]:
    """The folders of those that come with vldm."""
    return folders_with(MANIFEST)


def layers_for(image: ImageNetwork, folders: list[Path]) -> Layers | None:
    """Those of the folders' that were trained for this very network. Raises RequestError where a folder is damaged."""
    from vldm_cli.align.steady.saved import Others

    for folder in folders:
        path, name, sha256 = listed(folder, MANIFEST)
        try:
            return Layers(name, sha256, _opened(path, image, shown(str(path))))
        except Others:
            continue
    return None


def open_layers(path: Path, image: ImageNetwork, network: str, option: str = "--model") -> Layers:
    """The layers that --layers names. network, option: what names the network, and how. Raises RequestError where they
    are no layers, or another network's."""
    from vldm_cli.align.steady.saved import Others

    said = f"--layers {shown(str(path))}"
    if path.is_dir():
        path = path / "layers.safetensors"
    if not path.is_file():
        raise RequestError(f"{said} is not here; name a file that `vldm train upscaler-network` has made")
    try:
        return Layers(path.name, digest(path), _opened(path, image, said), given=True)
    except Others as error:
        raise RequestError(f"{said} {error}, and {option} is {network}; leave --layers out") from error


def _opened(path: Path, image: ImageNetwork, said: str) -> SteadyNetwork:
    """Raises RequestError where the file is damaged or no such file, Others where it is another network's."""
    from vldm_cli.align.steady.saved import Others, load_layers

    try:
        read_header(path)
        return load_layers(path, image)
    except Others:
        raise
    except Unusable as error:
        raise RequestError(f"{said} {error}; fetch it anew") from error
    except (OSError, SafetensorError, ValueError) as error:
        raise RequestError(
            f"{said} {error}; name a file that `vldm train upscaler-network` has made"
        ) from error
