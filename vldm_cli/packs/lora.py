"""LoRA (Hu et al. 2021, arXiv:2106.09685): low-rank additions to an image model's weights, merged before anything runs.

    W ← W + strength · (α / r) · up · down

Three layouts are about, which differ in names alone: kohya's (`lora_unet_<module with _>.lora_down.weight`, `.alpha`),
diffusers' (`unet.<module>.lora.down.weight` or `.lora_A.weight`, older ones with `.processor.`) and peft's
(`base_model.model.<module>.lora_A.weight`). Merged, the model is as fast as without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from vldm_cli.errors import RequestError

_DOWN = (
    ".lora_down.weight",
    ".lora.down.weight",
    ".lora_A.weight",
    ".lora_A.default.weight",
    "_lora.down.weight",
)
_UP = (".lora_up.weight", ".lora.up.weight", ".lora_B.weight", ".lora_B.default.weight", "_lora.up.weight")
# what kohya's and diffusers' files call the parts of a pipeline
_PREFIXES = {
    "unet": ("lora_unet_", "unet.", "base_model.model.unet.", "base_model.model.", ""),
    "text": ("lora_te_", "lora_te1_", "text_encoder.", "base_model.model.text_encoder."),
}
_OTHERS = ("hada_w1_a", "lokr_w1", "lora_mid", "dora_scale", "diff_b", "oft_blocks")


@dataclass
class _Pair:
    """One addition: halves and α (None: r, so that their product counts as it is)."""

    down: Tensor | None = None
    up: Tensor | None = None
    alpha: float | None = None


@dataclass(frozen=True)
class Lora:
    """A file of additions and how much of them is wanted. name: for sentences about it."""

    tensors: Mapping[str, Tensor]
    strength: float = 1.0
    name: str = "the LoRA"

    def pairs(self) -> dict[str, _Pair]:
        """Additions by the name of the module as the file has it. Raises RequestError for other kinds of additions."""
        found: dict[str, _Pair] = {}
        for key, tensor in self.tensors.items():
            if any(word in key for word in _OTHERS):
                raise RequestError(
                    f"{self.name} holds {key}, which is no plain LoRA (LoHa, LoKr, DoRA …); use a LoRA of up and down"
                )
            for ends, half in ((_DOWN, "down"), (_UP, "up")):
                end = next((end for end in ends if key.endswith(end)), None)
                if end:
                    module = key.removesuffix(end).replace(".processor.", ".")
                    setattr(found.setdefault(module, _Pair()), half, tensor)
                    break
            else:
                if key.endswith(".alpha"):
                    found.setdefault(key.removesuffix(".alpha"), _Pair()).alpha = float(tensor)
                else:
                    raise RequestError(f"{self.name} holds {key}, which belongs to no LoRA; use another file")
        if not found:
            raise RequestError(f"{self.name} is empty; use another file")
        return found


@torch.no_grad()
def merge(lora: Lora, models: Mapping[str, nn.Module]) -> int:
    """Adds it to the weights of `models` ("unet", "text"); returns how many weights changed.

    Raises RequestError, and changes nothing, if a name or a shape is of another model.
    """
    weights = {part: _weights(model) for part, model in models.items()}
    additions: list[tuple[nn.Parameter, Tensor]] = []
    for name, pair in lora.pairs().items():
        weight = _find(name, weights)
        if weight is None or pair.down is None or pair.up is None:
            why = "has no such layer" if weight is None else "needs both halves of it"
            raise RequestError(
                f"{lora.name} is for another model: this one {why} ({name}); use a LoRA of its kind"
            )
        additions.append((weight, _product(pair, weight, lora, name)))
    for weight, delta in additions:
        weight.add_(delta.to(weight) * lora.strength)
    return len(additions)


def _weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Weights of linear layers and convolutions by their modules' names, with dots and, for kohya, without."""
    found: dict[str, nn.Parameter] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            weight = cast(nn.Parameter, module.weight)  # torch types both kinds' as Tensor
            found[name] = found[name.replace(".", "_")] = weight
            # older diffusers files name the projection, not its first layer
            if name.endswith(".to_out.0"):
                found[name.removesuffix(".0")] = weight
    return found


def _find(name: str, weights: Mapping[str, Mapping[str, nn.Parameter]]) -> nn.Parameter | None:
    for part, own in weights.items():
        for prefix in _PREFIXES[part]:
            rest = name.removeprefix(prefix)
            # a text encoder's layers lie below `text_model`, which newer transformers leave out
            for tried in (rest, rest.removeprefix("text_model."), rest.removeprefix("text_model_")):
                if name.startswith(prefix) and tried in own:
                    return own[tried]
    return None


def _product(pair: _Pair, weight: nn.Parameter, lora: Lora, name: str) -> Tensor:
    """(α / r) · up · down in float32, of the weight's shape."""
    assert pair.up is not None and pair.down is not None
    down, up = pair.down.float(), pair.up.float()
    rank = down.shape[0]
    if up.flatten(1).shape[1] != rank or up.shape[0] * down[0].numel() != weight.numel():
        raise RequestError(
            f"{lora.name} is for another model: {name} has shapes {tuple(up.shape)} and {tuple(down.shape)}, and the "
            f"layer {tuple(weight.shape)}; use a LoRA of this model's kind"
        )
    scale = 1.0 if pair.alpha is None else pair.alpha / rank
    return (scale * up.flatten(1) @ down.flatten(1)).view(weight.shape)
