"""What Stable Diffusion XL's image model is told besides hidden states of a text (Podell et al. 2023, arXiv:2307.01952,
§2.2): the text as one vector, and the picture's size and crop in pixels."""

from __future__ import annotations

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

CELL = 8  # pixels of a latent cell, of every such model
# height and width before cropping, the crop's top and left, height and width afterwards
IDS = 6


def pooled_width(config) -> int:
    """Channels of the vector that a UNet of that configuration wants beside hidden states; 0 of one that wants none."""
    if config.get("addition_embed_type") != "text_time":
        return 0
    # Stable Video Diffusion goes the same way with nothing of a text in it
    wide = config.get("projection_class_embeddings_input_dim") or 0
    return max(0, wide - IDS * (config.get("addition_time_embed_dim") or 0))


def with_pooled(states_BLD: Tensor, pooled_BP: Tensor) -> Tensor:
    """Hidden states and the vector of the same texts as one tensor (B, L, D + P): each row of it is a text, whole."""
    return torch.cat([states_BLD, pooled_BP[:, None].expand(-1, states_BLD.shape[1], -1)], -1)


def conditions(unet: UNet2DConditionModel, text_BLD: Tensor | None, z_BTCHW: Tensor) -> dict[str, Tensor]:
    """The `added_cond_kwargs` for one row a video, (B, …), of text as `with_pooled` makes it and latents (B, T, C, h,
    w): they are of whole pictures in their own size. Empty of an image model that wants none."""
    wide = pooled_width(unet.config)
    if not wide or text_BLD is None:
        return {}
    first = unet.config.cross_attention_dim
    B, (h, w) = len(z_BTCHW), z_BTCHW.shape[-2:]
    ids = z_BTCHW.new_zeros(B, IDS)
    for place, side in ((0, h), (1, w), (4, h), (5, w)):  # written there: a copy would be waited for
        ids[:, place] = CELL * side
    return {"text_embeds": text_BLD[:, 0, first : first + wide], "time_ids": ids}
