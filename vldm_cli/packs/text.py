"""A pack's text encoder: prompts to hidden states."""

import torch
from torch.nn import functional as F
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from vldm_cli.align.pooled import with_pooled
from vldm_cli.packs.words import Words


class TextEncoder:
    """Prompts to hidden states: what the UNet's cross attention reads, and beside it the words themselves."""

    def __init__(self, words: Words, model: CLIPTextModel | CLIPTextModelWithProjection):
        self.words, self.model = words, model
        self.max_words = words.max_words

    def called(self, prompts: list[str]):
        """What the model makes of the prompts' tokens, all hidden states among it."""
        ids = torch.tensor([self.words.ids(prompt) for prompt in prompts], device=self.model.device)
        return self.model(ids, output_hidden_states=True)

    @torch.no_grad()
    def encode(self, prompts: list[str]) -> torch.Tensor:
        """(B, L, 2D) on the encoder's device and in its dtype. The first D channels are the last hidden states, as
        stock diffusers computes them; the others are what goes into the first layer, normalised: an encoder that
        learned with pictures forgets on its way which of two words was said if both look alike in a picture."""
        states = self.called(prompts)
        words_BLD = states.hidden_states[0]
        return torch.cat([states.last_hidden_state, F.layer_norm(words_BLD, words_BLD.shape[-1:])], -1)


class TwoTextEncoders(TextEncoder):
    """Stable Diffusion XL's (Podell et al. 2023, arXiv:2307.01952, §2.1): the hidden states before the last layer of
    both side by side, and of the second the text as one vector. It was trained with zeros where there is no text."""

    def __init__(self, first: TextEncoder, second: TextEncoder) -> None:
        super().__init__(first.words, first.model)
        self.second = second

    @torch.no_grad()
    def encode(self, prompts: list[str]) -> torch.Tensor:
        """(B, L, D₁ + D₂ + P), as `align.pooled` has it."""
        first, second = self.called(prompts), self.second.called(prompts)
        states_BLD = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], -1)
        text_BLD = with_pooled(states_BLD, second.text_embeds)
        said_B = torch.tensor([bool(prompt) for prompt in prompts], device=text_BLD.device)
        return text_BLD * said_B[:, None, None]
