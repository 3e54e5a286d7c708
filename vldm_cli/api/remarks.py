"""What is to be said of a prompt before a video is made of it. Light: no torch."""

from vldm_cli.errors import RequestError
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.words import Words


def check_prompt(pack: Pack, prompt: str, negative: str = "") -> str | None:
    """The one warning that names the words which the pack has never seen, or None.

    Raises RequestError when there is nothing in the prompt or more than the pack reads.
    """
    if not prompt.strip():
        raise RequestError("the prompt is empty; say what the video shall show")
    unknown = _unknown(pack, prompt, negative)
    if not unknown:
        return None
    return f"pack {pack.name} has never seen: {', '.join(unknown)}{_knows(pack)}"


def check_material(pack: Pack, clip: str, known: bool, prompt: str, negative: str) -> str | None:
    """The one warning about a clip that goes on and its prompt (which may be empty), or None. `known`: this pack made
    the clip. Raises RequestError when there is more in the prompt than the pack reads.
    """
    unknown = _unknown(pack, prompt, negative)
    if known and not unknown:
        return None
    lacks = [] if known else [f"was never trained on material such as {clip}, which it did not make"]
    lacks += [f"has never seen: {', '.join(unknown)}"] if unknown else []
    return (
        f"pack {pack.name} {' and '.join(lacks)}, so what it adds looks like what it knows; a pack that is trained on "
        "such material would do better (`vldm train all --pack FOLDER --data CLIPS --minutes N`)"
        f"{_knows(pack) if unknown else ''}"
    )


def _unknown(pack: Pack, prompt: str, negative: str) -> list[str]:
    """Words of the prompt that the pack has never seen. Raises RequestError when it cannot read the texts."""
    words = Words.of(pack)
    for name, text in (("prompt", prompt), ("--negative text", negative)):
        try:
            text.encode()
        except UnicodeEncodeError as error:  # bytes from the command line that are no text
            raise RequestError(f"the {name} is no valid UTF-8 text; type it again") from error
        count = words.count(text)
        if count > words.max_words:
            raise RequestError(
                f"the {name} has {count} words, and pack {pack.name} reads at most {words.max_words}; say it shorter"
            )
    return words.strange(prompt)


def _knows(pack: Pack) -> str:
    if pack.name != "toyland":
        return ""
    from vldm_cli.toyland import world

    known = {
        "colours": world.COLOURS,
        "shapes": world.SHAPES,
        "materials": world.MATERIALS,
        "sizes": world.SIZES,
        "grounds": world.GROUNDS,
        "skies": world.SKIES,
        "motions": world.MOTIONS,
        "cameras": world.CAMERAS,
        "roads by": (*world.TIMES, *world.TRAFFIC, *world.ROADSIDES, *world.WEATHERS),
    }
    return "; Toyland knows " + "; ".join(f"{kind} {', '.join(names)}" for kind, names in known.items())
