"""Single files of the original layouts are the models that diffusers makes of them."""

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file

from tests.packs.named import original, public
from vldm_cli.errors import RequestError
from vldm_cli.packs import load
from vldm_cli.packs.named import layouts
from vldm_cli.packs.sources import Piece


def checkpoint(kind):
    """Everything that a full checkpoint holds, with what its training left in it."""
    unet, vae = public.unet(kind), public.vae()
    text = public.text(kind, layers=2)
    encoder = original.clip(text) if kind == "sd15" else original.open_clip(text)
    state = {**original.unet(unet), **original.vae(vae), **encoder}
    left = {f"model_ema.{n.replace('.', '')}": t.clone() for n, t in original.unet(unet).items()}
    state |= {**left, "betas": torch.zeros(4), "model_ema.decay": torch.tensor(0.9)}
    return state, {"unet": unet, "vae": vae, "text": text}


@pytest.fixture(scope="module", params=["sd15", "sd21"])
def single(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    state, models = checkpoint(request.param)
    save_file(
        {k: t.half() if t.is_floating_point() else t for k, t in state.items()}, folder / "sd.safetensors"
    )
    for name, model in models.items():
        model.half().save_pretrained(folder / name)
    return folder, models


def parts(folder, **more):
    origin = {"path": str(folder), "file": "sd.safetensors", "layout": "original", **more}
    return {name: {**origin, "config_file": f"{name}/config.json"} for name in ("unet", "vae", "text")}


def test_it_is_what_went_in(single, tmp_path, caplog):
    folder, models = single
    public.tokenizer(tmp_path / "tokenizer")
    tokenizer = {"tokenizer": {"path": str(tmp_path / "tokenizer"), "file": "vocab.json"}}
    pack = public.named(tmp_path, {**parts(folder), **tokenizer})
    public.same(load.load_unet(pack, dtype=torch.float16), models["unet"])
    public.same(load.load_vae(pack, dtype=torch.float16), models["vae"])
    public.same(load.load_text(pack, dtype=torch.float16).model, models["text"])
    assert not caplog.records  # nothing of the checkpoint's other copy of its weights


@pytest.mark.parametrize(("part", "kind"), [("unet", UNet2DConditionModel), ("vae", AutoencoderKL)])
def test_it_is_what_diffusers_makes_of_it(single, tmp_path, part, kind):
    folder, _ = single
    theirs = kind.from_single_file(
        str(folder / "sd.safetensors"),
        config=str(folder),
        subfolder=part,
        local_files_only=True,
        torch_dtype=torch.float16,
    )
    pack = public.named(tmp_path, {part: parts(folder)[part]}, check=False)
    public.same(getattr(load, f"load_{part}")(pack, dtype=torch.float16), theirs)


def test_an_autoencoder_alone(tmp_path):
    vae = public.vae()
    state = {
        **original.vae(vae, prefix=""),
        "loss.logvar": torch.zeros(()),
        "model_ema.decay": torch.zeros(()),
    }
    save_file(state, tmp_path / "vae.safetensors")
    vae.save_config(tmp_path)
    origin = {
        "path": str(tmp_path),
        "file": "vae.safetensors",
        "layout": "original",
        "config_file": "config.json",
    }
    public.same(load.load_vae(public.named(tmp_path / "pack", {"vae": origin})), vae)


@pytest.mark.parametrize("convolutions", [False, True])
def test_attention_of_old_autoencoders(tmp_path, convolutions):
    vae = public.vae()
    vae.save_pretrained(tmp_path)
    path = tmp_path / "diffusion_pytorch_model.safetensors"
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = {}
    for name, tensor in load_file(path).items():
        for new, before in old.items():
            if f".{new}." in name and convolutions and tensor.ndim == 2:
                tensor = tensor[:, :, None, None].clone()
            name = name.replace(f".{new}.", f".{before}.")
        state[name] = tensor
    save_file(state, path)
    origin = {"path": str(tmp_path), "file": path.name}
    public.same(load.load_vae(public.named(tmp_path / "pack", {"vae": origin})), vae)


def test_text_encoders_of_older_transformers(tmp_path):
    text = public.text()
    text.save_pretrained(tmp_path)
    public.old_text_names(tmp_path / "model.safetensors")
    public.tokenizer(tmp_path / "tokenizer")
    pack = public.named(
        tmp_path / "pack",
        {
            "text": {"path": str(tmp_path), "file": "model.safetensors"},
            "tokenizer": {"path": str(tmp_path), "file": "tokenizer/vocab.json"},
        },
    )
    public.same(load.load_text(pack).model, text)


def test_a_bundled_configuration_is_used_and_none_is_refused(tmp_path):
    save_file(original.vae(public.vae()), tmp_path / "sd.safetensors")
    origin = {"path": str(tmp_path), "file": "sd.safetensors", "layout": "original"}
    with pytest.raises(RequestError, match=r"sd\.safetensors does not fit \[parts\.vae\]: it has .*shape"):
        load.load_vae(public.named(tmp_path / "a", {"vae": {**origin, "config": "sd15"}}, check=False))
    with pytest.raises(RequestError, match=r"needs the name of a configuration.*use one of modelscope, sd15"):
        load.load_vae(public.named(tmp_path / "b", {"vae": origin}, check=False))
    with pytest.raises(RequestError, match=r"configuration lcm, which is none for it; use one of"):
        load.load_vae(public.named(tmp_path / "c", {"vae": {**origin, "config": "lcm"}}, check=False))
    with pytest.raises(RequestError, match=r"unknown configuration sd16; use one of animatediff"):
        load.load_vae(public.named(tmp_path / "d", {"vae": {**origin, "config": "sd16"}}, check=False))


@pytest.mark.parametrize("part", ["unet", "text", "vae"])
def test_a_checkpoint_without_that_part_is_refused(tmp_path, part):
    save_file({"betas": torch.zeros(3)}, tmp_path / "sd.safetensors")
    origin = {"path": str(tmp_path), "file": "sd.safetensors", "layout": "original", "config": "sd15"}
    pack = public.named(tmp_path / "pack", {part: origin}, check=False)
    with pytest.raises(RequestError, match=r"sd\.safetensors holds no .* in the original layout.*\[parts\."):
        load.prepare(pack, part)


def test_cuts_of_tensors_are_followed_in_shape_and_in_value():
    tensor = torch.arange(24).view(6, 4)
    piece = Piece("x", "F32", (6, 4))[2:4, :][:, 0]
    assert piece.shape == (2,) and piece.ndim == 1
    assert torch.equal(piece.of(tensor), tensor[2:4, 0])
    assert layouts.vae("diffusers", {})({"x": piece}) == {"x": piece}


def test_the_times_four_upscalers_single_file(tmp_path):
    """x4-upscaler-ema.safetensors, with what it keeps of the low-resolution frames' noise."""
    models = {"unet": public.x4_unet(), "vae": public.x4_vae(), "text": public.text("sd21")}
    state = {
        **original.unet(models["unet"]),
        **original.vae(models["vae"]),
        **original.open_clip(models["text"]),
        "low_scale_model.betas": torch.zeros(4),
    }
    save_file(state, tmp_path / "x4.safetensors")
    origin = {"path": str(tmp_path), "file": "x4.safetensors", "layout": "original"}
    parts = {}
    for name, model in models.items():
        model.save_pretrained(tmp_path / name)
        part = "upscaler_frame" if name == "unet" else f"upscaler_frame_{name}"
        parts[part] = {**origin, "config_file": f"{name}/config.json"}
    pack = public.named(tmp_path / "pack", parts, check=False)
    public.same(load.load_upscaler(pack, "frame").unet, models["unet"])
    public.same(load.load_upscaler_vae(pack, "frame"), models["vae"])
    public.same(load.prepare(pack, "upscaler_frame_text").load(), models["text"])


@pytest.mark.parametrize("wrapper", ["state_dict", "controlnet"])
def test_guoywws_own_files(tmp_path, monkeypatch, wrapper):
    """Motion modules and SparseCtrl as published: pickles with the weights below one name and settings beside them."""
    monkeypatch.setenv("VLDM_HOME", str(tmp_path / "home"))
    adapter, network = public.adapter(), public.sparsectrl()
    unet = public.unet()
    unet.save_pretrained(tmp_path / "unet")
    for name, model in (("mm", adapter), ("sparse", network)):
        model.save_config(tmp_path / name)
        state = original.motion_modules({k: t.clone() for k, t in model.state_dict().items()})
        held = {f"module.{k}": t for k, t in state.items()} if name == "sparse" else state
        torch.save(
            {wrapper: held, "animatediff_config": {"use_motion_mid_block": True}}, tmp_path / f"{name}.ckpt"
        )
    path = str(tmp_path)
    keyframes = {"family": "animatediff", "path": path, "file": "mm.ckpt", "config_file": "mm/config.json"}
    context = {
        "family": "sparsectrl",
        "path": path,
        "file": "sparse.ckpt",
        "config_file": "sparse/config.json",
    }
    parts = {
        "unet": {"path": path, "file": "unet/diffusion_pytorch_model.safetensors"},
        "keyframes": keyframes,
        "context": context,
    }
    model = load.load_keyframes(public.named(tmp_path / "pack", parts, check=False))
    ours = model.unet.state_dict()
    for name, tensor in adapter.state_dict().items():
        key = model.family.key(name, model.unet)
        assert key is None or torch.equal(ours[key], tensor), name
    for name, tensor in model.reader.network.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[name]), name
    # positions are no weights, and the same all the same
    positions = {k: t for k, t in network.state_dict().items() if "pos_embed" in k}
    assert positions and all(
        torch.equal(dict(model.reader.network.named_buffers())[k], t) for k, t in positions.items()
    )
