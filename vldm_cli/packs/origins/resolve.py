"""Which commit a pack's files are at and how large they are, before anything is fetched."""

from dataclasses import dataclass, replace
from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.packs.elsewhere import Elsewhere, Origin
from vldm_cli.packs.located import found
from vldm_cli.packs.manifest import Manifest
from vldm_cli.packs.origins import hub
from vldm_cli.packs.origins.cached import snapshot

_VARIANT = ".fp16."
Repositories = dict[tuple[str, str | None], hub.Repository]
"""What has been looked at, by name and commit."""


@dataclass(frozen=True)
class Wanted:
    """One file to be here: for which parts, from where, how many bytes (None: unknown), and whether it is here."""

    origin: Origin
    parts: tuple[str, ...]
    size: int | None
    here: bool


@dataclass(frozen=True)
class Resolved:
    """A manifest with every revision a commit, its files, and the repositories that had to be looked at."""

    manifest: Manifest
    wanted: list[Wanted]
    repositories: Repositories


def resolved(manifest: Manifest, known: Repositories) -> Resolved:
    """A manifest's revisions become commits, and the files' sizes are asked for. known: what has been looked at
    already. Raises RequestError and RunError as `hub` does."""
    repositories = dict(known)
    commits: dict[tuple, str] = {}
    for origin in from_hub(manifest.elsewhere):
        place = (origin.hub or "", origin.revision)
        if place in commits:
            continue
        commits[place] = _at_home([o for o in manifest.elsewhere.files if (o.hub, o.revision) == place])
        if not commits[place]:
            listing = repositories.get(place) or look(origin.hub or "", origin.revision)
            commits[place] = listing.revision
            repositories[origin.hub or "", listing.revision] = listing

    def one(origin):
        if not origin.hub:
            return origin
        commit = commits[origin.hub, origin.revision]
        listing = repositories.get((origin.hub or "", commit))
        file = _there(listing, origin) if listing and origin.file else origin.file
        return replace(origin, revision=commit, file=file)

    manifest = replace(manifest, elsewhere=manifest.elsewhere.changed(one))
    users = _users(manifest.elsewhere)
    wanted = [_wanted(o, users[o.place], repositories) for o in manifest.elsewhere.files if o.hub]
    return Resolved(manifest, wanted, repositories)


def _at_home(files: list[Origin]) -> str:
    """The commit at which all of these files of a repository are in the cache, where that can be known without asking:
    pinned ones, or any if the network is forbidden; "" where it cannot."""
    first = files[0] if files else Origin()
    if not hub.offline() and not hub.COMMIT.fullmatch(first.revision or ""):
        return ""
    folders = {snapshot(o.hub or "", o.revision, o.file) for o in files}
    if None in folders or len(folders) != 1:
        return ""
    folder = folders.pop()
    return folder.name if folder else ""


def look(owner: str, revision: str | None) -> hub.Repository:
    """`hub.look`, where the user allows it. Raises RequestError where not."""
    if hub.offline():
        raise RequestError(
            f"{owner} is not all here and HF_HUB_OFFLINE forbids to fetch it; unset it and give the command again"
        )
    return hub.look(owner, revision)


def _there(listing: hub.Repository, origin: Origin) -> str:
    """The name of that file in the repository: as it is, or of another number format where it is not pinned. Raises
    RequestError where there is none."""
    plain = origin.file.replace(_VARIANT, ".")
    base, dot, ending = origin.file.rpartition(".")
    for name in (origin.file, plain, f"{base}{_VARIANT}{ending}" if dot else plain):
        if name in listing.files and (name == origin.file or origin.sha256 is None):
            return name
    raise RequestError(
        f"{listing.hub} has no {origin.file} (any more) at {listing.revision:.12}; name another model or revision"
    )


def _wanted(origin: Origin, parts: tuple[str, ...], repositories: Repositories) -> Wanted:
    here = found(origin, origin.file, Path())
    listing = repositories.get((origin.hub or "", origin.revision))
    if listing is None:
        return Wanted(origin, parts, here.stat().st_size if here else origin.size, here is not None)
    if origin.file not in listing.files:
        raise RequestError(
            f"{listing.hub} has no {origin.file} (any more) at {listing.revision:.12}; name another model or revision"
        )
    remote = listing.files[origin.file]
    if origin.sha256 and remote.sha256 and origin.sha256 != remote.sha256:
        raise RequestError(
            f"{origin.name} is another file now than the one that the pack was made with (wrong checksum); name its "
            "revision of then"
        )
    return Wanted(origin, parts, remote.size, here is not None)


def from_hub(every: Elsewhere) -> list[Origin]:
    """All that come from the hub, configurations alone among them."""
    return [one for one in every.origins if one.hub]


def _users(every: Elsewhere) -> dict[tuple, tuple[str, ...]]:
    """Which parts each file is for."""
    told: dict[tuple, tuple[str, ...]] = {}
    of = [(name, Elsewhere({name: part})) for name, part in every.parts.items()]
    of += [("LoRA", Elsewhere(loras=every.loras)), ("embedding", Elsewhere(embeddings=every.embeddings))]
    for name, alone in of:
        for origin in alone.files:
            told[origin.place] = (*told.get(origin.place, ()), name)
    return told
