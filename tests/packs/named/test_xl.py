"""Stable Diffusion XL's parts as diffusers loads them: both text encoders, single files, LoRAs, textual inversions."""

import json
import re

import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file

from tests.packs.named import original, public
from vldm_cli.errors import RequestError
from vldm_cli.packs import load, prepare
from vldm_cli.packs.choice import Choice
from vldm_cli.packs.combine import open_choice
from vldm_cli.packs.origins import checkpoint
from vldm_cli.packs.words import Words

PROMPTS = ["a red ball", "", "! ball!"]


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdxl")
    return folder, public.stable_diffusion_xl(folder)


@torch.no_grad()
def test_a_text_is_what_the_pipeline_makes_of_it(repository, tmp_path):
    folder, pipe = repository
    text = load.load_text(public.named(tmp_path, public.xl_parts(folder)))
    for prompt in PROMPTS:
        # where nothing is said the pipeline itself takes zeros, if it is told of no negative prompt
        theirs_BLD, zeros_BLD, pooled_BP, _ = pipe.encode_prompt(prompt or "x", negative_prompt=None)
        ours_BLD = text.encode([prompt])
        wide = theirs_BLD.shape[-1]
        if not prompt:
            assert not ours_BLD.any() and not zeros_BLD.any()
            continue
        torch.testing.assert_close(ours_BLD[..., :wide], theirs_BLD, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(ours_BLD[:, 0, wide:], pooled_BP, rtol=1e-5, atol=1e-6)


def single(folder, pipe, dtype=torch.float16):
    """Its checkpoint in one file, as Stability's."""
    state = {
        **original.unet(pipe.unet),
        **original.vae(pipe.vae),
        **original.clip(pipe.text_encoder, "conditioner.embedders.0."),
        **original.open_clip_two(pipe.text_encoder_2),
    }
    held = {k: t.to(dtype) if t.is_floating_point() else t for k, t in state.items()}
    save_file({k: t.contiguous() for k, t in held.items()}, folder / "sdxl.safetensors")


def test_a_checkpoint_in_one_file_is_what_went_in(repository, tmp_path):
    folder, pipe = repository
    single(tmp_path, pipe, torch.float32)
    origin = {"path": str(tmp_path), "file": "sdxl.safetensors", "layout": "original"}
    parts = public.xl_parts(folder)
    for part, below in (
        ("unet", "unet"),
        ("vae", "vae"),
        ("text", "text_encoder"),
        ("text_2", "text_encoder_2"),
    ):
        (tmp_path / f"{part}.json").write_text((folder / below / "config.json").read_text())
        parts[part] = {**origin, "config_file": f"{part}.json"}
    pack = public.named(tmp_path / "pack", parts)
    public.same(load.load_unet(pack), pipe.unet)
    public.same(load.load_vae(pack), pipe.vae)
    text = load.load_text(pack)
    public.same(text.model, pipe.text_encoder)
    public.same(text.second.model, pipe.text_encoder_2)
    for part, kind in (("unet", UNet2DConditionModel), ("vae", AutoencoderKL)):
        theirs = kind.from_single_file(
            str(tmp_path / "sdxl.safetensors"),
            config=str(folder),
            subfolder=part,
            local_files_only=True,
        )
        public.same(getattr(load, f"load_{part}")(pack), theirs)


def test_it_is_told_by_its_shapes(tmp_path):
    state = {
        "model.diffusion_model.input_blocks.0.0.weight": torch.zeros(320, 4, 3, 3),
        "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": torch.zeros(
            640, 2048
        ),
        "first_stage_model.decoder.conv_in.weight": torch.zeros(512, 4, 3, 3),
        "conditioner.embedders.1.model.ln_final.weight": torch.zeros(1),
    }
    save_file(state, tmp_path / "my-xl.safetensors")
    manifest = checkpoint.read_checkpoint(tmp_path / "my-xl.safetensors")
    parts = manifest.elsewhere.parts
    assert {parts[name].config for name in ("unet", "vae", "text", "text_2", "schedule")} == {"sdxl"}
    assert (parts["tokenizer"].config, parts["tokenizer_2"].config) == ("clip-sd15", "clip-sd21")
    assert (manifest.video.width, manifest.video.height) == (1024, 1024)
    refiner = {name: t for name, t in state.items() if not name.startswith("conditioner")}
    refiner["model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"] = torch.zeros(
        1, 1280
    )
    refiner["conditioner.embedders.0.model.ln_final.weight"] = torch.zeros(1)
    save_file(refiner, tmp_path / "refiner.safetensors")
    with pytest.raises(RequestError, match="refiner"):
        checkpoint.read_checkpoint(tmp_path / "refiner.safetensors")


ENDS = ("to_q", "to_out.0", "proj_in", "ff.net.0.proj", "conv1", "time_emb_proj", "conv_shortcut")
TEXT_ENDS = ("q_proj", "fc1", "text_projection")
SPELT = {  # layout → (names of the parts, of the halves)
    "kohya": (("lora_unet_", "lora_te1_text_model_", "lora_te2_"), ("lora_down", "lora_up")),
    "diffusers": (("unet.", "text_encoder.text_model.", "text_encoder_2."), ("lora_A", "lora_B")),
    "peft": (
        (
            "base_model.model.unet.",
            "base_model.model.text_encoder.text_model.",
            "base_model.model.text_encoder_2.",
        ),
        ("lora_A", "lora_B"),
    ),
}


def lora(pipe, layout):
    """A file of the usual layers of all three models, and what they become, by model."""
    g = torch.Generator().manual_seed(3)
    (prefixes, (down_, up_)), tensors, wanted = SPELT[layout], {}, []
    for prefix, model in zip(prefixes, (pipe.unet, pipe.text_encoder, pipe.text_encoder_2), strict=True):
        became, own = {}, {}
        if model is pipe.unet and layout == "kohya":  # which goes by the original code's names
            own = {name: theirs for theirs, name in sgm(pipe.unet).items()}
        for name, module in model.named_modules():
            if name.endswith(ENDS if model is pipe.unet else TEXT_ENDS):
                weight = module.weight.detach()
                down = 0.1 * torch.randn(4, *weight.shape[1:], generator=g)
                up = torch.randn(weight.shape[0], 4, *[1] * (weight.ndim - 2), generator=g)
                base = prefix + own.get(name, name)
                base = base.replace(".", "_") if layout == "kohya" else base
                tensors |= {f"{base}.{down_}.weight": down, f"{base}.{up_}.weight": up}
                if layout == "kohya":
                    tensors[f"{base}.alpha"] = torch.tensor(2.0)
                scale = 0.8 * (0.5 if layout == "kohya" else 1)
                became[f"{name}.weight"] = weight + scale * (up.flatten(1) @ down.flatten(1)).view(
                    weight.shape
                )
        wanted.append(became)
    return tensors, wanted


def sgm(unet):
    """Modules of a UNet by the original code's names, by way of the tests' own table of these."""
    marked = {name: torch.tensor([i]) for i, name in enumerate(unet.state_dict())}

    class Named:
        up_blocks = unet.up_blocks

        @staticmethod
        def state_dict():
            return marked

    names = list(marked)
    prefix = "model.diffusion_model."
    return {
        theirs.removeprefix(prefix).rpartition(".")[0]: names[int(i)].rpartition(".")[0]
        for theirs, i in original.unet(Named).items()
    }


@pytest.mark.parametrize("layout", list(SPELT))
def test_a_lora_reaches_all_three_models(repository, tmp_path, layout):
    folder, pipe = repository
    tensors, wanted = lora(pipe, layout)
    save_file(tensors, tmp_path / "x.safetensors")
    more = [{"path": str(tmp_path), "file": "x.safetensors", "strength": 0.8}]
    pack = public.named(tmp_path / "pack", public.xl_parts(folder), loras=more)
    text = load.load_text(pack)
    for ours, theirs, became in zip(
        (load.load_unet(pack), text.model, text.second.model),
        (pipe.unet, pipe.text_encoder, pipe.text_encoder_2),
        wanted,
        strict=True,
    ):
        state = ours.state_dict()
        assert len(became) > 3
        for name, tensor in theirs.state_dict().items():
            torch.testing.assert_close(state[name], became.get(name, tensor), rtol=1e-5, atol=1e-5)


def test_kohyas_names_are_those_that_diffusers_takes_them_for(repository, tmp_path):
    _, pipe = repository
    tensors, (became, _, _) = lora(pipe, "kohya")
    tensors = {k: t for k, t in tensors.items() if k.startswith("lora_unet_") and "alpha" not in k}
    theirs = StableDiffusionXLPipeline.lora_state_dict(dict(tensors), unet_config=pipe.unet.config)[0]
    names = {re.split("[._]lora[._]", k.removeprefix("unet."))[0].replace(".processor", "") for k in theirs}
    # older names of theirs leave out a layer of its only one
    spelt = {n.removesuffix(".weight").replace(".to_out.0", ".to_out") for n in became}
    assert spelt == {n.replace(".to_out.0", ".to_out") for n in names}


def test_a_lora_for_it_is_refused_by_other_models(repository, tmp_path):
    _, pipe = repository
    tensors, _ = lora(pipe, "kohya")
    save_file({k: t for k, t in tensors.items() if "lora_te2_" in k}, tmp_path / "x.safetensors")
    public.stable_diffusion(tmp_path / "sd")
    more = [{"path": str(tmp_path), "file": "x.safetensors"}]
    pack = public.named(tmp_path / "pack", public.image_parts(tmp_path / "sd"), loras=more)
    for part in ("unet", "text"):
        with pytest.raises(
            RequestError, match=r"x\.safetensors is for Stable Diffusion XL, which has two text"
        ):
            prepare.prepare(pack, part)


def inversion(path, pipe, vectors=2, **more):
    g = torch.Generator().manual_seed(5)
    widths = {"clip_l": pipe.text_encoder, "clip_g": pipe.text_encoder_2}
    tensors = {name: torch.randn(vectors, m.config.hidden_size, generator=g) for name, m in widths.items()}
    save_file({**tensors, **more}, path)
    return tensors


@torch.no_grad()
def test_a_textual_inversion_has_vectors_for_both_text_encoders(repository, tmp_path):
    folder, pipe = repository
    path = tmp_path / "corgi.safetensors"
    tensors = inversion(path, pipe)
    one = {"path": str(tmp_path), "file": path.name}
    pack = public.named(tmp_path / "pack", public.xl_parts(folder), embeddings=[one])
    text = load.load_text(pack)
    plain = load.load_text(public.named(tmp_path / "plain", public.xl_parts(folder)))
    known = len(public.VOCABULARY)
    for encoder, name in ((text, "clip_l"), (text.second, "clip_g")):
        ids = encoder.words.ids("a corgi ball")
        assert ids[2:4] == [known, known + 1]
        rows = encoder.model.get_input_embeddings().weight
        assert torch.equal(rows[known:], tensors[name])
    ours = text.encode(["a corgi ball"])
    assert not torch.allclose(ours, plain.encode(["a corgi ball"]))
    # the text as one vector is that of its end, not of the word that came in last
    states = text.second.called(["a corgi ball"])
    at = text.second.words.ids("a corgi ball").index(known - 1)
    pooled = text.second.model.text_projection(states.last_hidden_state[:, at])
    torch.testing.assert_close(ours[:, 0, -public.XL_POOLED :], pooled)


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"clip_l": torch.zeros(1, 16)}, r"is for one text encoder, and Stable Diffusion XL has two"),
        ({"clip_l": torch.zeros(1, 16), "clip_g": torch.zeros(2, 8)}, r"has more vectors for one"),
        ({"clip_l": torch.zeros(1, 16), "clip_g": torch.zeros(1, 9)}, r"has vectors of 9 numbers.*have 8"),
        (
            {"clip_l": torch.zeros(1, 16), "other": torch.zeros(1, 8)},
            r"holds clip_l, other, and not the vectors",
        ),
    ],
)
def test_textual_inversions_that_do_not_go(repository, tmp_path, tensors, words):
    folder, _ = repository
    save_file(tensors, tmp_path / "corgi.safetensors")
    one = {"path": str(tmp_path), "file": "corgi.safetensors"}
    pack = public.named(tmp_path / "pack", public.xl_parts(folder), embeddings=[one])
    with pytest.raises(RequestError, match=words):
        load.load_text(pack)


