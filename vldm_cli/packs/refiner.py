"""The network over frames that motion makes: the one that comes with vldm, or a file.

The folder `weights/refiner` holds it beside a refiner.toml: its name, licence, file and its checksum.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from vldm_cli.errors import RequestError
from vldm_cli.packs.files import read_header
from vldm_cli.packs.listed import folders_with, listed
from vldm_cli.packs.origins.digests import digest
from vldm_cli.packs.values import shown

if TYPE_CHECKING:
    from vldm_cli.motion.refiner import Refiner

MANIFEST, FILE = "refiner.toml", "refiner.safetensors"
MAKERS = "name a file that `vldm train refiner` has made"


@dataclass(frozen=True)
class OpenedRefiner:
    """name: for people; sha256: of the file; given: whether somebody named it."""

    name: str
    sha256: str
    network: Refiner
    given: bool = False


def shipped_refiner() -> Path:
    """Its folder. Raises RequestError where it is not there."""
    for folder in folders_with(MANIFEST):
        return folder
    raise RequestError("the refiner that comes with vldm is not here; install vldm again")


def open_refiner(path: Path | None) -> OpenedRefiner:
    """The network in that file or folder, or the one that comes with vldm. Raises RequestError where it is none or
    damaged."""
    if path is None:
        file, name, sha256 = listed(shipped_refiner(), MANIFEST)
        return OpenedRefiner(name, sha256, _opened(file, f"{file}", "install vldm again"))
    said = f"--refiner {shown(str(path))}"
    file = path / FILE if path.is_dir() else path
    if not file.is_file():
        raise RequestError(f"{said} is not here; {MAKERS}")
    return OpenedRefiner(file.name, digest(file), _opened(file, said, MAKERS), given=True)


def _opened(file: Path, said: str, remedy: str) -> Refiner:
    from vldm_cli.motion.saved import load_refiner

    try:
        read_header(file)
        return load_refiner(file)
    except (OSError, SafetensorError, ValueError) as error:
        raise RequestError(f"{said} {error}; {remedy}") from error
