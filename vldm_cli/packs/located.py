"""Where the files of parts elsewhere lie on this machine, if they do. No torch."""

from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.packs.elsewhere import Origin


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
