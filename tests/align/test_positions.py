"""Fixed positions of frames."""

import torch
from diffusers.models.embeddings import SinusoidalPositionalEmbedding
from torch import nn

from vldm_cli.align.positions import keep_sinusoids


def test_sinusoids_of_a_model_without_weights_are_in_memory():
    whole = SinusoidalPositionalEmbedding(8, 16)
    with torch.device("meta"):
        module = nn.Sequential(nn.Linear(8, 8), nn.Sequential(SinusoidalPositionalEmbedding(8, 16)))
        keep_sinusoids(module)
    assert torch.equal(module[1][0].pe, whole.pe)
    assert module[0].weight.is_meta and list(module.state_dict()) == ["0.weight", "0.bias"]