def test_a_textual_inversion_for_it_is_refused_by_other_models(repository, tmp_path):
    _, pipe = repository
    inversion(tmp_path / "corgi.safetensors", pipe)
    public.stable_diffusion(tmp_path / "sd")
    one = {"path": str(tmp_path), "file": "corgi.safetensors"}
    pack = public.named(tmp_path / "pack", public.image_parts(tmp_path / "sd"), embeddings=[one])
    with pytest.raises(RequestError, match=r"corgi\.safetensors is for Stable Diffusion XL"):
        Words.of(pack)


def found(pack):
    """The one sentence that such a pack is refused with."""
    with pytest.raises(RequestError) as error:
        prepare.prepare(pack, "unet")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_parts_that_do_not_go_together(repository, tmp_path):
    folder, _ = repository
    parts = public.xl_parts(folder)
    alone = {name: part for name, part in parts.items() if not name.endswith("_2")}
    assert "hears two text encoders" in found(public.named(tmp_path / "a", alone))
    public.stable_diffusion(tmp_path / "sd")
    other = {**parts, **{name: public.image_parts(tmp_path / "sd")[name] for name in ("unet", "vae")}}
    assert "is of Stable Diffusion XL" in found(public.named(tmp_path / "b", other))
    twice = {**parts, "text": {**parts["text_2"]}}
    assert "with text it is 16 wide, and not 24" in found(public.named(tmp_path / "c", twice))
    others = public.image_parts(tmp_path / "sd")["vae"]
    pack = public.named(tmp_path / "e", {**parts, "vae": others})
    assert "latents are scaled by 0.18215, and not by 0.13025" in found(pack)
    pack = public.named(tmp_path / "f", {**public.image_parts(tmp_path / "sd"), "vae": parts["vae"]})
    assert "latents are scaled by 0.13025, and not by 0.18215" in found(pack)
    (tmp_path / "unet").mkdir()
    state = load_file(folder / "unet/diffusion_pytorch_model.safetensors")
    state["add_embedding.linear_1.weight"] = torch.zeros(128, 60)
    save_file(state, tmp_path / "unet/diffusion_pytorch_model.safetensors")
    config = json.loads((folder / "unet/config.json").read_text())
    config["projection_class_embeddings_input_dim"] = 60
    (tmp_path / "unet/config.json").write_text(json.dumps(config))
    narrow = {**parts, "unet": {"path": str(tmp_path), "file": "unet/diffusion_pytorch_model.safetensors"}}
    assert "as one vector is 16 wide, and not 12" in found(public.named(tmp_path / "d", narrow))


@pytest.mark.parametrize("name", ["sdxl_vae", "sdxl.vae", "sdxl-vae-fp16-fix"])
def test_another_autoencoder_for_it(repository, tmp_path, name):
    folder, _ = repository
    public.stable_diffusion(tmp_path / "sd")
    (tmp_path / "sdxl" / "unet").mkdir(parents=True)
    save_file(original.vae(public.vae(), ""), tmp_path / f"{name}.safetensors")
    index = {"_class_name": "StableDiffusionXLPipeline"}
    (folder / "model_index.json").write_text(json.dumps(index))
    chosen = open_choice(Choice(str(folder), vae=str(tmp_path / f"{name}.safetensors")), check=False)
    assert chosen.named["vae"].config == ("sdxl" if name == "sdxl_vae" else "sdxl-fp16-fix")
    with pytest.raises(RequestError, match=r"another latent space.*not 4 by 0.13025.*Stable Diffusion XL"):
        open_choice(Choice(str(folder), vae=str(tmp_path / "sd" / "vae")))
    (tmp_path / "sd" / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    with pytest.raises(RequestError, match=r"another latent space.*not 4 by 0.18215"):
        open_choice(Choice(str(tmp_path / "sd"), vae=str(folder / "vae")))
