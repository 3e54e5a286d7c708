"""Licences that want more than a look: what is not free for every use. No torch."""

import re

# Not for commercial use, or free for some only; "other" is a licence of its own that nobody has read here.
_RESTRICTED = re.compile(r"non.?commercial|\bnc\b|\bcommunity\b|\bresearch\b|^other$", re.IGNORECASE)


def restricted(licence: str) -> bool:
    """Whether whoever fetches it has to say that the licence is accepted."""
    return bool(_RESTRICTED.search(licence))
