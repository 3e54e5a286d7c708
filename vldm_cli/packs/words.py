"""A pack's tokenizer: prompt to token ids, which words it has never seen, and what it takes misspelt ones for.

Light: no torch, no transformers."""

from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.packs.contents import TEXT, WORDS, read_config
from vldm_cli.packs.files import Unusable
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.parts import TOKENIZER, TOKENIZER_CONFIG, config_of
from vldm_cli.packs.values import shown

# A word this short is as likely another word as a misspelt one; with another letter in it, a word this short.
SHORTEST, SHORTEST_CHANGED = 4, 5


class Words:
    """A tokenizer.json with its checked configuration, for a text encoder that knows so many tokens. Raises Unusable
    where they do not go together. Make one with `Words.of`."""

    @classmethod
    def of(cls, pack: Pack) -> "Words":
        """That of a pack. Raises RequestError, naming the file, where it cannot be read or gives a prompt ids that the
        text encoder does not know."""
        name = TOKENIZER_CONFIG
        try:
            config = read_config(pack.file(name), WORDS)
            name = config_of("text")
            known = read_config(pack.file(name), TEXT)["vocab_size"]
            name = TOKENIZER
            return cls(pack.file(name), config, known)
        except Unusable as error:
            raise RequestError(pack.sentence(name, error)) from error

    def __init__(self, file: Path, config: dict, known: int):
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # tokenizers raises nothing more special
            raise Unusable(f"cannot be read ({shown(str(error))})") from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._length = config["model_max_length"]
        pad, eos, self._unknown = (
            self._tokenizer.token_to_id(config[key]) for key in ("pad_token", "eos_token", "unk_token")
        )
        ends = self._tokenizer.encode("").ids
        # in the order of their tokens, so that the answer is always the same
        vocabulary = self._tokenizer.get_vocab()
        self._known = [
            word for word in sorted(vocabulary, key=lambda word: vocabulary[word]) if word.isalpha()
        ]
        # tokens that every prompt costs (beginning and end)
        self.max_words = self._length - len(ends)
        fits = max(ends, default=0) < known and self.max_words > 0
        if pad is None or eos is None or self._unknown is None or not fits:
            raise Unusable(
                f"does not go with {TOKENIZER_CONFIG} and {config_of('text')}: other tokens, or too few"
            )
        self._pad, self._eos = pad, eos

    def ids(self, prompt: str) -> list[int]:
        """Token ids of fixed length, as stock diffusers would give them: cut off after `max_words`,
        padded. A word with one letter wrong is taken for the one that the pack knows (`meant`)."""
        encoding = self._tokenizer.encode(prompt)
        ids = [
            self._tokenizer.token_to_id(self.meant(prompt[start:end].lower()) or "") or token
            if token == self._unknown
            else token
            for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True)
        ]
        if len(ids) > self._length:
            ids = [*ids[: self._length - 1], self._eos]
        return ids + [self._pad] * (self._length - len(ids))

    def count(self, prompt: str) -> int:
        """How many of the pack's tokens the prompt is, before anything is cut off."""
        return len(self._tokenizer.encode(prompt, add_special_tokens=False).ids)

    def unknown(self, prompt: str) -> list[str]:
        """The words of the prompt that the pack has never seen, in order, each once."""
        encoding = self._tokenizer.encode(prompt, add_special_tokens=False)
        spans = [
            span for token, span in zip(encoding.ids, encoding.offsets, strict=True) if token == self._unknown
        ]
        return list(dict.fromkeys(prompt[start:end].lower() for start, end in spans))

    def strange(self, prompt: str) -> list[str]:
        """`unknown`, each with what it is taken for: "gras (taken for grass)"."""
        meant = {word: self.meant(word) for word in self.unknown(prompt)}
        return [f"{word} (taken for {known})" if known else word for word, known in meant.items()]

    def meant(self, word: str) -> str | None:
        """The known word that an unknown one is, with one letter left out, put in, changed, or swapped with its
        neighbour (Damerau 1964); None where there is none or the word is too short to tell."""
        if len(word) < SHORTEST or not word.isalpha():
            return None
        near = [known for known in self._known if _one_slip(word, known)]
        # a slip is hardly ever in the first letter
        return min(near, key=lambda known: known[0] != word[0], default=None)


def _one_slip(typed: str, word: str) -> bool:
    """Whether one slip of the finger makes `typed` of `word`, which is another one."""
    shorter, longer = sorted((typed, word), key=len)
    if len(shorter) < SHORTEST - 1 or len(longer) - len(shorter) > 1:
        return False
    same = next((i for i, (a, b) in enumerate(zip(shorter, longer, strict=False)) if a != b), len(shorter))
    if len(shorter) < len(longer):
        return shorter[same:] == longer[same + 1 :]
    if same + 1 < len(word) and typed[same : same + 2] == word[same : same + 2][::-1]:
        return typed[same + 2 :] == word[same + 2 :]
    return len(word) >= SHORTEST_CHANGED and typed[same + 1 :] == word[same + 1 :]
