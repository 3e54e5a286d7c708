"""A pack's tokenizer: prompt to token ids, which words it has never seen, and what it takes misspelt ones for.

Light: no torch, no transformers."""

import json
from pathlib import Path
from typing import cast

# A word this short is as likely another word as a misspelt one; with another letter in it, a word this short.
SHORTEST, SHORTEST_CHANGED = 4, 5


class Words:
    """The tokenizer in `folder` (diffusers layout: tokenizer.json and tokenizer_config.json)."""

    def __init__(self, folder: Path):
        from tokenizers import Tokenizer

        config = json.loads((folder / "tokenizer_config.json").read_text())
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._length = int(config["model_max_length"])
        self._pad = cast(int, self._id(config["pad_token"]))  # every tokenizer has both
        self._eos = cast(int, self._id(config["eos_token"]))
        self._unknown = self._id(config["unk_token"])
        # in the order of their tokens, so that the answer is always the same
        vocabulary = self._tokenizer.get_vocab()
        self._known = [word for word in sorted(vocabulary, key=lambda word: vocabulary[word]) if word.isalpha()]
        # tokens that every prompt costs (beginning and end)
        self.max_words = self._length - len(self._tokenizer.encode("").ids)

    def ids(self, prompt: str) -> list[int]:
        """Token ids of fixed length, as stock diffusers would give them: cut off after `max_words`,
        padded. A word with one letter wrong is taken for the one that the pack knows (`meant`)."""
        encoding = self._tokenizer.encode(prompt)
        ids = [
            self._id(self.meant(prompt[start:end].lower()) or "") or token
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

    def _id(self, token: str) -> int | None:
        return self._tokenizer.token_to_id(token)


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
