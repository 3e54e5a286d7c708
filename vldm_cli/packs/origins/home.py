"""The user's own folders: where fetched packs are kept, and what can be thrown away. No torch."""

import os
import re
from pathlib import Path

from vldm_cli.packs.sections import REPOSITORY, REVISION

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_REPOSITORY = re.compile(rf"({REPOSITORY})(?:@({REVISION}))?")


def data_folder() -> Path:
    """`$VLDM_HOME`, or vldm's folder in the XDG data home (`~/.local/share/vldm`)."""
    return _folder("XDG_DATA_HOME", ".local/share")


def cache_folder() -> Path:
    """`$VLDM_HOME/cache`, or vldm's folder in the XDG cache home (`~/.cache/vldm`)."""
    home = os.environ.get("VLDM_HOME")
    return Path(home).expanduser() / "cache" if home else _folder("XDG_CACHE_HOME", ".cache")


def pulled(name: str) -> Path | None:
    """The folder in which `vldm packs pull` and `vldm packs new` keep a pack of that name, OWNER/NAME or
    OWNER/NAME@REVISION; None for what no pack can be called."""
    if not (_NAME.fullmatch(name) or _REPOSITORY.fullmatch(name)):
        return None
    return data_folder() / "packs" / name.replace("/", "--")


def pulled_packs() -> list[Path]:
    """The folders of all of them."""
    return sorted(manifest.parent for manifest in (data_folder() / "packs").glob("*/pack.toml"))


def repository(name: str) -> tuple[str, str | None] | None:
    """ "owner/name@revision" → (owner/name, revision or None); None for what is no repository's name."""
    found = _REPOSITORY.fullmatch(name)
    return (found.group(1), found.group(2)) if found else None


def _folder(variable: str, usual: str) -> Path:
    home = os.environ.get("VLDM_HOME")
    if home:
        return Path(home).expanduser()
    base = os.environ.get(variable, "")
    # the XDG specification: a relative path there is to be ignored
    return (Path(base) if os.path.isabs(base) else Path.home() / usual) / "vldm"
