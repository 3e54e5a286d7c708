"""Sections of a manifest about parts that lie elsewhere, read and written: `[parts.*]`, `[[loras]]`, `[[embeddings]]`.
No torch."""

import re
from dataclasses import dataclass, fields, replace
from pathlib import PurePosixPath
from typing import Any

from vldm_cli.packs.elsewhere import LAYOUTS, NAMES, TARGETS, Addition, Elsewhere, Embedding, Origin, Part
from vldm_cli.packs.shards import is_index
from vldm_cli.packs.values import Check, Flag, OneOf, Real, Schema, Text, Whole, checked, only_known, shown


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
