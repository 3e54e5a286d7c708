"""What a pack of parts that lie elsewhere is known by: its numbers and the contents of every file, wherever they lie.

No torch. The same parts give the same hash from a diffusers folder, from the hub's cache and from a manifest that names
them one by one, so a run that one of these began may go on with another.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path

from vldm_cli.packs.elsewhere import Elsewhere, Origin, Part, needed
from vldm_cli.packs.located import found
from vldm_cli.packs.manifest import Manifest
from vldm_cli.packs.origins.digests import digest

# Where a file lies says nothing about what it holds.
_PLACES = {f.name for f in fields(Origin)} | {"config_file", "optional", "pack", "shards"}


def identified(manifest: Manifest, folder: Path, embedded: Callable[[str], str]) -> Manifest:
    """The manifest with its hash: of the numbers and the sha256 of all files that are here or pinned. embedded: the
    hash of the pack of that name whose upscaler is used. Without parts elsewhere it stays what it is."""
    if not manifest.elsewhere:
        return manifest

    def of(origin: Origin) -> str:
        if origin.sha256:
            return origin.sha256
        path = found(origin, origin.file, folder)
        return digest(path) if path else "not here"

    def part(one: Part) -> dict:
        told = {key: value for key, value in asdict(one).items() if key not in _PLACES}
        return {
            **told,
            "files": [of(origin) for origin in needed(one)],
            "pack": embedded(one.pack) if one.pack else None,
        }

    every = manifest.elsewhere
    table = {
        "video": {**asdict(manifest.video), "fps": str(manifest.video.fps)},
        # what packs without a reader were known by before there were any
        "defaults": {
            name: value
            for name, value in asdict(manifest.defaults).items()
            if (name, value) != ("reader", None)
        },
        "files": manifest.files,
        "parts": {name: part(one) for name, one in every.parts.items()},
        "loras": [[of(lora), lora.to, lora.strength] for lora in every.loras],
        "embeddings": [[of(one), one.token] for one in every.embeddings],
    }
    text = json.dumps(table, sort_keys=True)
    here = [found(origin, origin.file, folder) for one in every.parts.values() for origin in needed(one)]
    weights = sum(path.stat().st_size for path in {path for path in here if path})
    return replace(manifest, hash=hashlib.sha256(text.encode()).hexdigest(), weights=weights)


def pinned(every: Elsewhere, folder: Path) -> Elsewhere:
    """The same with the sha256 of each file that has none yet and is here."""

    def one(origin):
        path = None if origin.sha256 or not origin.file else found(origin, origin.file, folder)
        return replace(origin, sha256=digest(path)) if path else origin

    return every.changed(one)
