"""Words of a command that are empty, as of a variable of the shell that was never set. A path of nothing is the folder
one is in, which nobody has meant."""

from collections.abc import Sequence

from vldm_cli.errors import RequestError

# Texts, which may be of nothing; the prompt of `generate`, a word of its own, has a sentence of its own then.
_TEXTS = {"--negative", "--prompt"}


def check_words(words: Sequence[str]) -> None:
    """Raises RequestError for an empty word where a name or a value is wanted."""
    takes_text = "generate" in words[:1]
    for before, word in zip(["", *words], words, strict=False):
        option, is_set, value = word.partition("=")
        if word.startswith("--") and is_set and not value and option not in _TEXTS:
            raise RequestError(f"{option} names nothing; give it a value or leave it out")
        if word or before in _TEXTS:
            continue
        if before.startswith("-"):
            raise RequestError(f"{before} names nothing; give it a value or leave it out")
        if not takes_text:
            raise RequestError(f"a name given to `vldm {words[0]}` is empty; give one or leave it out")
