"""Prompts in the words that a pack's model was trained on, and what they ask for in vain. No torch."""

from vldm_cli.packs.manifest import Defaults


def read(prompt: str, defaults: Defaults) -> str | None:
    """The prompt as the pack's reader says it again; None where it stays as it is: it is said so already, or is not
    understood to the last word, or the pack has no reader."""
    if defaults.reader is None:
        return None
    from vldm_cli.toyland.reading.reader import rewritten

    return rewritten(prompt)


def doubt(prompt: str, defaults: Defaults) -> str | None:
    """What of the prompt no video of the pack can show, by its reader; None where that finds nothing, or there is
    none."""
    if defaults.reader is None:
        return None
    from vldm_cli.toyland.reading.doubt import doubted

    return doubted(prompt)
