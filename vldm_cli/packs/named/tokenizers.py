"""A CLIP tokenizer that lies elsewhere, or that vldm brings along. No torch, no transformers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from vldm_cli.packs import clip, configs
from vldm_cli.packs.contents import tokens_of
from vldm_cli.packs.files import Unusable, read_json, read_text
from vldm_cli.packs.named.places import Named
from vldm_cli.packs.values import Schema, Text, Whole, checked, shown

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_SETTINGS: Schema = {"pad_token": Text(100), "model_max_length": Whole(3, 4096)}
# Which of a folder's files says how prompts are filled up; the first that says it counts, as for transformers.
_SAYING = ("special_tokens_map.json", "tokenizer_config.json")


@dataclass(frozen=True)
class Clip:
    """A tokenizer without ends, the token that fills a prompt up, and how many tokens a prompt is, ends included (None:
    as many as the text encoder has places)."""

    tokenizer: Tokenizer
    pad: str
    length: int | None


def clip_tokenizer(lies: Named) -> Clip:
    """Of a part of the manifest: `file` is a vocab.json with a merges.txt beside it, or a tokenizer.json; `config` says
    how prompts are filled up, and stands for the bundled vocabulary where there is no file. Raises Unusable and
    RequestError."""
    settings = _settings(lies)
    if not lies.origin.file:
        made = clip.bundled()
    else:
        path = lies.path
        if path.name == "tokenizer.json":
            made = _whole(path)
        else:
            made = _halves(read_json(path), read_text(lies.beside(_beside(lies, "merges.txt"))))
    pad = settings.get("pad_token", clip.END)
    for token in (clip.START, clip.END, pad):
        if made.token_to_id(token) is None:
            raise Unusable(f"has no token {shown(token)}")
    # transformers takes it for itself in a prompt, too: Stable Diffusion 2 reads "!" so
    made.add_special_tokens([pad])
    made.no_padding()
    made.no_truncation()
    return Clip(made, pad, settings.get("model_max_length"))


def _settings(lies: Named) -> dict:
    if lies.origin.config:
        return checked(configs.read(lies.origin.config, "tokenizer"), _SETTINGS)
    if not lies.origin.file:
        raise Unusable("has neither file nor config; use the config clip-sd15 or clip-sd21")
    found: dict = {}
    there = [name for name in _SAYING if lies.found(_beside(lies, name))]
    if not there:
        raise Unusable(
            f"has neither {' nor '.join(_SAYING)} beside it, and no config (clip-sd15 or clip-sd21)"
        )
    for name in there:
        table = read_json(lies.beside(_beside(lies, name)))
        if not isinstance(table, dict):
            raise Unusable(f"has a {name} beside it that is no table")
        pad, length = table.get("pad_token"), table.get("model_max_length")
        said = {"pad_token": pad.get("content") if isinstance(pad, dict) else pad}
        # transformers' number for "as many as you like" is as good as none
        said |= {"model_max_length": length if type(length) is int and length < 10**6 else None}
        found = {**{k: v for k, v in said.items() if v is not None}, **found}
    return checked(found, _SETTINGS)


def _beside(lies: Named, name: str) -> str:
    return str(PurePosixPath(lies.origin.file).with_name(name))


def _halves(vocabulary, merges: str) -> Tokenizer:
    """Of a vocab.json and a merges.txt."""
    tokens_of({"model": {"type": "BPE", "vocab": vocabulary}})
    # the tokenizer would add them, with numbers that no text encoder has
    for token in (clip.START, clip.END):
        if token not in vocabulary:
            raise Unusable(f"has no token {shown(token)}")
    try:
        return clip.tokenizer(vocabulary, clip.read_merges(merges))
    except Exception as error:  # tokenizers raises nothing more special
        raise Unusable(f"does not go with the merges.txt beside it ({shown(str(error))})") from error


def _whole(path) -> Tokenizer:
    from tokenizers import Tokenizer

    table = read_json(path)
    tokens_of(table)
    # both ends are put to a prompt by whoever reads it
    table["post_processor"] = None
    try:
        return Tokenizer.from_str(json.dumps(table))
    except Exception as error:  # tokenizers raises nothing more special
        raise Unusable(f"cannot be read ({shown(str(error))})") from error
