"""How the temporal layers read the text: for themselves, not only as the image model needs it."""

from __future__ import annotations

from torch import Tensor, nn


class WordReader(nn.Module):
    """Hidden states of the text (B, L, D) → what the temporal layers hear of each word, (B, L, width).

    A text encoder that was trained with an image model alone tells apart what shows in a single picture: "rises" and
    "bounces", or "grows" and "shrinks", come out nearly the same. Here they are read again, each word in sight of all
    others, with weights that are trained with the temporal layers.
    """

    def __init__(self, text_dim: int, width: int, head_dim: int = 32) -> None:
        super().__init__()
        self.enter = nn.Linear(text_dim, width)
        self.block = nn.TransformerEncoderLayer(
            width, max(1, width // head_dim), 3 * width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, text_BLD: Tensor) -> Tensor:
        return self.norm(self.block(self.enter(text_BLD)))
