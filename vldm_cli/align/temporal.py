"""What an aligned UNet and an aligned decoder share: attaching layers, saving and loading them, switching them off."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from vldm_cli.align.compensation import averaged
from vldm_cli.align.layers import State
from vldm_cli.errors import RequestError

_CHILD = "temporal"
CLOSING = tuple(
    f".{_CHILD}.{name}"
    for name in ("norm2.weight", "norm2.bias", "conv2.weight", "conv2.bias", "alpha_logit")
)
"""The second half of every temporal convolution, half of its weights: what it does with what it has seen. Endings of
names; a second set of these alone makes other layers of the same ones."""
Sizes = dict[str, Any]  # numbers, names and switches: the keyword arguments of the model


class TemporalModel(nn.Module):
    """An image model with temporal layers attached as children named `temporal` of its blocks, called by hooks.

    The image model's own state-dict keys and values stay as they were; its parameters are frozen.
    """

    average: Callable[[Tensor, Tensor, int], Tensor] = staticmethod(averaged)
    """How `steadied` does it."""

    def __init__(self, image_model: nn.Module, sizes: Sizes) -> None:
        super().__init__()
        image_model.requires_grad_(False)
        self.state = State()
        self.sizes = sizes
        # of each block what runs its temporal layer; an attribute, no children
        self.hooks: dict[nn.Module, Callable[..., Any]] = {}

    def attach(self, block: nn.Module, layer: nn.Module, holder: nn.Module | None = None) -> None:
        """Runs `layer` on the output of `block`, and on the arguments that the block was called with: layer(output,
        args, kwargs). It is a child of `holder`, by default of the block itself; a block that is a convolution must not
        hold it, for diffusers moves and casts such leaves with all that is in them. Raises ValueError if the holder
        already has a temporal layer."""
        holder = holder or block
        if hasattr(holder, _CHILD):
            raise ValueError("this image model already has temporal layers: load a fresh one to align it")
        weight = next(block.parameters())
        # of a model whose weights are still to come, what is there already stays where it is
        holder.add_module(_CHILD, layer if weight.is_meta else layer.to(weight.device, weight.dtype))
        hook = _run_temporal if holder is block else partial(_run_held, holder)
        self.hooks[block] = hook
        block.register_forward_hook(hook, with_kwargs=True)

    @staticmethod
    def _is_temporal(name: str) -> bool:
        return f".{_CHILD}." in name or not name.startswith(("unet.", "vae."))

    @property
    def untrained(self) -> bool:
        """Whether the temporal layers add nothing yet, as new ones do: their last projections are zero."""
        last = f".{_CHILD}.conv2.weight", f".{_CHILD}.out.weight"
        return not any(bool(t.any()) for name, t in self.state_dict().items() if name.endswith(last))

    def steadied(self, residual_BTCHW: Tensor, low_BTCHW: Tensor, scale: int) -> Tensor:
        """The folded residuals (B, T, 3·s², h, w) that an upscaler has made to videos (B, T, 3, h, w) in [−1, 1],
        after the last of its temporal layers, which has no weights: `compensation.averaged` if it is `compensated`.
        As they are if it is not, and with temporal layers off."""
        if not (self.state.on and self.sizes.get("compensated")):
            return residual_BTCHW
        return self.average(residual_BTCHW, low_BTCHW, scale)

    def temporal_parameters(self) -> list[nn.Parameter]:
        """φ and α: what training changes."""
        return [p for name, p in self.named_parameters() if self._is_temporal(name)]

    def temporal_state_dict(self) -> dict[str, Tensor]:
        """The temporal part alone; it fits any image model of the same shape."""
        return {name: t for name, t in self.state_dict().items() if self._is_temporal(name)}

    def load_temporal_state_dict(self, state: dict[str, Tensor], only: tuple[str, ...] = ("",)) -> None:
        """The temporal tensors whose names end with one of `only`; the others stay. Raises RequestError if names or
        shapes are not those of this model."""
        own = {name: tensor for name, tensor in self.temporal_state_dict().items() if name.endswith(only)}
        wrong = own.keys() ^ state.keys() or {k for k in own if own[k].shape != state[k].shape}
        if wrong:
            raise RequestError(
                f"these temporal layers were made for an image model of another shape ({min(wrong)} differs): "
                "use them with the image model they were trained on or one fine-tuned from it"
            )
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(state[name])

    def save_temporal(
        self, path: str | os.PathLike, dtype: torch.dtype | None = None, only: tuple[str, ...] = ("",)
    ) -> None:
        """One safetensors file, sizes in its metadata; `dtype` None keeps the present one; only: as for loading."""
        tensors = {
            k: t.detach().to("cpu", dtype).contiguous()
            for k, t in self.temporal_state_dict().items()
            if k.endswith(only)
        }
        save_file(tensors, os.fspath(path), metadata={"align": json.dumps(self.sizes)})

    @contextmanager
    def temporal_off(self) -> Iterator[None]:
        """Within this, every α is 1: the image model frame by frame, bit for bit."""
        before, self.state.on = self.state.on, False
        try:
            yield
        finally:
            self.state.on = before


def read_temporal(path: str | os.PathLike) -> tuple[dict[str, Tensor], Sizes]:
    """Tensors and sizes of a file that `save_temporal` wrote. Raises RequestError naming the file."""
    try:
        with safe_open(os.fspath(path), framework="pt") as file:
            sizes = json.loads((file.metadata() or {})["align"])
            return {name: file.get_tensor(name) for name in file.keys()}, sizes  # noqa: SIM118 (no dict)
    except (OSError, SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise RequestError(
            f"{Path(path)} holds no readable temporal layers ({error}): check the pack with `vldm packs check`"
        ) from error


def _run_temporal(block: nn.Module, args: tuple, kwargs: dict, output):
    """Forward hook: the block's temporal layer on the block's output."""
    return _run_held(block, block, args, kwargs, output)


def _run_held(holder: nn.Module, _block: nn.Module, args: tuple, kwargs: dict, output):
    """Forward hook: the holder's temporal layer on a block's output, in whichever form diffusers returns it."""
    layer = getattr(holder, _CHILD)
    if not layer.state.on:
        return output
    if isinstance(output, Tensor):
        return layer(output, args, kwargs)
    if isinstance(output, tuple):
        return (layer(output[0], args, kwargs), *output[1:])
    output.sample = layer(output.sample, args, kwargs)
    return output
