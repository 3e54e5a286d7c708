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
from vldm_cli.packs.elsewhere import Elsewhere
from vldm_cli.packs.located import found
from vldm_cli.packs.manifest import MANIFEST, Manifest, read_manifest
from vldm_cli.packs.origins import hub
from vldm_cli.packs.origins.digests import digest
from vldm_cli.packs.origins.home import pulled, repository
from vldm_cli.packs.origins.licences import restricted
from vldm_cli.packs.origins.refusals import cache
from vldm_cli.packs.origins.repository import INDEX, read_part, read_repository
from vldm_cli.packs.origins.resolve import Resolved, Wanted, from_hub, look, resolved
from vldm_cli.packs.origins.shipped import shipped
from vldm_cli.packs.origins.written import as_table, write_manifest
from vldm_cli.packs.values import shown

# What a download may need besides the files themselves.
_SPARE = 2**28


@dataclass(frozen=True)
class Plan:
    """What `vldm packs pull` will do; folder: where the pinned manifest will be written."""

    resolved: Resolved
    folder: Path

    @property
    def manifest(self) -> Manifest:
        return self.resolved.manifest

    @property
    def wanted(self) -> list[Wanted]:
        """Every file of the hub's."""
        return self.resolved.wanted

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
            of = self.resolved.repositories[one.origin.hub or "", one.origin.revision]
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
    """What is to be done for the pack of that name: a shipped one, one that was fetched before, one in a folder with a
    pack.toml (which is then pinned), or OWNER/NAME[@REVISION] of the hub in diffusers' layout. Only the hub's lists are
    looked at, and configurations of the last kind."""
    folder = pulled(name)
    if name not in shipped() and (Path(name) / MANIFEST).is_file():
        manifest = read_manifest(Path(name))
        _check_licences(name, {o.name: o.licence for o in from_hub(manifest.elsewhere)}, accept_licence)
        return Plan(resolved(manifest, {}), Path(name).resolve())
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
        _check_licences(name, {o.name: o.licence for o in from_hub(manifest.elsewhere)}, accept_licence)
        licences = dict.fromkeys(o.licence for o in from_hub(manifest.elsewhere) if o.licence)
        every = _as_before(manifest.elsewhere, before)
        manifest = replace(manifest, elsewhere=every, licence=", ".join(licences) or manifest.licence)
        return Plan(resolved(manifest, {}), folder)
    if before:
        return Plan(resolved(before, {}), folder)
    owner, revision = repository(name) or ("", None)
    listing = look(owner, revision)
    _check_licences(name, {owner: listing.licence}, accept_licence)
    read = read_repository if listing.has(INDEX) else read_part
    manifest = replace(read(listing), name=name)
    return Plan(resolved(manifest, {(owner, listing.revision): listing}), folder)


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
    files = {(one.hub, one.file): one for one in from_hub(before.elsewhere)}
    commits = {one.hub: one.revision for one in from_hub(before.elsewhere)}

    def one(origin):
        same = files.get((origin.hub, origin.file))
        if same:
            return replace(origin, revision=same.revision, sha256=same.sha256, size=same.size)
        return replace(origin, revision=commits.get(origin.hub, origin.revision))

    return every.changed(one)


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

    return every.changed(one)


def _check_room(needed: int) -> None:
    folder = cache()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed and free < needed + _SPARE:
        raise RequestError(
            f"the disk of {cache()} is too small: {needed / 1e9:.1f} GB are to be fetched and {free / 1e9:.1f} GB "
            "are free; make room or set HF_HOME to a folder on a larger disk"
        )
