"""Fresh temporal layers for a pack that names an image model and has none of its own for it: where `vldm train` begins
on an image model that others have trained (Video LDM, §3.1)."""

import torch

from vldm_cli.align import align
from vldm_cli.errors import RequestError
from vldm_cli.packs.load import load_bare
from vldm_cli.packs.manifest import MANIFEST
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.prepare import SPATIAL
from vldm_cli.packs.save import save_part


def with_layers(pack: Pack, part: str, seed: int = 0) -> Pack:
    """The same pack, with temporal layers of `part` that are the identity, if it names the image model under them and
    has none; every other pack as it is. Raises RequestError where such layers have no folder to lie in."""
    if part not in SPATIAL or SPATIAL[part] not in pack.named or pack.has(part):
        return pack
    if not (pack.folder / MANIFEST).is_file():
        raise RequestError(
            f"pack {pack.name} has no folder of its own for what is trained; make one with "
            f"`vldm packs new FOLDER --from {pack.name}` and train that"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # an upscaler reads no known frames, and what it makes is averaged along the motion besides
        sizes = {"context_channels": 0, "repeated_ends": True, "compensated": True}
        kind = sizes if part.startswith("upscaler") else {}
        save_part(pack.folder, part, align(load_bare(pack, part), **kind))
    return Pack.open(pack.folder, check=False)
