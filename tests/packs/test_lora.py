"""LoRAs of every layout are merged as their formula says, and those of other models are refused."""

import json

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

from tests.align.shapes import UNETS
from vldm_cli.packs.build import Prepared
from vldm_cli.packs.files import Unusable
from vldm_cli.packs.lora import additions, together
from vldm_cli.packs.sources import Source

LAYERS = (
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_out.0",
    "up_blocks.1.resnets.0.conv1",
)
TEXT = "encoder.layers.0.self_attn.q_proj"


def unet():
    return UNETS["sd15"]()


def encoder():
    sizes = dict(
        hidden_size=12, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=20
    )
    return CLIPTextModel(CLIPTextConfig(**sizes))


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


def diffusers_oldest(name):
    return f"unet.{name}", ".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"


def processors(name):
    """guoyww's own, of AnimateDiff's domain adapter."""
    head, _, last = name.removesuffix(".0").rpartition(".")
    return f"{head}.processor.{last}", "_lora.down.weight", "_lora.up.weight"


def merged(path, model, *loras, dtype=torch.float32):
    """(the model's weights with LoRAs (tensors, strength, part), how many changed), through files."""
    before = {k: t.detach().clone() for k, t in model.state_dict().items()}
    save_file(before, path / "model.safetensors")
    tables = []
    for i, (tensors, strength, part) in enumerate(loras):
        save_file({k: t.contiguous() for k, t in tensors.items()}, path / f"{i}.safetensors")
        tables.append(additions(Source.of(path / f"{i}.safetensors"), strength, part, model))
    source = Source.of(path / "model.safetensors")
    object.__setattr__(source, "changes", together(tables))
    return Prepared(model, [source]).load(dtype=dtype).state_dict(), before


@pytest.mark.parametrize("layout", [kohya, diffusers_new, diffusers_old, diffusers_oldest, peft, processors])
@pytest.mark.parametrize("alpha", [None, 1.5])
def test_it_is_the_formula(layout, alpha, tmp_path):
    model, tensors, wanted = unet(), {}, {}
    for name in LAYERS[:2] if layout is processors else LAYERS:
        weight = model.get_submodule(name).weight
        down, up = halves(weight)
        base, *ends = layout(name)
        tensors |= {base + ends[0]: down, base + ends[1]: up}
        if alpha:
            tensors[f"{base}.alpha"] = torch.tensor(alpha)
        product = (up.flatten(1) @ down.flatten(1)).view(weight.shape)
        wanted[name] = weight.detach() + 0.7 * (alpha / 3 if alpha else 1) * product
    now, before = merged(tmp_path, model, (tensors, 0.7, "unet"))
    for key, tensor in now.items():
        expected = wanted.get(key.removesuffix(".weight"), before[key])
        torch.testing.assert_close(tensor, expected, rtol=1e-5, atol=1e-5)


def test_the_text_encoder_too(tmp_path):
    model = encoder()
    weight = model.get_submodule(TEXT).weight.detach().clone()
    down, up = halves(weight)
    base = f"lora_te_text_model_{TEXT.replace('.', '_')}"
    tensors = {f"{base}.lora_down.weight": down, f"{base}.lora_up.weight": up}
    now, _ = merged(tmp_path, model, (tensors, 1.0, "text"))
    torch.testing.assert_close(now[f"{TEXT}.weight"], weight + up @ down, rtol=1e-5, atol=1e-5)


def test_what_is_for_the_other_half_of_the_pipeline_is_passed_over(tmp_path):
    model = unet()
    tensors = {"lora_te_x.lora_down.weight": torch.zeros(2, 3), "lora_te_x.lora_up.weight": torch.zeros(3, 2)}
    now, before = merged(tmp_path, model, (tensors, 1.0, "unet"))
    assert all(torch.equal(tensor, before[name]) for name, tensor in now.items())
    with pytest.raises(Unusable, match="no such layer"):
        merged(tmp_path, encoder(), (tensors, 1.0, "text"))


def test_several_add_up_and_are_rounded_once(tmp_path):
    """In float16, the sum is what is rounded, not the weight before it."""
    model = unet()
    base, *ends = kohya(LAYERS[0])
    weight = model.get_submodule(LAYERS[0]).weight.detach().clone()
    down, up = halves(weight)
    tensors = {base + ends[0]: down * 1e-2, base + ends[1]: up * 1e-2}
    now, _ = merged(tmp_path, model, (tensors, 0.5, "unet"), (tensors, 0.25, "unet"), dtype=torch.float16)
    wanted = weight + 0.5 * 1e-4 * (up @ down) + 0.25 * 1e-4 * (up @ down)
    assert torch.equal(now[f"{LAYERS[0]}.weight"], wanted.half())


