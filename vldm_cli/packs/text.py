"""A pack's text encoder: prompts to hidden states."""

import torch
from torch.nn import functional as F
from transformers import CLIPTextModel

from vldm_cli.packs.words import Words


class TextEncoder:
    """Prompts to hidden states: what the UNet's cross attention reads, and beside it the words themselves."""

    def __init__(self, words: Words, model: CLIPTextModel):
        self.words, self.model = words, model
        self.max_words = words.max_words

    @torch.no_grad()
    def encode(self, prompts: list[str]) -> torch.Tensor:
        """(B, L, 2D) on the encoder's device and in its dtype. The first D channels are the last hidden states, as
        stock diffusers computes them; the others are what goes into the first layer, normalised: an encoder that
        learned with pictures forgets on its way which of two words was said if both look alike in a picture."""
        ids = torch.tensor([self.words.ids(prompt) for prompt in prompts], device=self.model.device)
        states = self.model(ids, output_hidden_states=True)
        words_BLD = states.hidden_states[0]
        return torch.cat([states.last_hidden_state, F.layer_norm(words_BLD, words_BLD.shape[-1:])], -1)
