"""A pack's tokenizer: prompt to token ids, and which words it has never seen. Light: no torch, no
transformers."""

from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.packs.contents import TEXT, WORDS, read_config
from vldm_cli.packs.files import Unusable
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.parts import TOKENIZER, TOKENIZER_CONFIG, config_of
from vldm_cli.packs.values import shown


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
