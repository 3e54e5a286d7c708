"""LoRA (Hu et al. 2021, arXiv:2106.09685): low-rank additions to a model's weights, merged as these are read.

    W ← W + strength · (α / r) · up · down

Three layouts are about, which differ in names alone: kohya's (`lora_unet_<module with _>.lora_down.weight`, `.alpha`),
diffusers' (`unet.<module>.lora.down.weight` or `.lora_A.weight`, older ones with `.processor.`) and peft's
(`base_model.model.<module>.lora_A.weight`). kohya's of Stable Diffusion XL have the original code's
names of blocks. Merged, the model is as fast as without. Whether a file fits a model is found out by its header.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from torch import Tensor, nn

from vldm_cli.align.families.animatediff import motion_lora_key
from vldm_cli.align.foreign import Family
from vldm_cli.packs.files import Unusable, parse
from vldm_cli.packs.named.blocks import original_names
from vldm_cli.packs.parts import TEXTS
from vldm_cli.packs.sources import Change, Piece, Source
from vldm_cli.packs.values import Real, Whole, shown

_DOWN = (
    ".lora_down.weight",
    ".lora.down.weight",
    ".lora_A.weight",
    ".lora_A.default.weight",
    ".lora_linear_layer.down.weight",
    "_lora.down.weight",
)
_UP = (
    ".lora_up.weight",
    ".lora.up.weight",
    ".lora_B.weight",
    ".lora_B.default.weight",
    ".lora_linear_layer.up.weight",
    "_lora.up.weight",
)
# what kohya's and diffusers' files call the parts of a pipeline
_PREFIXES = {
    "text": ("lora_te_", "lora_te1_", "text_encoder.", "base_model.model.text_encoder."),
    "text_2": ("lora_te2_", "text_encoder_2.", "base_model.model.text_encoder_2."),
    "unet": ("lora_unet_", "unet.", "base_model.model.unet.", "base_model.model.", "module.", ""),
}
# Where diffusers' own files say α and r of all layers of a part, and what they call the parts there.
_METADATA = "lora_adapter_metadata"
_PARTS = {"unet": "unet", "text": "text_encoder", "text_2": "text_encoder_2"}
# What α and r can be; 64 and 128 are usual.
_ALPHA, _RANK = Real(-1e6, 1e6), Whole(1, 10**6)
_OTHERS = ("hada_w1_a", "lokr_w1", "lora_mid", "dora_scale", "diff_b", "oft_blocks")


@dataclass
class Pair:
    """One addition of a file: the names of its halves and of its α (None: r, so that their product counts as it is)."""

    down: str | None = None
    up: str | None = None
    alpha: str | None = None


@dataclass(frozen=True)
class _Addition:
    """What a weight becomes: the halves are read when it is."""

    source: Source
    pair: Pair
    strength: float

    def __call__(self, weight: Tensor) -> Tensor:
        assert self.pair.down is not None and self.pair.up is not None  # `_checked`
        down, up = self.source.read(self.pair.down), self.source.read(self.pair.up)
        scale = self.strength
        if self.pair.alpha is not None:
            scale *= float(self.source.read(self.pair.alpha)) / down.shape[0]
        return weight + (scale * up.flatten(1) @ down.flatten(1)).view(weight.shape).to(weight.device)


def additions(
    source: Source, strength: float, part: str, model: nn.Module, two: bool = False
) -> dict[str, Change]:
    """What a file of LoRA adds to a model, by the names of its weights. part: "unet" or one of `parts.TEXTS`, what the
    model is; what is for the others is passed over. two: its pack has two text encoders. Raises Unusable for other
    kinds of additions and for those of another model."""
    weights = _weights(model)
    spelt = _spelt(weights, original_names(model) if part == "unet" else {})
    share = _share(source, part)
    found: dict[str, Change] = {}
    for module, pair in _pairs(source.pieces).items():
        belongs = _part_of(module)
        if belongs == "text_2" and not two:
            raise Unusable(f"is for Stable Diffusion XL, which has two text encoders ({shown(module)})")
        if belongs == part:
            name = _find(module, part, spelt)
            amount = strength * (share if pair.alpha is None else 1.0)
            found[name] = _checked(source, amount, module, pair, weights[name])
    return found


def motion_additions(
    source: Source, strength: float, family: Family, image_model: nn.Module
) -> dict[str, Change]:
    """The same of a MotionLoRA to the family's layers in an image model. Raises Unusable."""
    pairs: dict[str, Pair] = {}
    for key in source.pieces:
        found = motion_lora_key(key)
        if found is None:
            raise Unusable(f"holds {shown(key)}, which belongs to no MotionLoRA")
        setattr(pairs.setdefault(found[0], Pair()), found[1], key)
    if not pairs:
        raise Unusable("is empty")
    weights = _weights(image_model)
    changes: dict[str, Change] = {}
    for theirs, pair in pairs.items():
        try:
            name = family.key(theirs, image_model) or ""
        except AttributeError:
            name = ""
        if ".temporal." not in name or name not in weights:
            raise Unusable(f"is for other motion modules: these have no {shown(theirs)}")
        changes[name] = _checked(source, strength, theirs, pair, weights[name])
    return changes


