"""LoRAs and textual inversions that a manifest names, as diffusers loads them."""

import copy
from dataclasses import replace

import pytest
import torch
from diffusers import UNetMotionModel
from safetensors.torch import save_file

from tests.packs.named import original, public
from vldm_cli.errors import RequestError
from vldm_cli.packs import load, prepare
from vldm_cli.packs.elsewhere import Embedding
from vldm_cli.packs.words import Words

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sd15")
    return folder, public.stable_diffusion(folder)


def kohya(pipe, strength=0.1):
    """A file of the usual layers of UNet and text encoder, and what they become."""
    g = torch.Generator().manual_seed(3)
    tensors, wanted = {}, {}
    ends = ("to_q", "to_out.0", "proj_in", "ff.net.0.proj", "q_proj", "fc1")
    for prefix, model in (("lora_unet_", pipe.unet), ("lora_te_text_model_", pipe.text_encoder)):
        for name, module in model.named_modules():
            if name.endswith(ends):
                rank, weight = 4, module.weight.detach()
                down = strength * torch.randn(rank, *weight.shape[1:], generator=g)
                up = torch.randn(weight.shape[0], rank, *[1] * (weight.ndim - 2), generator=g)
                base = prefix + name.replace(".", "_")
                tensors[f"{base}.lora_down.weight"], tensors[f"{base}.lora_up.weight"] = down, up
                tensors[f"{base}.alpha"] = torch.tensor(2.0)
                product = (up.flatten(1) @ down.flatten(1)).view(weight.shape)
                wanted[f"{prefix}{name}.weight"] = weight + 0.8 * 2 / rank * product
    return tensors, wanted


@pytest.mark.parametrize("pickled", [False, True])
def test_a_lora_of_both_models(repository, tmp_path, monkeypatch, pickled):
    monkeypatch.setenv("VLDM_HOME", str(tmp_path / "home"))
    folder, pipe = repository
    tensors, wanted = kohya(pipe)
    name = "style.pt" if pickled else "style.safetensors"
    torch.save(tensors, tmp_path / name) if pickled else save_file(tensors, tmp_path / name)
    lora = {"path": str(tmp_path), "file": name, "strength": 0.8}
    pack = public.named(tmp_path / "pack", public.image_parts(folder), loras=[lora])
    prepared = prepare.prepare(pack, "unet")
    assert [name in remark for remark in prepared.remarks] == ([True] if pickled else [])
    unet, text = load.loaded(prepared).state_dict(), load.load_text(pack).model.state_dict()
    for key, tensor in wanted.items():
        own = unet if key.startswith("lora_unet_") else text
        key = key.removeprefix("lora_unet_").removeprefix("lora_te_text_model_")
        torch.testing.assert_close(own[key], tensor, rtol=1e-5, atol=1e-5)
    changed = {k for k, t in pipe.unet.state_dict().items() if not torch.equal(unet[k], t)}
    assert changed == {k.removeprefix("lora_unet_") for k in wanted if k.startswith("lora_unet_")}


def test_a_lora_reaches_the_image_model_under_motion_modules(repository, tmp_path):
    folder, pipe = repository
    tensors, _ = kohya(pipe)
    save_file(tensors, tmp_path / "x.safetensors")
    public.adapter().save_pretrained(tmp_path / "mm")
    parts = {
        **public.image_parts(folder),
        "keyframes": {"family": "animatediff", "path": str(tmp_path / "mm"), "file": WEIGHTS},
    }
    pack = public.named(tmp_path / "pack", parts, loras=[{"path": str(tmp_path), "file": "x.safetensors"}])
    under = load.load_keyframes(pack).unet.state_dict()
    for name, tensor in load.load_unet(pack).state_dict().items():
        assert torch.equal(under[name], tensor), name


def test_a_lora_reaches_an_image_model_whose_file_holds_the_layers_too(tmp_path):
    public.modelscope_unet().save_pretrained(tmp_path / "unet")
    parts = {"keyframes": {"family": "modelscope", "path": str(tmp_path / "unet"), "file": WEIGHTS}}
    layer = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight"
    plain = load.load_keyframes(public.named(tmp_path / "plain", parts)).unet.state_dict()
    up, down = torch.randn(plain[layer].shape[0], 4), torch.randn(4, plain[layer].shape[1])
    key = f"unet.{layer.removesuffix('.weight')}"
    save_file({f"{key}.lora_A.weight": down, f"{key}.lora_B.weight": up}, tmp_path / "x.safetensors")
    lora = {"path": str(tmp_path), "file": "x.safetensors"}
    added = load.load_keyframes(public.named(tmp_path / "added", parts, loras=[lora])).unet.state_dict()
    torch.testing.assert_close(added[layer], plain[layer] + up @ down, rtol=1e-4, atol=1e-4)
    assert {k for k, t in plain.items() if not torch.equal(added[k], t)} == {layer}


