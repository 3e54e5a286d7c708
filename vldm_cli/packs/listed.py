"""Weights that come with vldm and are no pack: a folder of `weights` with one file and a manifest beside it, which has
its name, licence and checksum."""

import tomllib
from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.packs.files import Unusable, inside, read_text
from vldm_cli.packs.origins.digests import digest


def folders_with(manifest: str) -> list[Path]:
    """Those with such a manifest: beside the package in a checkout, or in the installed one."""
    package = Path(__file__).resolve().parents[1]
    places = (package.parent / "weights", package / "weights")
    return [found.parent for place in places for found in sorted(place.glob(f"*/{manifest}"))]


def listed(folder: Path, manifest: str) -> tuple[Path, str, str]:
    """(the file, its name, its sha256) of a folder's manifest. Raises RequestError where they do not go together."""
    try:
        table = tomllib.loads(read_text(inside(folder, manifest)))
        name, file, sha256 = (str(table[key]) for key in ("name", "file", "sha256"))
        path = inside(folder, file)
    except (Unusable, KeyError, tomllib.TOMLDecodeError) as error:
        raise RequestError(f"{folder / manifest} cannot be used ({error}); install vldm again") from error
    if digest(path) != sha256:
        raise RequestError(f"{path} is not the file that {manifest} lists; install vldm again")
    return path, name, sha256
