"""A pack: one folder that holds a whole Video LDM, with a manifest that names and checks every file of it.

The image part is in diffusers' own layout (it opens in `StableDiffusionPipeline.from_pretrained`); beside it
lie the temporal layers, one safetensors file a part, and the upscalers. `pack.toml` carries name, licence,
the numbers that the chain needs and the sha256 of every file. Nothing here imports torch, so the commands
can check a request before anything heavy is loaded.

A pack may be a stranger's: what is read is what is listed and was checked, regular files inside the folder, within the
bounds of `schemas`; nothing that lies there besides is ever opened.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.packs.contents import check_content, disagreements
from vldm_cli.packs.elsewhere import Origin, Part, needed
from vldm_cli.packs.files import Truncated, Unusable, inside, read_header
from vldm_cli.packs.located import found, located
from vldm_cli.packs.manifest import MANIFEST, Manifest, read_manifest
from vldm_cli.packs.origins.digests import digest
from vldm_cli.packs.origins.find import find
from vldm_cli.packs.origins.home import pulled
from vldm_cli.packs.origins.identity import identified
from vldm_cli.packs.parts import (
    FRAME_UPSCALER,
    OWN,
    PARTS,
    PROBE,
    SOURCES,
    TEMPORAL_PARTS,
    UPSCALERS,
    companions,
)

__all__ = ["OWN", "PARTS", "SOURCES", "TEMPORAL_PARTS", "UPSCALERS", "Pack", "embedded", "file_sha256"]


@dataclass(frozen=True)
class Pack:
    """An opened pack. Make one with `Pack.open`."""

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, name_or_folder: str | Path = "toyland", check: bool = True) -> "Pack":
        """The pack of that name (one that comes with vldm or was fetched), in that folder (vldm's or diffusers'), in
        that checkpoint or of that repository of the hub, which must be in its cache; with every file checked unless
        told otherwise. Nothing is ever fetched.

        Raises RequestError when there is none, or when a file of it is missing, truncated or not the listed
        one.
        """
        pack = cls(*find(name_or_folder, embedded())).identified()
        if check:
            for problem in pack.problems():
                raise RequestError(problem)
        return pack

    def identified(self) -> "Pack":
        """The same with the hash of what it is now made of."""
        return replace(self, manifest=identified(self.manifest, self.folder, _hash_of))

    @property
    def name(self) -> str:
        return self.manifest.name

    def path(self, *parts: str) -> Path:
        """A path inside the pack's folder."""
        return self.folder.joinpath(*parts)

    def has(self, part: str) -> bool:
        """Whether the pack holds that part (a key of PARTS) or names it."""
        if part in self.named:
            return True
        # a manifest without files is of parts elsewhere alone, whatever else may lie in the folder
        return bool(self.manifest.files) and part in PARTS and self.path(PARTS[part]).is_file()

    @property
    def named(self) -> dict[str, Part]:
        """The parts that lie elsewhere (keys of `elsewhere.NAMES`)."""
        return self.manifest.elsewhere.parts

    def located(self, part: str) -> Path:
        """The file of a part that lies elsewhere. Raises RequestError where it is not here."""
        return located(self.named[part], self.folder, self.name)

    def found(self, origin: Origin) -> Path | None:
        """A file that lies elsewhere, or None where it is not here."""
        return found(origin, origin.file, self.folder)

    def weights_sha256(self, part: str) -> str | None:
        """The sha256 of a part's weights, as the manifest lists them or as they lie elsewhere; None where it has no
        such part."""
        if part not in self.named:
            return self.manifest.files.get(PARTS[part]) if part in PARTS else None
        digests = []
        for origin in needed(self.named[part]):
            path = None if origin.sha256 else self.found(origin)
            digests.append(origin.sha256 or (digest(path) if path else "not here"))
        # of weights in several files, one for all of them
        return digests[0] if len(digests) == 1 else hashlib.sha256(" ".join(digests).encode()).hexdigest()

    @property
    def upscalers(self) -> tuple[str, ...]:
        """The spaces (`manifest.SPACES`) that the pack holds a whole upscaler for, or names another pack for."""
        if self.upscaling is not self:
            return self.upscaling.upscalers
        own = tuple(space for space, parts in UPSCALERS.items() if all(map(self.has, parts)))
        return (*own, "frame") if all(map(self.has, FRAME_UPSCALER)) else own

    @property
    def upscales(self) -> bool:
        """Whether the upscaler that the pack chooses is there."""
        return self.upscaling.manifest.defaults.upscale_space in self.upscalers

    @property
    def upscaling(self) -> "Pack":
        """The pack whose upscaler it uses: itself, or the one that it names. RequestError where that is not here."""
        other = self.named.get("upscaler")
        return self if other is None or other.pack is None else Pack.open(other.pack, check=False)

    def file(self, relative: str) -> Path:
        """That file of the pack. Raises RequestError when it is missing, no regular file, or a link that leads out of
        the folder (in packs that come with vldm, whoever installed them may have linked them)."""
        try:
            return inside(self.folder, relative, links=self._embedded)
        except Unusable as error:
            raise RequestError(self.sentence(relative, error)) from error

    def sentence(self, relative: str, fault: object) -> str:
        """What is wrong with a file of the pack, and the remedy; `fault` goes behind its name."""
        if self._embedded:
            remedy = f"check the pack with `vldm packs check {self.name}` and install vldm again"
        else:
            remedy = f"check the pack with `vldm packs check {self.folder}` and install it again"
        return f"pack {self.name}: {relative} {fault}; {remedy}"

    def problems(self) -> list[str]:
        """One sentence for each listed file that is missing, truncated, changed or does not hold what it should, and
        for each that is used and not listed; empty when all is well. Whether weights fit their models is not looked at:
        that takes torch (`prepare.misfits`). A pack may be handed on without its probe, which nothing reads that makes
        videos."""
        found, probed = [], self.path(PROBE).exists()
        for relative, sha256 in self.manifest.files.items():
            if relative.startswith(PROBE) and not probed:
                continue
            try:
                self._check(relative, sha256)
            except Unusable as error:
                found.append(self.sentence(relative, error))
        found += [self.sentence(*fault) for fault in self._unlisted()]
        found += self._elsewhere()
        if not found:
            found = [self.sentence(*fault) for fault in disagreements(self.folder, self.manifest)]
        return found

    def _check(self, relative: str, sha256: str) -> None:
        path = inside(self.folder, relative, links=self._embedded)
        damaged = None
        if path.suffix == ".safetensors":
            try:
                read_header(path)
            except Truncated:
                raise
            except Unusable as error:  # if it is not the listed file, that comes first
                damaged = error
        elif path.stat().st_size == 0:
            raise Truncated("is truncated")
        if file_sha256(path) != sha256:
            raise Unusable("is damaged (wrong checksum)")
        if damaged:
            raise damaged
        check_content(path, relative)

    def _elsewhere(self) -> list[str]:
        """One sentence for each file that lies elsewhere and is not here, or is not the one that it was."""
        problems = []
        for origin in self.manifest.elsewhere.files:
            try:
                path = located(origin, self.folder, self._word)
                if origin.sha256 and digest(path) != origin.sha256:
                    remedy = (
                        f"fetch it anew with `vldm packs pull {self._word}`"
                        if origin.hub
                        else "bring the old one back, or make the pack anew"
                    )
                    problems.append(f"pack {self.name}: {origin.name} is another file than it was; {remedy}")
            except RequestError as error:
                problems.append(str(error))
            except OSError as error:
                problems.append(
                    f"pack {self.name}: {origin.name} cannot be read ({error.strerror}); make it readable"
                )
        return problems

    @property
    def _word(self) -> str:
        """What `vldm packs pull` knows the pack by."""
        own = self.manifest.choice is not None or pulled(self.name) == self.folder
        return self.name if own else str(self.folder)

    def _unlisted(self) -> list[tuple[str, str]]:
        """Files that would be used, or that other programs would use in their place, without a checksum; and files that
        are needed and not listed."""
        listed, found = self.manifest.files, []
        for part, weights in PARTS.items() if listed else ():
            if part in self.named:
                continue
            index = f"{weights}.index.json"
            if self._lies(index):
                found.append((index, "names other weights than the pack's own; remove it"))
            if weights not in listed:
                found += [(weights, f"is not listed in {MANIFEST}")] if self._lies(weights) else []
                continue
            for companion in companions(part):
                if companion not in listed:
                    there = f"is not listed in {MANIFEST}" if self._lies(companion) else "is missing"
                    found.append((companion, there))
        return found

    def _lies(self, relative: str) -> bool:
        path = self.folder / relative
        return path.exists() or path.is_symlink()

    @property
    def _embedded(self) -> bool:
        return self.folder in embedded().values()


def embedded() -> dict[str, Path]:
    """Name → folder of the packs that come with vldm: inside the installed package, or beside it in a
    checkout."""
    package = Path(__file__).resolve().parent.parent
    found = {}
    for weights in (package.parent / "weights", package / "weights"):
        for manifest in sorted(weights.glob(f"*/{MANIFEST}")):
            found[manifest.parent.name] = manifest.parent
    return found


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_of(name: str) -> str:
    """The hash of a pack that comes with vldm. Raises RequestError where there is none of that name."""
    folder = embedded().get(name)
    if folder is None:
        raise RequestError(f"pack {name}, whose upscaler another pack uses, is not here; install vldm again")
    return read_manifest(folder, links=True).hash
