"""Fetching a pack of public checkpoints: `plan` says what of it, `Plan.fetch` does it and pins what came.

The files go into the hub's own cache; the pinned manifest, with commits and checksums, into the user's data folder,
from where `Pack.open` takes it. Raises RequestError and RunError as `hub` does, and RequestError where a licence is yet
to be accepted or the disk too small; nothing is fetched before all of this is known.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from vldm_cli.errors import RequestError, RunError
from vldm_cli.packs.elsewhere import Elsewhere, Origin, found
from vldm_cli.packs.manifest import MANIFEST, Manifest, read_manifest
from vldm_cli.packs.origins import hub
from vldm_cli.packs.origins.cached import snapshot
from vldm_cli.packs.origins.digests import digest
from vldm_cli.packs.origins.home import pulled, repository
from vldm_cli.packs.origins.licences import restricted
from vldm_cli.packs.origins.repository import INDEX, read_part, read_repository
from vldm_cli.packs.origins.shipped import shipped
from vldm_cli.packs.origins.written import as_table, write_manifest
from vldm_cli.packs.values import shown

# What a download may need besides the files themselves.
_SPARE = 2**28
_VARIANT = ".fp16."


@dataclass(frozen=True)
class Wanted:
    """One file to be here: for which parts, from where, how many bytes (None: unknown), and whether it is here."""

    origin: Origin
    parts: tuple[str, ...]
    size: int | None
    here: bool


@dataclass(frozen=True)
class Plan:
    """What `vldm packs pull` will do. manifest: with every revision a commit; folder: where it will be written."""

    manifest: Manifest
    folder: Path
    wanted: list[Wanted]
    repositories: dict[tuple[str, str | None], hub.Repository]

    @property
    def missing(self) -> list[Wanted]:
        """What is yet to be fetched."""
        return [one for one in self.wanted if not one.here]

    @property
    def bytes(self) -> int:
        """To fetch, as far as it is known."""
        return sum(one.size or 0 for one in self.missing)

    def fetch(self, begin: Callable[[Wanted], Callable[[int], object]]) -> Manifest:
        """Fetches what is missing and writes the pinned manifest; begin: called before each file, gives what is told of
        bytes that have come. Returns the manifest."""
        _check_room(self.bytes)
        for one in self.missing:
            of = self.repositories[one.origin.hub or "", one.origin.revision]
            hub.fetch(of, one.origin.file, begin(one))
        manifest = replace(self.manifest, elsewhere=_pinned(self.manifest.elsewhere, self.folder))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_manifest(self.folder, as_table(manifest))
        except OSError as error:
            raise RunError(
                f"cannot write {self.folder / MANIFEST} ({error.strerror}); make room or set VLDM_HOME to another "
                "folder"
            ) from error
        return read_manifest(self.folder)


def plan(name: str, accept_licence: bool = False) -> Plan:
    """What is to be done for the pack of that name: a shipped one, one that was fetched before, or
    OWNER/NAME[@REVISION] of the hub in diffusers' layout. Only the hub's lists are looked at, and configurations of the
    last kind."""
    folder = pulled(name)
    known = folder is not None and (folder / MANIFEST).is_file()
    before = read_manifest(folder) if folder is not None and known else None
    if folder is None or (name not in shipped() and not before and not repository(name)):
        raise RequestError(
            f"there is nothing called {shown(name)} to fetch; name one of {', '.join(shipped())}, or OWNER/NAME of the "
            "hub"
        )
    if name in shipped():
        manifest = shipped()[name]
        manifest = replace(manifest, elsewhere=_chosen(manifest.elsewhere, accept_licence, before))
        _check_licences(name, {o.name: o.licence for o in _origins(manifest.elsewhere)}, accept_licence)
        licences = dict.fromkeys(o.licence for o in _origins(manifest.elsewhere) if o.licence)
        every = _as_before(manifest.elsewhere, before)
        manifest = replace(manifest, elsewhere=every, licence=", ".join(licences) or manifest.licence)
        return _resolved(manifest, folder, {})
    if before:
        return _resolved(before, folder, {})
    owner, revision = repository(name) or ("", None)
    listing = _look(owner, revision)
    _check_licences(name, {owner: listing.licence}, accept_licence)
    read = read_repository if listing.has(INDEX) else read_part
    manifest = replace(read(listing), name=name)
    return _resolved(manifest, folder, {(owner, listing.revision): listing})


def _chosen(every: Elsewhere, accept: bool, before: Manifest | None) -> Elsewhere:
    """Without the optional parts, unless their licence is accepted (now or before)."""
    kept = set(before.elsewhere.parts) if before else set()
    parts = {
        name: replace(part, optional=False)
        for name, part in every.parts.items()
        if not part.optional or accept or name in kept
    }
    return replace(every, parts=parts)


def _check_licences(name: str, licences: dict[str, str], accept: bool) -> None:
    refused = {licence for licence in licences.values() if restricted(licence)}
    if refused and not accept:
        raise RequestError(
            f"{name} is under {' and '.join(sorted(refused))}, which is not free for every use; read it, and if it "
            f"suits you: `vldm packs pull {name} --accept-licence`"
        )


def _as_before(every: Elsewhere, before: Manifest | None) -> Elsewhere:
    """The same at the commits, and of the checksums, at which it was fetched before: it stays the same pack."""
    if before is None:
        return every
    files = {(one.hub, one.file): one for one in _origins(before.elsewhere)}
    commits = {one.hub: one.revision for one in _origins(before.elsewhere)}

    def one(origin):
        same = files.get((origin.hub, origin.file))
        if same:
            return replace(origin, revision=same.revision, sha256=same.sha256, size=same.size)
        return replace(origin, revision=commits.get(origin.hub, origin.revision))

    return _each(every, one)


def _resolved(manifest: Manifest, folder: Path, known: dict) -> Plan:
    """The plan of a manifest: revisions become commits, and the files' sizes are asked for. known: what has been looked
    at already."""
    repositories = dict(known)
    commits: dict[tuple, str] = {}
    for origin in _origins(manifest.elsewhere):
        place = (origin.hub, origin.revision)
        if place in commits:
            continue
        commits[place] = _at_home([o for o in manifest.elsewhere.files if (o.hub, o.revision) == place])
        if not commits[place]:
            listing = repositories.get(place) or _look(origin.hub or "", origin.revision)
            commits[place] = listing.revision
            repositories[origin.hub, listing.revision] = listing

    def one(origin):
        if not origin.hub:
            return origin
        commit = commits[origin.hub, origin.revision]
        listing = repositories.get((origin.hub, commit))
        file = _there(listing, origin) if listing and origin.file else origin.file
        return replace(origin, revision=commit, file=file)

    manifest = replace(manifest, elsewhere=_each(manifest.elsewhere, one))
    users = _users(manifest.elsewhere)
    wanted = [_wanted(o, users[o.place], repositories) for o in manifest.elsewhere.files if o.hub]
    return Plan(manifest, folder, wanted, repositories)


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


def _look(owner: str, revision: str | None) -> hub.Repository:
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


def _wanted(origin: Origin, parts: tuple[str, ...], repositories: dict) -> Wanted:
    here = found(origin, origin.file, Path())
    listing = repositories.get((origin.hub, origin.revision))
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


def _pinned(every: Elsewhere, folder: Path) -> Elsewhere:
    """With the sha256 of every file. Raises RequestError where one is not what it should be; it is thrown away."""

    def one(origin):
        if not origin.hub or not origin.file:
            return origin
        path = found(origin, origin.file, folder)
        if path is None:
            raise RunError(
                f"{origin.name} has gone from the hub's cache meanwhile; give the same command again"
            )
        held = digest(path)
        if origin.sha256 and held != origin.sha256:
            path.resolve().unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise RequestError(
                f"{origin.name} in the hub's cache had the wrong checksum and was thrown away; give the same command "
                "again to fetch it anew"
            )
        return replace(origin, sha256=held, size=path.stat().st_size)

    return _each(every, one)


def _check_room(needed: int) -> None:
    folder = hub.cache()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed and free < needed + _SPARE:
        raise RequestError(
            f"the disk of {hub.cache()} is too small: {needed / 1e9:.1f} GB are to be fetched and {free / 1e9:.1f} GB "
            "are free; make room or set HF_HOME to a folder on a larger disk"
        )


def _origins(every: Elsewhere) -> list[Origin]:
    """All that come from the hub, configurations alone among them."""
    return [one for one in (*every.parts.values(), *every.loras, *every.embeddings) if one.hub]


def _users(every: Elsewhere) -> dict[tuple, tuple[str, ...]]:
    """Which parts each file is for."""
    told: dict[tuple, tuple[str, ...]] = {}
    of = [(name, Elsewhere({name: part})) for name, part in every.parts.items()]
    of += [("LoRA", Elsewhere(loras=every.loras)), ("embedding", Elsewhere(embeddings=every.embeddings))]
    for name, alone in of:
        for origin in alone.files:
            told[origin.place] = (*told.get(origin.place, ()), name)
    return told


def _each(every: Elsewhere, change: Callable) -> Elsewhere:
    return Elsewhere(
        {name: change(part) for name, part in every.parts.items()},
        tuple(map(change, every.loras)),
        tuple(map(change, every.embeddings)),
    )