@pytest.mark.parametrize("layout", ["guoyww", "diffusers"])
@torch.no_grad()
def test_a_motion_lora_is_diffusers(repository, tmp_path, layout):
    folder, pipe = repository
    adapter = public.adapter()
    adapter.save_pretrained(tmp_path / "mm")
    g = torch.Generator().manual_seed(1)
    tensors, theirs = {}, copy.deepcopy(adapter)
    for name, weight in theirs.state_dict().items():
        if ".attn" not in name or not name.endswith(".weight"):
            continue
        base = name.removesuffix(".weight").removesuffix(".0")
        if layout == "guoyww":
            (base,) = original.motion_modules({base: 0})
        head, last = base.rsplit(".", 1)
        key = f"{head}.processor.{last}_lora" if layout == "guoyww" else f"unet.{base}.lora"
        down, up = (
            0.1 * torch.randn(2, weight.shape[1], generator=g),
            torch.randn(len(weight), 2, generator=g),
        )
        tensors[f"{key}.down.weight"], tensors[f"{key}.up.weight"] = down, up
        weight += 0.7 * up @ down
    save_file(tensors, tmp_path / "pan.safetensors")
    parts = {
        **public.image_parts(folder),
        "keyframes": {"family": "animatediff-window", "path": str(tmp_path / "mm"), "file": WEIGHTS},
    }
    lora = {"path": str(tmp_path), "file": "pan.safetensors", "to": "motion", "strength": 0.7}
    model = load.load_keyframes(public.named(tmp_path / "pack", parts, loras=[lora]))
    wanted = UNetMotionModel.from_unet2d(pipe.unet, theirs).eval()
    z, text = torch.randn(1, 3, 4, 16, 16), torch.randn(1, 7, 16)
    ours = model(z, torch.tensor([400]), text)
    other = wanted(z.transpose(1, 2), 400, text.repeat(3, 1, 1)).sample.transpose(1, 2)
    torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-4)


def test_a_lora_of_another_model_is_refused_before_a_weight_is_read(repository, tmp_path):
    folder, _ = repository
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    save_file(
        {f"{name}.lora_down.weight": torch.zeros(4, 320), f"{name}.lora_up.weight": torch.zeros(320, 4)},
        tmp_path / "x.safetensors",
    )
    pack = public.named(
        tmp_path / "p",
        public.image_parts(folder),
        loras=[{"path": str(tmp_path), "file": "x.safetensors"}],
    )
    with pytest.raises(
        RequestError, match=r"pack named: the LoRA .*x\.safetensors is for another model.*320"
    ):
        prepare.prepare(pack, "unet")
    motion = [{"path": str(tmp_path), "file": "x.safetensors", "to": "motion"}]
    public.adapter().save_pretrained(tmp_path / "mm")
    keyframes = {"family": "animatediff", "path": str(tmp_path / "mm"), "file": WEIGHTS}
    pack = public.named(tmp_path / "q", {**public.image_parts(folder), "keyframes": keyframes}, motion)
    with pytest.raises(RequestError, match=r"x\.safetensors holds .*belongs to no MotionLoRA"):
        prepare.prepare(pack, "keyframes")


def embeddings(tmp_path):
    """The layouts of textual inversions: (file, token asked for, token that it gets, vectors)."""
    g = torch.Generator().manual_seed(0)
    one, two, three = (torch.randn(n, 16, generator=g) for n in (1, 2, 3))
    save_file({"emb_params": two}, tmp_path / "fuzzy.safetensors")
    save_file({"<corgi>": one[0].clone()}, tmp_path / "learned_embeds.safetensors")
    torch.save({"<cat>": one[0] + 1}, tmp_path / "learned_embeds.bin")
    table = {"string_to_token": {"*": 265}, "string_to_param": {"*": three}, "name": "grain", "step": 7}
    torch.save(table, tmp_path / "a1111.pt")
    return [
        ({"file": "fuzzy.safetensors"}, "fuzzy", two),
        ({"file": "learned_embeds.safetensors", "token": "<dog>"}, "<dog>", one),
        ({"file": "learned_embeds.bin"}, "<cat>", one + 1),
        ({"file": "a1111.pt"}, "grain", three),
    ]


