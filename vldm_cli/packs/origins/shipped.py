"""The manifests that come with vldm and hold no weights: packs of public checkpoints, to be fetched by
`vldm packs pull`. No torch."""

from functools import cache
from pathlib import Path

from vldm_cli.packs.manifest import Manifest, read_manifest_file

FOLDER = Path(__file__).resolve().parent.parent / "public"


@cache
def shipped() -> dict[str, Manifest]:
    """Every such manifest by its name."""
    found = (read_manifest_file(path) for path in sorted(FOLDER.glob("*.toml")))
    return {manifest.name: manifest for manifest in found}
