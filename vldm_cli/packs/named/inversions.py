"""Textual inversion (Gal et al. 2022, arXiv:2208.01618): words with vectors of their own, which files add to a text
encoder. No torch but for pickles: whether a file fits is found out by its header."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vldm_cli.packs.elsewhere import NAMELESS, Embedding
from vldm_cli.packs.files import Unusable, read_header
from vldm_cli.packs.located import located
from vldm_cli.packs.named.places import blame
from vldm_cli.packs.origins.pickles import converted, is_pickle
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.values import shown

# Under what the word's own name lies in what was a pickle of other programs.
_NAME = "name"

# What files for Stable Diffusion XL call the vectors for each of its text encoders.
_TWO = {"text": "clip_l", "text_2": "clip_g"}


@dataclass(frozen=True)
class Rows:
    """A tensor (vectors, width) of a file, by its name there."""

    name: str
    vectors: int
    width: int


@dataclass(frozen=True)
class Inversion:
    """token: the word in prompts. path: the safetensors file; of: what is in it for each text encoder of the pack, by
    its part, as many vectors for each. remark: what is to be told of it."""

    token: str
    path: Path
    of: dict[str, Rows]
    remark: str

    @property
    def vectors(self) -> int:
        """Tokens that the word is."""
        return self.of["text"].vectors


def inversions(pack: Pack) -> list[Inversion]:
    """Those that a pack names, in order. Raises RequestError, naming the file."""
    found: list[Inversion] = []
    for one in pack.manifest.elsewhere.embeddings:
        with of_embedding(pack, one):
            read = _read(one, located(one, pack.folder, pack.name), pack.has("text_2"))
            if any(read.token.lower() == other.token.lower() for other in found):
                raise Unusable(f"is for the word {shown(read.token)}, which another one has already")
            found.append(read)
    return found


@contextmanager
def of_embedding(pack: Pack, one: Embedding) -> Iterator[None]:
    """Whatever is wrong within is told of that file."""

    def sentence(name: str, fault: object) -> str:
        return f"pack {pack.name}: {name} {fault}; name a textual inversion for this pack's text encoder"

    with blame(sentence, one.name, one.name):
        yield


def _read(one: Embedding, path: Path, two: bool) -> Inversion:
    remark, stem = "", path.stem
    if is_pickle(path):
        path, remark = converted(path)
    header = read_header(path)
    rows = {
        name: entry.shape
        for name, entry in header.tensors.items()
        if not name.startswith(
            "string_to_token"
        )  # the number of the word in the tokenizer that it was trained with
    }
    for_two = set(rows) == set(_TWO.values())
    if for_two != two and (for_two or len(rows) == 1):
        kinds = "Stable Diffusion XL", "one text encoder, and Stable Diffusion XL has two"
        raise Unusable(f"is for {kinds[0] if for_two else kinds[1]}")
    if len(rows) != 1 and not for_two:
        held = ", ".join(map(shown, sorted(rows)[:3])) or "nothing"
        raise Unusable(f"holds {held}, and not the vectors of one word")
    for name, shape in rows.items():
        if not 1 <= len(shape) <= 2 or 0 in shape:
            raise Unusable(f"holds {shown(name)} of shape {list(shape)}, and not the vectors of a word")
    of = {part: _rows(name, rows) for part, name in (_TWO if two else {"text": next(iter(rows))}).items()}
    if len({those.vectors for those in of.values()}) > 1:
        raise Unusable("has more vectors for one text encoder than for the other")
    name = of["text"].name
    own = header.metadata.get(_NAME, stem) if two or name in NAMELESS else name
    token = (one.token or own).strip()
    if not token or any(c.isspace() for c in token):
        raise Unusable(f"is for {shown(token)}, which is not one word; give it another one with `token`")
    return Inversion(token, path, of, remark)


def _rows(name: str, rows: Mapping[str, tuple[int, ...]]) -> Rows:
    shape = rows[name]
    return Rows(name, shape[0] if len(shape) == 2 else 1, shape[-1])
