"""`vldm train grow`: a larger pack that still does what it did, to go on training from."""

from pathlib import Path
from typing import Annotated

import typer


def grow(
    pack: Annotated[str, typer.Option(help="The pack to begin with; it stays as it is.")],
    out: Annotated[str, typer.Option(metavar="FOLDER", help="Where the larger pack goes.")],
    layers: Annotated[
        int, typer.Option(help="More layers at the finest level of the image LDM, in each half.")
    ] = 2,
    seed: Annotated[int, typer.Option(help="Seed of the new weights.")] = 0,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Tracebacks.")] = False,
) -> None:
    """Copy a pack and make its image LDM larger, and its text encoder know every word of today's captions. New layers
    begin as the identity, so it makes the same videos until it is trained: image first, then keyframes and
    interpolation."""
    from vldm_cli.api.many.places import check_own
    from vldm_cli.packs.grow import grow_pack
    from vldm_cli.packs.pack import Pack
    from vldm_cli.toyland.captions import vocabulary
    from vldm_cli.video.numbers import LAST_SEED, whole

    whole("--seed", seed, 0, LAST_SEED)
    check_own(Path(out), "--out")
    made = grow_pack(Pack.open(pack), out, layers, vocabulary(), seed)
    print(f"made the pack {made.name} in {made.folder}; train its image next")
