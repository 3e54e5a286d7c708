"""Whether a pack can read a prompt, what of it, and what of that it can show. No torch."""

from vldm_cli.errors import RequestError
from vldm_cli.packs.abilities import Abilities
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.reader import doubt
from vldm_cli.packs.words import Words


def words_of(pack: Pack) -> Words | None:
    """The pack's tokenizer; None of a pack that reads no text."""
    return Words.of(pack) if Abilities.of(pack.manifest).text else None


def unheard(pack: Pack, words: Words | None, prompt: str, negative: str) -> tuple[list[str], list[str]]:
    """Warnings about what the pack will not read of the text or cannot show, and the words that it has never seen.
    Raises RequestError as `check_length` does."""
    said = [*check_length(pack, words, prompt, negative), doubt(prompt, pack.manifest.defaults)]
    strange = [word for text in (prompt, negative) for word in words.strange(text)] if words else []
    return [warning for warning in said if warning], list(dict.fromkeys(strange))


def check_length(pack: Pack, words: Words | None, prompt: str, negative: str) -> list[str]:
    """Warnings about text that the pack will not read. Raises RequestError for one that is no text, and for more of it
    than a pack reads that leaves nothing out."""
    for name, text in (("prompt", prompt), ("--negative text", negative)):
        try:
            text.encode()
        except UnicodeEncodeError as error:  # bytes from the command line that are no text
            raise RequestError(f"the {name} is no valid UTF-8 text; type it again") from error
    if words is None:
        return [f"pack {pack.name} reads no text, so the prompt has no say"] if prompt or negative else []
    said = []
    for name, text in (("prompt", prompt), ("--negative text", negative)):
        count = words.count(text)
        if count <= words.max_words:
            continue
        if not words.cuts:
            raise RequestError(
                f"the {name} has {count} words, and pack {pack.name} reads at most {words.max_words}; say it shorter"
            )
        left_out = words.left_out(text)
        said.append(
            f"the {name} has {count} tokens, and pack {pack.name} reads {words.max_words}; left out: {left_out}"
        )
    return said
