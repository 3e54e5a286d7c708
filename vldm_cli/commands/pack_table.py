"""A pack as `vldm packs` shows it: a table for JSON, and its parts on a line each."""

from dataclasses import replace


def line(text: str) -> str:
    """A text of a manifest on one line."""
    return " ".join(text.split())


def named(one: dict) -> str:
    """A part that lies elsewhere on one line."""
    from vldm_cli.commands.console import size

    file = one["file"] if one["files"] == 1 else f"{one['file']} of {one['files'] - 1} files"
    what = [one["family"] and f"family {one['family']}", one["revision"] and f"at {one['revision']:.12}"]
    what += [one["licence"], size(one["bytes"]) if one["bytes"] is not None else None]
    return f"{one['part']}: {', '.join([file, *filter(None, what)])}"


def table_of(pack) -> dict:
    """A pack as JSON has it."""
    from dataclasses import asdict

    from vldm_cli.packs.describe import abilities
    from vldm_cli.packs.elsewhere import NAMES
    from vldm_cli.packs.pack import PARTS

    manifest = pack.manifest
    files = [pack.path(name) for name in manifest.files]
    lies = [path for path in map(pack.found, manifest.elsewhere.files) if path]
    return {
        "name": manifest.name,
        "version": manifest.version,
        "description": manifest.description,
        "licence": manifest.licence,
        "folder": str(pack.folder),
        "hash": manifest.hash,
        "bytes": sum(path.stat().st_size for path in [*files, *lies] if path.is_file()),
        "can": abilities(pack),
        "parts": [part for part in dict.fromkeys((*PARTS, *NAMES)) if pack.has(part)],
        "elsewhere": _elsewhere(pack),
        "video": {**asdict(manifest.video), "fps": str(manifest.video.fps)},
        "defaults": asdict(manifest.defaults),
    }


def _elsewhere(pack) -> list[dict]:
    """The parts that lie elsewhere, LoRAs and words."""
    every = pack.manifest.elsewhere
    named = list(every.parts.items())
    named += [(f"LoRA of {lora.strength:g} to the {lora.to} model", lora) for lora in every.loras]
    named += [(f"the word {one.token or one.file}", one) for one in every.embeddings]
    found = []
    for name, origin in named:
        weights = [origin, *getattr(origin, "shards", ())] if origin.file else []
        here = [path for path in map(pack.found, weights) if path]
        found.append(
            {
                "part": name,
                "file": _file(origin),
                "files": max(1, len(weights)),
                "family": getattr(origin, "family", None),
                "revision": origin.revision,
                "sha256": origin.sha256,
                "licence": origin.licence or None,
                "bytes": sum(path.stat().st_size for path in here) if here else None,
            }
        )
    return found


def _file(origin) -> str:
    """Where a part, a LoRA or a word lies; of one without a file of its own, what is there in its place."""
    if origin.file:
        return origin.name
    lender, config, beside = (getattr(origin, name, None) for name in ("pack", "config", "config_file"))
    if lender:
        return f"of pack {lender}"
    if config:
        return f"vldm's own configuration {config}"
    return replace(origin, file=beside).name if beside else "no file"
