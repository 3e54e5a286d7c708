"""Where a model computes, and in what: of one whose weights wait elsewhere, this is not where these are."""

from typing import NamedTuple

import torch
from torch import nn

_OWN = "computes"


class Place(NamedTuple):
    """A device and a number format."""

    device: torch.device
    dtype: torch.dtype


def place_of(model: nn.Module) -> Place:
    """Where calls of the model are computed."""
    told = model.__dict__.get(_OWN)
    if told is not None:
        return told
    weight = next(model.parameters())
    return Place(weight.device, weight.dtype)


def keep_place(model: nn.Module, place: Place) -> None:
    """Says where calls of a model are computed whose weights lie elsewhere."""
    model.__dict__[_OWN] = place
