"""CLIP's tokenizer (Radford et al. 2021, arXiv:2103.00020): byte pairs of lower-case text, by `tokenizers` alone.

Its vocabulary follows from its merges, which lie beside this (LICENSE): every byte, every byte that ends a word, what
each merge makes, and both ends of a text. No torch, no transformers.
"""

import gzip
from functools import cache
from importlib.resources import files

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

START, END = "<|startoftext|>", "<|endoftext|>"
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def tokenizer(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    """The tokenizer of these merges; it puts no ends to a text. Raises whatever `tokenizers` does where the vocabulary
    lacks a token."""
    made = Tokenizer(models.BPE(vocabulary, merges, unk_token=END, end_of_word_suffix="</w>"))
    made.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in (START, END)])
    return made


def bundled() -> Tokenizer:
    """That of every Stable Diffusion 1 and 2."""
    merges = _merges()
    alphabet = _alphabet()
    tokens = [*alphabet, *(f"{c}</w>" for c in alphabet), *(a + b for a, b in merges), START, END]
    return tokenizer({token: i for i, token in enumerate(tokens)}, list(merges))


def read_merges(text: str) -> list[tuple[str, str]]:
    """The merges in a merges.txt. Raises ValueError that names a line that is none."""
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#version"):
            continue
        left, _, right = line.rstrip("\r").partition(" ")
        if not left or not right or " " in right:
            raise ValueError(f"line {number} is no merge of two tokens")
        found.append((left, right))
    return found


@cache
def _merges() -> tuple[tuple[str, str], ...]:
    raw = files(__package__).joinpath("merges.txt.gz").read_bytes()
    return tuple(read_merges(gzip.decompress(raw).decode()))


def _alphabet() -> list[str]:
    """A character for each byte: what can be printed stands for itself, and comes first; the others follow Latin-1."""
    own = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [*map(chr, own), *(chr(256 + i) for i in range(256 - len(own)))]
