"""Licences that want more than a look: what is not free for every use. No torch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vldm_cli.packs.pack import Pack

# Not for commercial use, or free for some only; "other" is a licence of its own that nobody has read here.
_RESTRICTED = re.compile(r"non.?commercial|\bnc\b|\bcommunity\b|\bresearch\b|^other$", re.IGNORECASE)


def restricted(licence: str) -> bool:
    """Whether whoever fetches it has to say that the licence is accepted."""
    return bool(_RESTRICTED.search(licence))


def licence_remark(pack: Pack) -> str | None:
    """What is to be said with a video of a pack whose licence is not free for every use."""
    licence = " ".join(pack.manifest.licence.split())
    if not pack.manifest.elsewhere or not restricted(licence):
        return None
    return f"pack {pack.name}, and so what it makes, is under {licence}"