def test_alpha_and_rank_may_be_in_the_metadata(tmp_path):
    """As diffusers writes them, once for all layers."""
    model = unet()
    base, *ends = diffusers_new(LAYERS[0])
    weight = model.get_submodule(LAYERS[0]).weight.detach().clone()
    down, up = halves(weight)
    told = {"unet.lora_alpha": 12, "unet.r": 3, "text_encoder.lora_alpha": 1}
    metadata = {"format": "pt", "lora_adapter_metadata": json.dumps(told)}
    save_file({base + ends[0]: down, base + ends[1]: up}, tmp_path / "x.safetensors", metadata)
    change = additions(Source.of(tmp_path / "x.safetensors"), 0.5, "unet", model)[f"{LAYERS[0]}.weight"]
    torch.testing.assert_close(change(weight), weight + 0.5 * 4 * up @ down)


@pytest.mark.parametrize(
    ("alpha", "rank"),
    [("NaN", "3"), ("1e999", "3"), ("1" * 500, "3"), ("3", "1" * 500), ("3", "0"), ('"3"', "3")],
)
def test_what_the_metadata_say_is_no_number_counts_as_unsaid(alpha, rank, tmp_path):
    model = unet()
    base, *ends = diffusers_new(LAYERS[0])
    weight = model.get_submodule(LAYERS[0]).weight.detach().clone()
    down, up = halves(weight)
    told = f'{{"unet.lora_alpha": {alpha}, "unet.r": {rank}}}'
    metadata = {"format": "pt", "lora_adapter_metadata": told}
    save_file({base + ends[0]: down, base + ends[1]: up}, tmp_path / "x.safetensors", metadata)
    change = additions(Source.of(tmp_path / "x.safetensors"), 0.5, "unet", model)[f"{LAYERS[0]}.weight"]
    torch.testing.assert_close(change(weight), weight + 0.5 * up @ down)


def test_kohyas_names_are_those_that_diffusers_reads(tmp_path):
    model, other = unet(), unet()
    down, up = halves(model.get_submodule(LAYERS[0]).weight)
    base, *ends = kohya(LAYERS[0])
    tensors = {base + ends[0]: down, base + ends[1]: up, f"{base}.alpha": torch.tensor(3.0)}
    converted, _ = StableDiffusionPipeline.lora_state_dict(dict(tensors))
    now, _ = merged(tmp_path, model, (tensors, 1.0, "unet"))
    theirs, _ = merged(tmp_path, other, (converted, 1.0, "unet"))
    torch.testing.assert_close(now[f"{LAYERS[0]}.weight"], theirs[f"{LAYERS[0]}.weight"])


@pytest.mark.parametrize(
    ("tensors", "word"),
    [
        (
            {
                "lora_unet_nowhere.lora_down.weight": torch.zeros(2, 3),
                "lora_unet_nowhere.lora_up.weight": torch.zeros(3, 2),
            },
            "no such layer",
        ),
        ({f"unet.{LAYERS[0]}.lora_A.weight": torch.zeros(2, 3)}, "lacks one half"),
        (
            {
                f"unet.{LAYERS[0]}.lora_A.weight": torch.zeros(2, 3),
                f"unet.{LAYERS[0]}.lora_B.weight": torch.zeros(5, 2),
            },
            "shapes",
        ),
        (
            {
                f"unet.{LAYERS[0]}.lora_A.weight": torch.zeros(2),
                f"unet.{LAYERS[0]}.lora_B.weight": torch.zeros(()),
            },
            "shapes",
        ),
        (
            {
                f"unet.{LAYERS[0]}.lora_A.weight": torch.zeros(2, 8),
                f"unet.{LAYERS[0]}.lora_B.weight": torch.zeros(8, 2),
                f"unet.{LAYERS[0]}.alpha": torch.zeros(2),
            },
            "alpha",
        ),
        (
            {
                f"unet.{LAYERS[0]}.lora_A.weight": torch.zeros(0, 8),
                f"unet.{LAYERS[0]}.lora_B.weight": torch.zeros(8, 0),
                f"unet.{LAYERS[0]}.alpha": torch.ones(()),
            },
            "shapes",
        ),
        ({"lora_unet_x.hada_w1_a": torch.zeros(2)}, "LoHa"),
        ({"something.else": torch.zeros(2)}, "no LoRA"),
        ({}, "empty"),
    ],
)
def test_what_is_of_another_model_is_refused_by_its_header(tensors, word, tmp_path):
    model = unet()
    down, up = halves(model.get_submodule(LAYERS[2]).weight)
    fine = {f"unet.{LAYERS[2]}.lora_A.weight": down, f"unet.{LAYERS[2]}.lora_B.weight": up} if tensors else {}
    save_file({**fine, **tensors}, tmp_path / "x.safetensors")
    with pytest.raises(Unusable, match=word):
        additions(Source.of(tmp_path / "x.safetensors"), 1.0, "unet", model)