def together(changes: Iterable[Mapping[str, Change]]) -> dict[str, Change]:
    """All of them, one behind the other."""
    found: dict[str, Change] = {}
    for table in changes:
        for name, change in table.items():
            found[name] = _behind(found[name], change) if name in found else change
    return found


def _behind(first: Change, second: Change) -> Change:
    return lambda weight: second(first(weight))


def _pairs(pieces: Mapping[str, Piece]) -> dict[str, Pair]:
    """Additions by the name of the module as the file has it."""
    found: dict[str, Pair] = {}
    for key in pieces:
        if any(word in key for word in _OTHERS):
            raise Unusable(f"holds {shown(key)}, which is no plain LoRA (but LoHa, LoKr, DoRA …)")
        for ends, half in ((_DOWN, "down"), (_UP, "up"), ((".alpha",), "alpha")):
            end = next((end for end in ends if key.endswith(end)), None)
            if end:
                module = key.removesuffix(end).replace(".processor.", ".")
                setattr(found.setdefault(module, Pair()), half, key)
                break
        else:
            raise Unusable(f"holds {shown(key)}, which belongs to no LoRA")
    if not found:
        raise Unusable("is empty")
    return found


def _share(source: Source, part: str) -> float:
    """α / r of layers that have no α of their own."""
    told = parse(json.loads, source.header.metadata.get(_METADATA, "{}"))
    if not isinstance(told, dict):
        return 1.0
    alpha: Any
    rank: Any
    alpha, rank = told.get(f"{_PARTS[part]}.lora_alpha"), told.get(f"{_PARTS[part]}.r")
    return alpha / rank if _ALPHA.fits(alpha) and _RANK.fits(rank) else 1.0


def _part_of(module: str) -> str:
    return next((part for part in TEXTS if module.startswith(_PREFIXES[part])), "unet")


def _weights(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights of linear layers and convolutions."""
    return {
        f"{name}.weight": tuple(module.weight.shape)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    }


def _spelt(weights: Mapping[str, object], original: Mapping[str, str]) -> dict[str, str]:
    """Weights by their modules' names, with dots and, for kohya, without; and by those of the original code."""
    spelt = {
        theirs.replace(".", "_"): f"{name}.weight"
        for theirs, name in original.items()
        if f"{name}.weight" in weights
    }
    for weight in weights:
        name = weight.removesuffix(".weight")
        spelt[name] = spelt[name.replace(".", "_")] = weight
        # older diffusers files name the projection, not its first layer
        if name.endswith(".to_out.0"):
            spelt[name.removesuffix(".0")] = weight
    return spelt


def _find(module: str, part: str, spelt: Mapping[str, str]) -> str:
    for prefix in _PREFIXES[part]:
        rest = module.removeprefix(prefix)
        # a text encoder's layers lie below `text_model`, which newer transformers leave out
        for tried in (rest, rest.removeprefix("text_model."), rest.removeprefix("text_model_")):
            if module.startswith(prefix) and tried in spelt:
                return spelt[tried]
    raise Unusable(f"is for another model: this one has no such layer ({shown(module)})")


def _checked(source: Source, strength: float, module: str, pair: Pair, weight: tuple[int, ...]) -> _Addition:
    """The addition to a weight of that shape, if it is one."""
    if pair.down is None or pair.up is None:
        raise Unusable(f"lacks one half of {shown(module)}")
    down, up = source.pieces[pair.down].shape, source.pieces[pair.up].shape
    ranks = len(down) > 1 and len(up) > 1 and prod(up[1:]) == down[0] > 0
    if not ranks or up[0] * prod(down[1:]) != prod(weight):
        raise Unusable(
            f"is for another model: {shown(module)} has shapes {list(up)} and {list(down)}, the layer {list(weight)}"
        )
    if pair.alpha is not None and prod(source.pieces[pair.alpha].shape) != 1:
        raise Unusable(f"has an alpha of {shown(module)} that is no number")
    return _Addition(source, pair, strength)
