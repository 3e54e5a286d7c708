"""LoRAs of every layout are merged as their formula says, and those of other models are refused."""

import pytest
import torch
from diffusers import StableDiffusionPipeline
from transformers import CLIPTextConfig, CLIPTextModel

from tests.align.shapes import UNETS
from vldm_cli.errors import RequestError
from vldm_cli.packs.lora import Lora, merge

LAYERS = (
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_out.0",
    "up_blocks.1.resnets.0.conv1",
)
TEXT = "encoder.layers.0.self_attn.q_proj"


def models():
    sizes = dict(
        hidden_size=12, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=20
    )
    return {"unet": UNETS["sd15"](), "text": CLIPTextModel(CLIPTextConfig(**sizes))}


def text_layer(model):
    return next(n for n, _ in model.named_modules() if n.endswith(TEXT))


def halves(weight, rank=3):
    g = torch.Generator().manual_seed(weight.numel())
    if weight.ndim == 4:
        out, inner, k, _ = weight.shape
        return torch.randn(rank, inner, k, k, generator=g), torch.randn(out, rank, 1, 1, generator=g)
    return torch.randn(rank, weight.shape[1], generator=g), torch.randn(weight.shape[0], rank, generator=g)


def kohya(name):
    return f"lora_unet_{name.replace('.', '_')}", ".lora_down.weight", ".lora_up.weight"


def diffusers_new(name):
    return f"unet.{name}", ".lora_A.weight", ".lora_B.weight"


def diffusers_old(name):
    return f"unet.{name}", ".lora.down.weight", ".lora.up.weight"


def peft(name):
    return f"base_model.model.{name}", ".lora_A.weight", ".lora_B.weight"


@pytest.mark.parametrize("layout", [kohya, diffusers_new, diffusers_old, peft])
@pytest.mark.parametrize("alpha", [None, 1.5])
def test_it_is_the_formula(layout, alpha):
    both = models()
    tensors, wanted = {}, {}
    for name in LAYERS:
        weight = both["unet"].get_submodule(name).weight
        down, up = halves(weight)
        base, *ends = layout(name)
        tensors |= {base + ends[0]: down, base + ends[1]: up}
        if alpha:
            tensors[f"{base}.alpha"] = torch.tensor(alpha)
        product = (up.flatten(1) @ down.flatten(1)).view(weight.shape)
        wanted[name] = weight.detach() + 0.7 * (alpha / 3 if alpha else 1) * product
    before = {k: v.clone() for k, v in both["unet"].state_dict().items()}
    assert merge(Lora(tensors, 0.7), both) == 3
    for key, now in both["unet"].state_dict().items():
        expected = wanted.get(key.removesuffix(".weight"), before[key])
        torch.testing.assert_close(now, expected, rtol=1e-5, atol=1e-5)


def test_the_text_encoder_too():
    both = models()
    name = text_layer(both["text"])
    weight = both["text"].get_submodule(name).weight
    before, (down, up) = weight.detach().clone(), halves(weight)
    base = f"lora_te_text_model_{TEXT.replace('.', '_')}"
    merge(Lora({f"{base}.lora_down.weight": down, f"{base}.lora_up.weight": up}), both)
    torch.testing.assert_close(weight.detach(), before + up @ down, rtol=1e-5, atol=1e-5)


def test_kohyas_names_are_those_that_diffusers_reads():
    both = models()
    weight = both["unet"].get_submodule(LAYERS[0]).weight
    down, up = halves(weight)
    base, *ends = kohya(LAYERS[0])
    tensors = {base + ends[0]: down, base + ends[1]: up, f"{base}.alpha": torch.tensor(3.0)}
    converted, _ = StableDiffusionPipeline.lora_state_dict(dict(tensors))
    other = models()
    merge(Lora(tensors), both)
    merge(Lora(converted), other)
    torch.testing.assert_close(weight, other["unet"].get_submodule(LAYERS[0]).weight)


@pytest.mark.parametrize(
    ("tensors", "word"),
    [
        ({"lora_unet_nowhere.lora_down.weight": torch.zeros(2, 3)}, "no such layer"),
        ({f"unet.{LAYERS[0]}.lora_A.weight": torch.zeros(2, 3)}, "both halves"),
        (
            {
                f"unet.{LAYERS[0]}.lora_A.weight": torch.zeros(2, 3),
                f"unet.{LAYERS[0]}.lora_B.weight": torch.zeros(5, 2),
            },
            "shapes",
        ),
        ({"lora_unet_x.hada_w1_a": torch.zeros(2)}, "LoHa"),
        ({"something.else": torch.zeros(2)}, "no LoRA"),
        ({}, "empty"),
    ],
)
def test_what_is_of_another_model_is_refused_and_changes_nothing(tensors, word):
    both = models()
    before = {k: v.clone() for k, v in both["unet"].state_dict().items()}
    weight = both["unet"].get_submodule(LAYERS[2]).weight
    down, up = halves(weight)
    fine = {f"unet.{LAYERS[2]}.lora_A.weight": down, f"unet.{LAYERS[2]}.lora_B.weight": up} if tensors else {}
    with pytest.raises(RequestError, match=word):
        merge(Lora({**fine, **tensors}, name="x.safetensors"), both)
    assert all(torch.equal(v, before[k]) for k, v in both["unet"].state_dict().items())
