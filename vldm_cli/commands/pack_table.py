"""A pack as `vldm packs` shows it: a table for JSON, and its parts on a line each."""


def line(text: str) -> str:
    """A text of a manifest on one line."""
    return " ".join(text.split())


def named(one: dict) -> str:
    """A part that lies elsewhere on one line."""
    from vldm_cli.commands.console import size

    what = [one["family"] and f"family {one['family']}", one["revision"] and f"at {one['revision']:.12}"]
    what += [one["licence"], size(one["bytes"]) if one["bytes"] is not None else None]
    return f"{one['part']}: {', '.join([one['file'], *filter(None, what)])}"


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
        path = pack.found(origin) if origin.file else None
        lender = getattr(origin, "pack", None)
        config = getattr(origin, "config", None) or getattr(origin, "config_file", None)
        brought = f"vldm's own configuration {config}" if config else "no file"
        found.append(
            {
                "part": name,
                "file": origin.name if origin.file else f"of pack {lender}" if lender else brought,
                "family": getattr(origin, "family", None),
                "revision": origin.revision,
                "sha256": origin.sha256,
                "licence": origin.licence or None,
                "bytes": path.stat().st_size if path else None,
            }
        )
    return found
