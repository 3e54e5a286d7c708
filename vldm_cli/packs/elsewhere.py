"""Parts of a pack that lie elsewhere: which file of which repository or folder, what it is, its licence. No torch.

A pack's own files are listed in `[files]` and lie where `parts` says. A part may be named instead, by a section of its
own: `[parts.unet]` with `hub`, `revision` and `file`, or with `path` and `file`; so a manifest alone makes one pack of
several public checkpoints, and holds none of their weights.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

from vldm_cli.errors import RequestError
from vldm_cli.packs.shards import is_index
from vldm_cli.packs.values import Check, Flag, OneOf, Real, Schema, Text, Whole, checked, only_known, shown

# What may lie elsewhere. `tokenizer` and `schedule` are configurations alone; `text_2` and its tokenizer are Stable
# Diffusion XL's second ones; `context` is how known frames reach the keyframes' model, `sketch` what reads sketches for
# it and `eyes` what sees a picture; `image_schedule` that of an image model whose pictures another one makes move;
# `upscaler` is a whole upscaler of another pack (`pack`).
NAMES = (
    "unet",
    "vae",
    "text",
    "tokenizer",
    "text_2",
    "tokenizer_2",
    "schedule",
    "image_schedule",
    "keyframes",
    "context",
    "sketch",
    "eyes",
    "decoder",
    "upscaler",
    "upscaler_frame",
    "upscaler_frame_vae",
    "upscaler_frame_text",
    "upscaler_frame_tokenizer",
    "upscaler_frame_schedule",
    "upscaler_frame_low_schedule",
)
# How a file's keys are spelt: as diffusers (and transformers) do, or as the original code, in one file with all parts.
LAYOUTS = ("diffusers", "original")
# What a LoRA may be added to: the image model with its text encoder, or the temporal layers.
TARGETS = ("image", "motion")


@dataclass(frozen=True)
class Origin:
    """Where one file comes from. file: its name in the repository or below `path`, with folders. hub: owner/name, at
    `revision` (a commit; None: the newest). path: a folder, absolute or from the pack's. size in bytes."""

    file: str = ""
    hub: str | None = None
    revision: str | None = None
    path: str | None = None
    sha256: str | None = None
    size: int | None = None
    licence: str = ""

    @property
    def name(self) -> str:
        """For sentences: the repository with the file, or the file's path."""
        return f"{self.hub}/{self.file}" if self.hub else str(PurePosixPath(self.path or ".", self.file))

    @property
    def place(self) -> tuple:
        """What tells one file from another."""
        return self.hub, self.revision, self.path, self.file


@dataclass(frozen=True)
class Part(Origin):
    """One part. family: of temporal layers (`align.families.FAMILIES`), or of what reads known frames ("sparsectrl",
    "first-frame"). layout: one of LAYOUTS. config: the name of a configuration that vldm brings along (`configs`);
    config_file: one that lies where the file does. pack: the name of the pack whose upscaler it is. scale: of a
    reader's residuals. fps, bucket, noise: what a "first-frame" reader tells its model;
    fps: None for the keyframes' rate of the video. optional: the pack is whole
    without it, for a licence that not everybody accepts (`vldm packs pull`). shards: the files of weights, where `file`
    is an index of several (`shards`)."""

    family: str | None = None
    layout: str = "diffusers"
    config: str | None = None
    config_file: str | None = None
    pack: str | None = None
    scale: float = 1.0
    fps: float | None = None
    bucket: float | None = None
    noise: float | None = None
    optional: bool = False
    shards: tuple[Origin, ...] = ()


@dataclass(frozen=True)
class Addition(Origin):
    """A LoRA. to: one of TARGETS."""

    to: str = "image"
    strength: float = 1.0


@dataclass(frozen=True)
class Embedding(Origin):
    """A textual inversion; token: the word that stands for it in prompts ("": as its file says)."""

    token: str = ""