def test_textual_inversions_are_diffusers(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("VLDM_HOME", str(tmp_path / "home"))
    folder, pipe = repository
    files = embeddings(tmp_path)
    named = [{"path": str(tmp_path), **table} for table, _, _ in files]
    pack = public.named(tmp_path / "pack", public.image_parts(folder), embeddings=named)
    other = copy.deepcopy(pipe)
    for table, token, _ in files:
        other.load_textual_inversion(
            str(tmp_path / table["file"]), token=token, local_files_only=True, weight_name=None
        )
    prepared = prepare.prepare(pack, "text")
    assert "learned_embeds.bin" in prepared.remarks[0] and "a1111.pt" in prepared.remarks[0]
    text = load.load_text(pack)
    prompts = ["a red ball", "fuzzy red <dog>, <cat>!", "grain, grain fuzzy ball grain fuzzy", ""]
    for prompt in prompts:
        wanted = other.encode_prompt(prompt, "cpu", 1, False)[0]
        assert torch.equal(text.encode([prompt])[..., :16], wanted), prompt
    # all its vectors, of which diffusers takes the first alone
    assert text.words.ids("a GRAIN") == text.words.ids("a grain")
    assert text.words.count("fuzzy <dog>") == 3 and text.words.unknown("fuzzy zebra") == []


@pytest.mark.parametrize(
    ("tensors", "more", "words"),
    [
        ({"emb_params": torch.zeros(2, 24)}, {}, r"vectors of 24 numbers, and the text encoder's have 16"),
        ({"clip_g": torch.zeros(2, 32), "clip_l": torch.zeros(2, 16)}, {}, "is for Stable Diffusion XL"),
        ({"emb_params": torch.zeros(2, 2, 16)}, {}, r"of shape \[2, 2, 16\]"),
        ({"emb_params": torch.zeros(2, 16)}, {"token": "two words"}, "not one word"),
        (
            {"emb_params": torch.zeros(2, 16)},
            {"token": "ball</w>"},
            "has ball</w>, which a textual inversion",
        ),
    ],
)
def test_what_is_no_word_of_this_encoder_is_refused(repository, tmp_path, tensors, more, words):
    folder, _ = repository
    save_file(tensors, tmp_path / "style7.safetensors")
    named = [{"path": str(tmp_path), "file": "style7.safetensors", **more}]
    pack = public.named(tmp_path / "pack", public.image_parts(folder), embeddings=named, check=False)
    with pytest.raises(RequestError, match=words):
        Words.of(pack)
        prepare.prepare(pack, "text")


@pytest.mark.parametrize("half", ["lora_down.weight", "lora_up.weight", "alpha"])
def test_what_is_added_are_numbers(repository, tmp_path, half):
    """NaN would make every frame one colour."""
    folder, _ = repository
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    shape = (
        prepare.prepare(public.named(tmp_path / "q", public.image_parts(folder)), "unet")
        .model.state_dict()["down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight"]
        .shape
    )
    tensors = {
        f"{name}.lora_down.weight": torch.zeros(4, shape[1]),
        f"{name}.lora_up.weight": torch.zeros(shape[0], 4),
        f"{name}.alpha": torch.ones(()),
    }
    tensors[f"{name}.{half}"] = tensors[f"{name}.{half}"] * float("nan")
    save_file(tensors, tmp_path / "x.safetensors")
    parts = public.image_parts(folder)
    pack = public.named(
        tmp_path / "p", parts, loras=[{"path": str(tmp_path), "file": "x.safetensors"}], check=False
    )
    with pytest.raises(
        RequestError, match=r"the LoRA .*x\.safetensors holds weights that are no finite numbers; name"
    ):
        prepare.prepare(pack, "unet")
    save_file({"emb_params": torch.full((2, 16), float("inf"))}, tmp_path / "word.safetensors")
    words = [{"path": str(tmp_path), "file": "word.safetensors"}]
    pack = public.named(tmp_path / "w", parts, embeddings=words, check=False)
    with pytest.raises(
        RequestError, match=r"word\.safetensors holds weights that are no finite numbers; name"
    ):
        prepare.prepare(pack, "text")


def test_one_word_is_one_inversion(repository, tmp_path):
    folder, _ = repository
    save_file({"emb_params": torch.zeros(2, 16)}, tmp_path / "style7.safetensors")
    named = [
        {"path": str(tmp_path), "file": "style7.safetensors", "token": token} for token in ("Fog", "fog")
    ]
    pack = public.named(tmp_path / "pack", public.image_parts(folder), embeddings=named, check=False)
    with pytest.raises(RequestError, match="another one has already"):
        Words.of(pack)


def test_a_pack_that_reads_a_list_of_words_takes_none(tiny_pack, tmp_path):
    save_file({"emb_params": torch.zeros(2, 16)}, tmp_path / "x.safetensors")
    one = Embedding(file="x.safetensors", path=str(tmp_path))
    every = replace(tiny_pack.manifest.elsewhere, embeddings=(one,))
    pack = replace(tiny_pack, manifest=replace(tiny_pack.manifest, elsewhere=every))
    with pytest.raises(RequestError, match="words of its own list, and takes no textual inversion"):
        Words.of(pack)
