"""Positions of frames in the attention of others' layers: diffusers' fixed sinusoids."""

import torch
from diffusers.models.embeddings import SinusoidalPositionalEmbedding
from torch import nn


def keep_sinusoids(module: nn.Module) -> None:
    """Computes every fixed sinusoid in the module and holds it in memory, whatever device models are built on: no file
    needs to bring one, so it may be part of a model whose weights are still to come."""
    for part in module.modules():
        if isinstance(part, SinusoidalPositionalEmbedding):
            _, length, channels = part.pe.shape
            with torch.device("cpu"):
                fixed = SinusoidalPositionalEmbedding(channels, length).pe
            part.register_buffer("pe", fixed, persistent=False)
