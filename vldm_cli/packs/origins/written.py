"""Writing a `pack.toml`, and the table that a manifest is in it. No torch."""

import json
import os
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from vldm_cli.packs.manifest import MANIFEST, Manifest
from vldm_cli.packs.sections import as_tables


def as_table(manifest: Manifest) -> dict[str, Any]:
    """For `write_manifest`; what is as it is by default is left out."""
    top = {name: getattr(manifest, name) for name in ("name", "version", "licence", "description")}
    video = _told(manifest.video) | {"fps": str(manifest.video.fps)}
    files = {"files": manifest.files} if manifest.files else {}
    return {
        **top,
        "video": video,
        "defaults": _told(manifest.defaults),
        **files,
        **as_tables(manifest.elsewhere),
    }


def _told(section) -> dict[str, Any]:
    usual = {f.name: f.default for f in fields(section) if f.default is not MISSING}
    found = {name: value for name, value in asdict(section).items() if usual.get(name, MISSING) != value}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def write_manifest(folder: Path, table: dict) -> None:
    """Write `pack.toml`: top-level values first, then one section for each nested table, for each table in that
    ([parts.unet]), and for each of a list of tables ([[loras]])."""
    write_text(folder / MANIFEST, "\n".join(_lines(table)) + "\n")


def _lines(table: dict, above: str = "") -> list[str]:
    lines = [f"{_key(key)} = {_toml(value)}" for key, value in table.items() if not _is_section(value)]
    for name, value in table.items():
        full = f"{above}{_key(name)}"
        if isinstance(value, dict):
            own = _lines(value, f"{full}.")
            # a table of nothing but tables needs no heading of its own
            only = value and all(_is_section(inner) for inner in value.values())
            lines += own if only else ["", f"[{full}]", *own]
        elif _is_section(value):
            for entry in value:
                lines += ["", f"[[{full}]]", *_lines(entry, f"{full}.")]
    return lines


def _is_section(value) -> bool:
    """A table, or a list of them."""
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def write_text(path: Path, text: str) -> None:
    """A text file that is there whole or as it was. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() else json.dumps(key)


def _toml(value) -> str:
    """Strings, booleans, numbers and lists of them: JSON's spelling of these is TOML's."""
    return json.dumps(value, ensure_ascii=False)
