"""What is to be said of a prompt before a video is made of it. Light: no torch."""

from vldm_cli.errors import RequestError
from vldm_cli.packs.abilities import Abilities
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.words import Words
from vldm_cli.pipelines.generate.prompt import unheard, words_of


def check_prompt(pack: Pack, words: Words | None, prompt: str, negative: str = "") -> str | None:
    """The one warning about what the pack, whose tokenizer that is, has never seen, does not read or cannot show of the
    prompt, or None.

    Raises RequestError when there is nothing in the prompt or more than the pack reads.
    """
    if words and not prompt.strip():
        raise RequestError("the prompt is empty; say what the video shall show")
    said, unknown = unheard(pack, words, prompt, negative)
    said += [f"pack {pack.name} has never seen: {', '.join(unknown)}{_knows(pack)}"] if unknown else []
    return "; ".join(said) or None


def check_material(pack: Pack, clip: str, known: bool, prompt: str, negative: str) -> str | None:
    """The one warning about a clip that goes on and its prompt (which may be empty), or None. `known`: this pack made
    the clip. Raises RequestError when there is more in the prompt than the pack reads.
    """
    words = words_of(pack)
    said, unknown = unheard(pack, words, prompt, negative)
    if not Abilities.of(pack.manifest).own or (known and not unknown):
        return "; ".join(said) or None
    lacks = [] if known else [f"was never trained on material such as {clip}, which it did not make"]
    lacks += [f"has never seen: {', '.join(unknown)}"] if unknown else []
    said.append(
        f"pack {pack.name} {' and '.join(lacks)}, so what it adds looks like what it knows; a pack that is trained on "
        "such material would do better (`vldm train all --pack FOLDER --data CLIPS --minutes N`)"
        f"{_knows(pack) if unknown else ''}"
    )
    return "; ".join(said)


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
