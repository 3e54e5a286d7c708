"""A pack that is another one but for one part: new temporal layers over the same image models."""

import os
import shutil
from pathlib import Path

import torch

from vldm_cli.align import align
from vldm_cli.align.temporal import read_temporal
from vldm_cli.errors import RequestError
from vldm_cli.packs.load import load_bare
from vldm_cli.packs.manifest import MANIFEST
from vldm_cli.packs.pack import OWN, PARTS, Pack
from vldm_cli.packs.save import save_part


def new_variant(pack: Pack, folder: Path, part: str, seed: int = 0, **sizes: int | str) -> Pack:
    """A pack in `folder` that shares its files with `pack` (as hard links where the file system has them; parts are
    always replaced whole, so neither pack changes with the other), its temporal layers of `part` new: the identity.
    They have the sizes of the pack's own but for `sizes`. Raises RequestError when the folder already holds a pack.
    """
    if (folder / MANIFEST).exists():
        raise RequestError(f"{folder} already holds a pack; name another folder")
    # a second set of layers that belongs to the ones replaced would not fit the new ones
    stale = PARTS[OWN[part]] if part in OWN else None
    for name in pack.manifest.files:
        if name == stale:
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        _share(pack.folder / name, folder / name)
    own = read_temporal(pack.path(PARTS[part]))[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = align(load_bare(pack, part), **{**own, **sizes})
    # the manifest comes last: a folder that has one is whole
    shutil.copyfile(pack.folder / MANIFEST, folder / f".{MANIFEST}.tmp")
    os.replace(folder / f".{MANIFEST}.tmp", folder / MANIFEST)
    save_part(folder, part, model)
    return Pack.open(os.path.abspath(folder), check=False)


def _share(source: Path, target: Path) -> None:
    if target.exists():
        return  # an attempt before this one came so far
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
