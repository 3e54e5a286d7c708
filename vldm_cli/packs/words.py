"""A pack's tokenizer: prompt to token ids, and which words it has never seen. Light: no torch, no
transformers."""

import json
from pathlib import Path
from typing import cast


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
        # tokens that every prompt costs (beginning and end)
        self.max_words = self._length - len(self._tokenizer.encode("").ids)

    def ids(self, prompt: str) -> list[int]:
        """Token ids of fixed length, as stock diffusers would give them: cut off after `max_words`,
        padded."""
        ids = self._tokenizer.encode(prompt).ids
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

    def _id(self, token: str) -> int | None:
        return self._tokenizer.token_to_id(token)
