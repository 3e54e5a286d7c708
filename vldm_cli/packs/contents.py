"""What each file of a pack must hold, and what its files must agree upon. No torch."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vldm_cli.packs import schemas
from vldm_cli.packs.files import Header, Unusable, inside, parse, read_header, read_json
from vldm_cli.packs.manifest import Manifest
from vldm_cli.packs.parts import (
    PARTS,
    SCHEDULERS,
    TEMPORAL_PARTS,
    TOKENIZER,
    TOKENIZER_CONFIG,
    companions,
    config_of,
)
from vldm_cli.packs.values import Schema, checked, only_known, shown


@dataclass(frozen=True)
class Kind:
    """What a configuration may say: the checks, what must be there, and the class that it is of (None: any)."""

    schema: Schema
    needs: tuple[str, ...]
    of: str | None = None


UNET = Kind(schemas.UNET, schemas.UNET_NEEDS, "UNet2DConditionModel")
VAE = Kind(schemas.VAE, schemas.VAE_NEEDS, "AutoencoderKL")
TEXT = Kind(schemas.TEXT, schemas.TEXT_NEEDS)
WORDS = Kind(schemas.TOKENIZER, schemas.TOKENIZER_NEEDS)
SCHEDULER = Kind(schemas.SCHEDULER, schemas.SCHEDULER_NEEDS)
# Every configuration that is read, by its file; those of other parts are checked by whoever reads them.
KINDS = {
    config_of("unet"): UNET,
    config_of("vae"): VAE,
    config_of("text"): TEXT,
    config_of("upscaler_pixel"): UNET,
    config_of("upscaler_latent"): UNET,
    config_of("upscaler_latent_vae"): VAE,
    TOKENIZER_CONFIG: WORDS,
    **dict.fromkeys(SCHEDULERS.values(), SCHEDULER),
}
_LAYERS = {PARTS[part]: part for part in TEMPORAL_PARTS}
_MOST_SIZES = 10_000  # characters of the sizes in the metadata of temporal layers
_TOKENIZERS = ("WordLevel", "BPE", "WordPiece")
# A group that is repeated can take a time without end on a text that nearly fits.
_REPEATED_GROUP = re.compile(r"\)\s*[+*?{]|\\[1-9gk]")
_MOST_PATTERN = 300


def check_content(path: Path, relative: str) -> None:
    """Raises Unusable where a file of a pack does not hold what one of that name must."""
    if relative in KINDS:
        read_config(path, KINDS[relative])
    elif relative in _LAYERS:
        read_sizes(read_header(path), _LAYERS[relative])
    elif relative == TOKENIZER:
        tokens_of(read_json(path))


def read_config(path: Path, kind: Kind) -> dict:
    """A configuration, each entry that `kind` knows within its bounds."""
    return sound(read_json(path), kind)


def sound(table, kind: Kind) -> dict:
    """The same of one that has been read."""
    try:
        found = checked(table, kind.schema, kind.needs)
        if kind.of and table.get("_class_name", kind.of) != kind.of:
            raise ValueError(f"_class_name must be {kind.of}, not {shown(table['_class_name'])}")
    except ValueError as error:
        raise Unusable(f"is unusable: {error}") from error
    return {**table, **found}


def read_sizes(header: Header, part: str) -> dict:
    """The sizes of the temporal layers in a file, out of its metadata."""
    text = header.metadata.get("align", "")
    if not text or len(text) > _MOST_SIZES:
        raise Unusable("holds no temporal layers: the sizes are missing in its metadata")
    schema = {} if part == "decoder" else schemas.TEMPORAL
    try:
        table = parse(json.loads, text)
        found = checked(table, schema)
        only_known(table, schema)
    except ValueError as error:
        raise Unusable(f"has unusable sizes of temporal layers in its metadata: {error}") from error
    return found


def tokens_of(table) -> dict[str, int]:
    """The vocabulary of a tokenizer.json, every token's id."""
    try:
        model = _table(_table(table, "it").get("model"), "model")
        if model.get("type") not in _TOKENIZERS:
            raise ValueError(
                f"model.type must be one of {', '.join(_TOKENIZERS)}, not {shown(model.get('type'))}"
            )
        tokens = dict(_table(model.get("vocab"), "model.vocab"))
        added = table.get("added_tokens") or []
        if not isinstance(added, list) or not all(isinstance(token, dict) for token in added):
            raise ValueError("added_tokens must be a list of tokens")
        tokens |= {str(token.get("content")): token.get("id") for token in added}
        for token, number in tokens.items():
            if type(number) is not int or not 0 <= number < 10**6:
                raise ValueError(
                    f"the id of the token {shown(token)} must be a whole number, not {shown(number)}"
                )
        for step in ("normalizer", "pre_tokenizer"):
            for pattern in _patterns(table.get(step)):
                if len(pattern) > _MOST_PATTERN or _REPEATED_GROUP.search(pattern):
                    raise ValueError(f"the pattern {shown(pattern)} may take for ever: it repeats a group")
    except ValueError as error:
        raise Unusable(f"is unusable: {error}") from error
    return tokens


def disagreements(folder: Path, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """(file, what is wrong) where files of a pack, each found sound before, do not go together."""

    def config(part: str) -> dict | None:
        name = config_of(part)
        listed = PARTS[part] in manifest.files and name in manifest.files
        return read_config(inside(folder, name, links=True), KINDS[name]) if listed else None

    unet, vae, text = (config(part) for part in ("unet", "vae", "text"))
    factor = manifest.video.latent_factor
    if vae and 2 ** (len(vae["block_out_channels"]) - 1) != factor:
        yield (
            config_of("vae"),
            f"has {len(vae['block_out_channels'])} levels, which is none of latent_factor {factor} in pack.toml",
        )
    if unet and vae and not unet["in_channels"] == unet["out_channels"] == vae["latent_channels"]:
        channels = vae["latent_channels"]
        yield config_of("unet"), f"does not go with vae/config.json: its latents have {channels} channels"
    if unet and text and unet["cross_attention_dim"] != text["hidden_size"]:
        yield (
            config_of("unet"),
            f"does not go with {config_of('text')}: its hidden_size is {text['hidden_size']}",
        )
    if text and all(name in manifest.files for name in companions("text")):
        tokens = tokens_of(read_json(inside(folder, TOKENIZER, links=True)))
        number, token = max((number, token) for token, number in tokens.items())
        if number >= text["vocab_size"]:
            yield (
                TOKENIZER,
                f"gives the token {shown(token)} the id {number}, and the text encoder knows {text['vocab_size']}",
            )
        words = read_config(inside(folder, TOKENIZER_CONFIG, links=True), WORDS)
        if words["model_max_length"] > text["max_position_embeddings"]:
            yield (
                TOKENIZER_CONFIG,
                f"has a model_max_length beyond the text encoder's {text['max_position_embeddings']} places",
            )
        for key in ("eos_token", "pad_token", "unk_token"):
            if words[key] not in tokens:
                yield TOKENIZER_CONFIG, f"has a {key} that is none of the tokens: {shown(words[key])}"


def _table(value, name: str) -> dict:
    if not isinstance(value, dict) or not value:
        raise ValueError(f"{name} must be a table, not {shown(value)}")
    return value


def _patterns(step) -> Iterator[str]:
    """Every regular expression in a step of a tokenizer, at any depth."""
    left = [step]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            if isinstance(item.get("Regex"), str):
                yield item["Regex"]
            left += item.values()
        elif isinstance(item, list):
            left += item
