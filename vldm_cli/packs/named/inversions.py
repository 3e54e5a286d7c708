"""Textual inversion (Gal et al. 2022, arXiv:2208.01618): words with vectors of their own, which files add to a text
encoder. No torch but for pickles: whether a file fits is found out by its header."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vldm_cli.packs.elsewhere import Embedding, located
from vldm_cli.packs.files import Unusable, read_header
from vldm_cli.packs.named.places import blame
from vldm_cli.packs.origins.pickles import converted, is_pickle
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.values import shown

# What other programs call every vector, and under what the word's own name lies in what was a pickle of theirs.
_NAMELESS = ("emb_params", "string_to_param.*")
_NAME = "name"


@dataclass(frozen=True)
class Inversion:
    """token: the word in prompts. path and name: the safetensors file, and its tensor of (vectors, width). remark: what
    is to be told of it."""

    token: str
    path: Path
    name: str
    vectors: int
    width: int
    remark: str


def inversions(pack: Pack) -> list[Inversion]:
    """Those that a pack names, in order. Raises RequestError, naming the file."""
    found: list[Inversion] = []
    for one in pack.manifest.elsewhere.embeddings:
        with of_embedding(pack, one):
            read = _read(one, located(one, pack.folder, pack.name))
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


def _read(one: Embedding, path: Path) -> Inversion:
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
    if len(rows) != 1:
        held = ", ".join(map(shown, sorted(rows)[:3])) or "nothing"
        raise Unusable(f"holds {held}, and not the vectors of one word")
    (name, shape) = next(iter(rows.items()))
    if not 1 <= len(shape) <= 2 or 0 in shape:
        raise Unusable(f"holds {shown(name)} of shape {list(shape)}, and not the vectors of a word")
    own = header.metadata.get(_NAME, stem) if name in _NAMELESS else name
    token = (one.token or own).strip()
    if not token or any(c.isspace() for c in token):
        raise Unusable(f"is for {shown(token)}, which is not one word; give it another one with `token`")
    return Inversion(token, path, name, shape[0] if len(shape) == 2 else 1, shape[-1], remark)