@dataclass(frozen=True)
class Elsewhere:
    """All that a manifest names."""

    parts: dict[str, Part] = field(default_factory=dict)
    loras: tuple[Addition, ...] = ()
    embeddings: tuple[Embedding, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.parts or self.loras or self.embeddings)

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Parts, the files of those in several, LoRAs and words, one after the other."""
        shards = (shard for part in self.parts.values() for shard in part.shards)
        return (*self.parts.values(), *shards, *self.loras, *self.embeddings)

    def changed(self, change: Callable) -> "Elsewhere":
        """The same with each of them as `change` makes it."""

        def whole(part: Part) -> Part:
            return replace(change(part), shards=tuple(map(change, part.shards)))

        return Elsewhere(
            {name: whole(part) for name, part in self.parts.items()},
            tuple(map(change, self.loras)),
            tuple(map(change, self.embeddings)),
        )

    @property
    def files(self) -> list[Origin]:
        """Everything that must be here before the pack can be used, each file once."""
        found: dict[tuple, Origin] = {}
        for part in self.parts.values():
            for origin in needed(part):
                found.setdefault(origin.place, origin)
        for origin in (*self.loras, *self.embeddings):
            found.setdefault(origin.place, origin)
        return list(found.values())


class _Name(Check):
    """A relative name that stays inside."""

    @property
    def wanted(self) -> str:
        return "the name of a file inside its folder, with / between folders"

    def fits(self, value) -> bool:
        if not Text(300).fits(value) or "\\" in value or ":" in value:
            return False
        pure = PurePosixPath(value)
        return not pure.is_absolute() and ".." not in pure.parts and str(pure) == value


@dataclass(frozen=True)
class _Spelt(Check):
    """Text of a pattern."""

    pattern: str
    wanted_: str

    @property
    def wanted(self) -> str:
        return self.wanted_

    def fits(self, value) -> bool:
        return isinstance(value, str) and re.fullmatch(self.pattern, value) is not None


class _Shards(Check):
    """Tables of the files that an index names."""

    @property
    def wanted(self) -> str:
        return "a list of 1 to 1000 tables with a file, and its sha256 and size"

    def fits(self, value) -> bool:
        return isinstance(value, list) and 0 < len(value) <= 1000

    def __call__(self, value) -> tuple[Origin, ...]:
        return tuple(_one(shard, SHARD, Origin, "shards") for shard in super().__call__(value))


REPOSITORY = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
REVISION = r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}"
ORIGIN: Schema = {
    "file": _Name(),
    "hub": _Spelt(REPOSITORY, "a repository, OWNER/NAME"),
    "revision": _Spelt(REVISION, "a revision: a commit, a branch or a tag"),
    "path": Text(4000),
    "sha256": _Spelt("[0-9a-f]{64}", "a sha256 of 64 digits"),
    "size": Whole(1, 10**12),
    "licence": Text(200),
}
SHARD: Schema = {name: ORIGIN[name] for name in ("file", "sha256", "size")}
PART: Schema = {
    **ORIGIN,
    "family": Text(40),
    "layout": OneOf(LAYOUTS),
    "config": _Spelt(r"[a-z0-9][a-z0-9._-]{0,60}", "the name of a configuration that vldm has"),
    "config_file": _Name(),
    "pack": Text(100),
    "scale": Real(0, 10),
    "fps": Real(1, 1000),
    "bucket": Real(0, 1000),
    "noise": Real(0, 1),
    "optional": Flag(),
    "shards": _Shards(),
}
LORA: Schema = {**ORIGIN, "to": OneOf(TARGETS), "strength": Real(-10, 10)}
EMBEDDING: Schema = {**ORIGIN, "token": Text(100)}


# What a CLIP tokenizer is beside its vocabulary.
VOCABULARY, MERGES = "vocab.json", "merges.txt"


def needed(part: Part) -> Iterator[Origin]:
    """The files of a part: its own, those of which it is the index, the configuration that lies where it does, and the
    merges of a vocabulary."""
    if part.file:
        yield part
    yield from part.shards
    own = PurePosixPath(part.file)
    beside = [part.config_file, str(own.with_name(MERGES)) if own.name == VOCABULARY else None]
    for name in filter(None, beside):
        yield Origin(name, part.hub, part.revision, part.path, licence=part.licence)


def read_elsewhere(table: dict) -> Elsewhere:
    """`[parts.*]`, `[[loras]]` and `[[embeddings]]` of a manifest. Raises ValueError that names the section."""
    parts = table.get("parts", {})
    if not isinstance(parts, dict):
        raise ValueError(f"[parts] must be a table, not {shown(parts)}")
    only_known(parts, NAMES)
    return Elsewhere(
        {name: _one(section, PART, Part, f"[parts.{name}]") for name, section in parts.items()},
        tuple(_several(table, "loras", LORA, Addition)),
        tuple(_several(table, "embeddings", EMBEDDING, Embedding)),
    )


def as_tables(elsewhere: Elsewhere) -> dict[str, Any]:
    """The same for a manifest that is written: {"parts": {name: table}, "loras": [table], "embeddings": [table]}."""
    found = {
        "parts": {name: _told(part) for name, part in elsewhere.parts.items()},
        "loras": [_told(lora) for lora in elsewhere.loras],
        "embeddings": [_told(one) for one in elsewhere.embeddings],
    }
    return {name: value for name, value in found.items() if value}


def located(origin: Origin, folder: Path, pack: str) -> Path:
    """The file, which must be here: nothing is ever fetched. folder: the pack's, pack: its name for sentences. Raises
    RequestError where it is not."""
    return beside(origin, origin.file, folder, pack)


def beside(origin: Origin, name: str, folder: Path, pack: str) -> Path:
    """Another file of where `origin` comes from, such as its configuration; as `located`."""
    path = found(origin, name, folder)
    if path is not None:
        return path
    if origin.hub is None:
        path = folder / (origin.path or ".") / name
        what = "is no file" if path.exists() else "is missing"
        raise RequestError(f"pack {pack}: {path} {what}; bring it back or name another file")
    at = f" at {origin.revision:.12}" if origin.revision else ""
    raise RequestError(
        f"pack {pack}: {name} of {origin.hub}{at} is not here; fetch it with `vldm packs pull {pack}`"
    )


def found(origin: Origin, name: str, folder: Path) -> Path | None:
    """The same, or None where it is not here."""
    if origin.hub is None:
        path = folder / (origin.path or ".") / name
        return path if path.is_file() else None
    from huggingface_hub import try_to_load_from_cache

    known = try_to_load_from_cache(origin.hub, name, revision=origin.revision)
    return Path(known) if isinstance(known, str) else None


def _several(table: dict, name: str, schema: Schema, kind: type):
    sections = table.get(name, [])
    if not isinstance(sections, list):
        raise ValueError(f"[[{name}]] must be a list of tables, not {shown(sections)}")
    if len(sections) > 100:
        raise ValueError(f"[[{name}]] has {len(sections)} entries, more than 100")
    for i, section in enumerate(sections):
        yield _one(section, schema, kind, f"[[{name}]] number {i + 1}")


def _one(section, schema: Schema, kind: type, where: str):
    try:
        found = kind(**checked(section, schema))
        only_known(section, schema)
        if found.hub and found.path:
            raise ValueError("it has both hub and path; a file comes from one place")
        if kind is not Part and not found.file:
            raise ValueError("file is missing")
        if kind is Part and is_index(found.file) != bool(found.shards):
            raise ValueError(
                "shards, the files that the index names, are missing"
                if is_index(found.file)
                else "shards are there, and file is no index of them"
            )
        if kind is Part:  # they lie where their index does
            there = {name: getattr(found, name) for name in ("hub", "revision", "path", "licence")}
            found = replace(found, shards=tuple(replace(shard, **there) for shard in found.shards))
        return found
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _told(origin: Origin) -> dict[str, Any]:
    """The entries that are not as they are by default."""
    told = {f.name: value for f in fields(origin) if (value := getattr(origin, f.name)) != f.default}
    if "shards" in told:
        told["shards"] = [{k: v for k, v in _told(one).items() if k in SHARD} for one in told["shards"]]
    return told
