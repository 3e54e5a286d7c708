"""Which pack a name means. No torch, no network."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.packs.choice import Choice, absolute, check_name, expanded
from vldm_cli.packs.manifest import MANIFEST, Manifest, read_manifest
from vldm_cli.packs.origins.cached import MissingPackError, cached
from vldm_cli.packs.origins.checkpoint import SUFFIXES, read_checkpoint
from vldm_cli.packs.origins.home import pulled, repository
from vldm_cli.packs.origins.listing import Folder
from vldm_cli.packs.origins.repository import read_repository
from vldm_cli.packs.origins.shipped import shipped
from vldm_cli.packs.values import shown


def find(name_or_folder: str | Path, embedded: Mapping[str, Path]) -> tuple[Path, Manifest]:
    """(the folder that relative paths are from, the manifest) of what is called so, in this order: a pack that comes
    with vldm (`embedded`), one that was fetched, a folder with a pack.toml, one in diffusers' layout, a checkpoint in
    one file, a repository in the hub's cache.

    Raises MissingPackError where there is none, RequestError where it is yet to be fetched or cannot be read.
    """
    name = str(name_or_folder)
    check_name("--pack", name)
    if name in embedded:
        return embedded[name], read_manifest(embedded[name], links=True)
    own = pulled(name)
    if own and os.path.lexists(own / MANIFEST):
        return own, read_manifest(own)
    if name in shipped():
        raise RequestError(not_here(shipped()[name]))
    path = expanded(name_or_folder)
    # whatever stands there under that name: the folder is to be a pack of vldm's, and nothing besides is looked at
    if os.path.lexists(path / MANIFEST):
        return path.resolve(), read_manifest(path.resolve())
    if path.is_dir():
        return path.resolve(), _chosen(path, read_repository(Folder(path.resolve(), path.resolve().name)))
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return path.resolve().parent, _chosen(path, read_checkpoint(path.resolve()))
    if path.is_file():
        raise RequestError(
            f"{shown(name)} is no checkpoint; name a {', '.join(SUFFIXES)} file, a pack or its folder"
        )
    if path.suffix.lower() in SUFFIXES:
        raise RequestError(f"there is no file {shown(name)}; name one that is here")
    hub = repository(name)
    if hub:
        return cached(name, *hub)
    names = ", ".join([*embedded, *shipped()]) or "none is installed"
    raise MissingPackError(
        f"there is no pack {shown(name)}; known packs: {names} (or name a pack's folder, a checkpoint or OWNER/NAME)"
    )


def _chosen(path: Path, manifest: Manifest) -> Manifest:
    """A pack in memory is found by its place again, not by its name."""
    return replace(manifest, choice=Choice(absolute(path)))


def not_here(manifest: Manifest) -> str:
    """What is said of a pack that is known and not fetched."""
    about, licence = (" ".join(text.split()) for text in (manifest.description, manifest.licence))
    return (
        f"pack {manifest.name} is not here yet ({about}; licence: {licence}); "
        f"fetch it with `vldm packs pull {manifest.name}`"
    )
