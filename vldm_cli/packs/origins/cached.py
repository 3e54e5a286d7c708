"""A repository of the hub that is in its cache already. No torch, no network."""

from dataclasses import replace
from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.packs.choice import Choice
from vldm_cli.packs.manifest import Manifest
from vldm_cli.packs.origins.listing import Folder
from vldm_cli.packs.origins.repository import INDEX, read_repository


class MissingPackError(RequestError):
    """Nothing here is a pack of that name."""


def cached(name: str, hub: str, revision: str | None) -> tuple[Path, Manifest]:
    """(its folder in the cache, the pack that it is). Raises MissingPackError where it is not
    there, RequestError where it is none."""
    folder = snapshot(hub, revision, INDEX)
    if folder is None:
        raise MissingPackError(
            f"there is no folder {name}, and the repository {name} is not here; fetch it with `vldm packs pull {name}`"
        )
    manifest = read_repository(Folder(folder, name, hub, folder.name))
    return folder, replace(manifest, choice=Choice(f"{hub}@{folder.name}"))


def snapshot(hub: str, revision: str | None, file: str) -> Path | None:
    """The folder of a repository's files at one commit (its name) in the cache, if it has that file there."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(hub, file, revision=revision)
    return Path(found).parents[file.count("/")] if isinstance(found, str) else None
