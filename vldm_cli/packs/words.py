"""A pack's tokenizer: prompt to token ids, which words it has never seen, and what it takes misspelt ones for.

Light: no torch, no transformers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from vldm_cli.errors import RequestError
from vldm_cli.packs import clip
from vldm_cli.packs.contents import TEXT, WORDS, read_config
from vldm_cli.packs.files import Unusable
from vldm_cli.packs.named.inversions import Inversion, inversions
from vldm_cli.packs.named.places import Named, place
from vldm_cli.packs.named.tokenizers import Clip, clip_tokenizer
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.parts import TEXTS, TOKENIZER, TOKENIZER_CONFIG, config_of
from vldm_cli.packs.values import shown

# A word this short is as likely another word as a misspelt one; with another letter in it, a word this short.
SHORTEST, SHORTEST_CHANGED = 4, 5


class Words(ABC):
    """How prompts become tokens. max_words: tokens of a prompt that are read, without those that every one costs.
    cuts: what is beyond them is left out of a prompt that is long (`left_out`), which is then not refused. Make one
    with `Words.of`."""

    max_words: int
    cuts = False

    @classmethod
    def of(cls, pack: Pack, part: str = "text") -> "Words":
        """That of a pack for its text encoder `part`. Raises RequestError, naming the file, where it cannot be read or
        gives a prompt ids that the text encoder does not know."""
        named = part.replace("text", "tokenizer")
        text = place(pack, part)
        with text.blame(text.config_name):
            config = text.config(TEXT)
        if named in pack.named:
            lies = Named(pack, named)
            inverted = inversions(pack) if part in TEXTS else []
            with lies.blame():
                known, places = config["vocab_size"], config["max_position_embeddings"]
                return ClipWords(clip_tokenizer(lies), known, places, inverted)
        if part == "text" and pack.manifest.elsewhere.embeddings:
            raise RequestError(
                f"pack {pack.name} reads words of its own list, and takes no textual inversion; leave it out"
            )
        name = TOKENIZER_CONFIG
        try:
            settings = read_config(pack.file(name), WORDS)
            name = TOKENIZER
            return WordList(pack.file(name), settings, config["vocab_size"])
        except Unusable as error:
            raise RequestError(pack.sentence(name, error)) from error

    @abstractmethod
    def ids(self, prompt: str) -> list[int]:
        """Token ids of fixed length, as stock diffusers would give them: cut off after `max_words`, padded."""

    @abstractmethod
    def count(self, prompt: str) -> int:
        """How many tokens the prompt is, before anything is cut off."""

    def left_out(self, prompt: str) -> str:
        """What of the prompt is not read, for it is beyond `max_words`."""
        return ""

    def unknown(self, prompt: str) -> list[str]:
        """The words of the prompt that the pack has never seen, in order, each once."""
        return []

    def strange(self, prompt: str) -> list[str]:
        """`unknown`, each with what it is taken for: "gras (taken for grass)"."""
        return []


class ClipWords(Words):
    """CLIP's tokenizer, for a text encoder that knows so many tokens and has so many places. It spells words that it
    does not know. inverted: words whose vectors are behind those tokens, in order, each as many tokens as it has
    vectors. Raises Unusable where these do not go together."""

    cuts = True

    def __init__(self, clip_: Clip, known: int, places: int, inverted: Sequence[Inversion] = ()) -> None:
        self._tokenizer, self._length = clip_.tokenizer, min(clip_.length or places, places)
        self._start, self._end, self._pad = map(self._id, (clip.START, clip.END, clip_.pad))
        self.max_words = self._length - 2
        if self.max_words < 1 or max(self._tokenizer.get_vocab().values()) >= known:
            raise Unusable(
                f"has {self._tokenizer.get_vocab_size()} tokens, and the text encoder of the pack knows {known}"
            )
        self._vectors: dict[int, range] = {}
        for word in inverted:
            if self._tokenizer.token_to_id(word.token) is not None:
                raise Unusable(
                    f"has {shown(word.token)}, which a textual inversion is for; give that another token"
                )
            self._tokenizer.add_tokens([word.token])
            self._vectors[self._id(word.token)] = range(known, known + word.vectors)
            known += word.vectors

    def ids(self, prompt: str) -> list[int]:
        ids = [self._start, *self._tokens(prompt)[0][: self.max_words], self._end]
        return ids + [self._pad] * (self._length - len(ids))

    def count(self, prompt: str) -> int:
        return len(self._tokens(prompt)[0])

    def left_out(self, prompt: str) -> str:
        starts = self._tokens(prompt)[1]
        return prompt[starts[self.max_words] :].strip() if len(starts) > self.max_words else ""

    def _tokens(self, prompt: str) -> tuple[list[int], list[int]]:
        """Ids, and where in the prompt each begins."""
        encoding = self._tokenizer.encode(prompt, add_special_tokens=False)
        ids: list[int] = []
        starts: list[int] = []
        for token, (start, _) in zip(encoding.ids, encoding.offsets, strict=True):
            own = self._vectors.get(token, (token,))
            ids += own
            starts += [start] * len(own)
        return ids, starts

    def _id(self, token: str) -> int:
        number = self._tokenizer.token_to_id(token)
        assert number is not None  # `clip_tokenizer` has looked for it, or it was added
        return number


class WordList(Words):
    """A tokenizer.json of whole words with its checked configuration, for a text encoder that knows so many tokens.
    Raises Unusable where they do not go together."""

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
        """A word with one letter wrong is taken for the one that the pack knows (`meant`)."""
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
        return len(self._tokenizer.encode(prompt, add_special_tokens=False).ids)

    def unknown(self, prompt: str) -> list[str]:
        encoding = self._tokenizer.encode(prompt, add_special_tokens=False)
        spans = [
            span for token, span in zip(encoding.ids, encoding.offsets, strict=True) if token == self._unknown
        ]
        return list(dict.fromkeys(prompt[start:end].lower() for start, end in spans))

    def strange(self, prompt: str) -> list[str]:
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
