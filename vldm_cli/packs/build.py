"""A model and its weights, of any diffusers class and any file: configuration → model without weights → the file's
header compared with it → weights.

Until the last step nothing is allocated and no byte of weights is read, whatever a stranger's files say: the model is
built on torch's meta device, within the bounds of `schemas`.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from vldm_cli.packs.files import Unusable
from vldm_cli.packs.sources import Source
from vldm_cli.packs.values import Schema, shown

Model = TypeVar("Model", bound=nn.Module)


def arguments(kind: type, config: Mapping, schema: Schema) -> dict:
    """What `kind` is made with, out of a diffusers configuration whose known entries have been checked. Raises Unusable
    for an entry that the class has not, and for one without a check that is not as the class has it by default."""
    usual = {name: p.default for name, p in inspect.signature(kind).parameters.items()}
    return chosen({k: v for k, v in config.items() if not k.startswith("_")}, schema, usual)


def chosen(config: Mapping, schema: Schema, usual: Mapping) -> dict:
    """The entries of `config` that the schema checks; the others must be as `usual` has them."""
    for name, value in config.items():
        if name not in schema and (name not in usual or value != usual[name]):
            raise Unusable(
                f"is unusable: {shown(name)} is {shown(value)}, which vldm does not know how to build"
            )
    return {name: value for name, value in config.items() if name in schema}


_MAKERS = {
    *(
        torch.empty,
        torch.empty_strided,
        torch.zeros,
        torch.ones,
        torch.full,
        torch.eye,
        torch.tensor,
        torch.as_tensor,
    ),
    *(torch.arange, torch.linspace, torch.logspace, torch.rand, torch.randn, torch.randint, torch.randperm),
}


class _Meta(TorchFunctionMode):
    """Within this, new tensors are on the meta device, and weights are not drawn, which there fills nothing and takes
    half of the time. (`torch.device` as a context draws them.)"""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in _MAKERS and kwargs.get("device") is None:
            kwargs["device"] = "meta"
        elif getattr(function, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)


def on_meta(make: Callable[[], Model]) -> Model:
    """What `make` builds, without memory for its weights. Raises Unusable where it cannot be built."""
    try:
        with _Meta():
            return make()
    except MemoryError:
        raise
    except Exception as error:  # whatever a library says to numbers that each are within bounds
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise Unusable(f"describes a model that cannot be built ({shown(reason)})") from error


@dataclass
class Prepared(Generic[Model]):
    """A model on the meta device and the files that have been found to fit it; later ones replace what earlier ones
    hold. finish: gives it what no file holds. dtype: what it must be in, whatever is asked for. overflows: in float16,
    for which it is then in float32."""

    model: Model
    sources: list[Source]
    finish: Callable[[Model], object] = lambda model: None
    dtype: torch.dtype | None = None
    overflows: bool = False

    @property
    def remarks(self) -> list[str]:
        """What whoever uses it should be told."""
        return [source.remark for source in self.sources if source.remark]

    def check(self) -> None:
        """Raises RequestError where a file holds weights that are no numbers; each is looked at once."""
        for source in self.sources:
            source.check_numbers()

    def load(self, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Model:
        """The model with its weights; once only. Raises RunError where a file is no longer what it was, and as
        `check`."""
        self.check()
        dtype = self.dtype or (torch.float32 if self.overflows and dtype == torch.float16 else dtype)
        for source in self.sources:
            state = dict(source.tensors(device, dtype))
            self.model.load_state_dict(state, strict=False, assign=True)
        self.finish(self.model)
        # what no file holds and was made with the model: positions of temporal layers. Diffusers' own `to` warns of
        # casts, of which there is none left.
        return nn.Module.to(self.model, device, dtype)
