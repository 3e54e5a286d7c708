"""Parts in diffusers' layout that lie elsewhere are those that diffusers loads."""

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from tests.align.shapes import randomise
from tests.packs.named import public
from vldm_cli.align import VideoUNet, align
from vldm_cli.align.foreign import ForeignDecoder, ForeignUNet
from vldm_cli.align.readers import FirstFrame, NoContext, SparseCtrl
from vldm_cli.errors import RequestError
from vldm_cli.packs import load, prepare
from vldm_cli.packs.models import prepare_eyes
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.save import save_part


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sd15")
    return folder, public.stable_diffusion(folder)


def load_eyes(pack, device="cpu", dtype=torch.float32):
    return load.loaded(prepare_eyes(pack), device, dtype)


@torch.no_grad()
def test_a_repository_of_diffusers(repository, tmp_path):
    folder, pipe = repository
    pack = public.named(tmp_path, public.image_parts(folder))
    public.same(load.load_unet(pack), pipe.unet)
    public.same(load.load_vae(pack), pipe.vae)
    text = load.load_text(pack)
    wanted = pipe.encode_prompt("a red ball", "cpu", 1, False)[0]
    assert torch.equal(text.encode(["a red ball"])[..., : wanted.shape[-1]], wanted)
    assert load.scheduler_config(pack)["beta_schedule"] == "scaled_linear"
    assert prepare.latent_channels(pack) == 4


@torch.no_grad()
def test_animatediff_with_sparsectrl_and_the_temporal_decoder(repository, tmp_path):
    folder, _ = repository
    adapter, network, decoder = public.adapter(), public.sparsectrl(), public.temporal_vae()
    for name, model in (("adapter", adapter), ("sparse", network), ("svd", decoder)):
        model.save_pretrained(tmp_path / name)
    file = "diffusion_pytorch_model.safetensors"
    pack = public.named(
        tmp_path / "pack",
        {
            **{k: v for k, v in public.image_parts(folder).items() if k != "schedule"},
            "keyframes": {"family": "animatediff", "path": str(tmp_path / "adapter"), "file": file},
            "context": {"family": "sparsectrl", "path": str(tmp_path / "sparse"), "file": file, "scale": 0.5},
            "decoder": {"family": "svd-decoder", "path": str(tmp_path / "svd"), "file": file},
        },
    )
    model = load.load_keyframes(pack, dtype=torch.float16)
    assert isinstance(model, ForeignUNet) and isinstance(model.reader, SparseCtrl) and model.reads_context
    assert model.reader.scale == 0.5 and {p.dtype for p in model.parameters()} == {torch.float16}
    theirs = {k: t for k, t in network.state_dict().items() if "pos_embed" not in k}
    public.same_tensors(model.reader.network.state_dict(), {k: t.half() for k, t in theirs.items()})
    assert prepare.weights_of(pack, "interpolation") == "keyframes"
    assert isinstance(load.load_decoder(pack), ForeignDecoder)
    assert load.scheduler_config(pack)["beta_schedule"] == "linear"


def everywhere(model):
    """(devices, types) of all that a model is made of, numbers of places aside."""
    tensors = [*model.parameters(), *model.buffers()]
    return {t.device.type for t in tensors}, {t.dtype for t in tensors if t.is_floating_point()}


def test_all_of_a_model_is_where_it_is_wanted(repository, tmp_path):
    """Positions too, which no file holds; "meta" is a device like others."""
    folder, _ = repository
    for name, model in (("mm", public.adapter()), ("sparse", public.sparsectrl()), ("eyes", public.eyes())):
        model.save_pretrained(tmp_path / name)
    file = "diffusion_pytorch_model.safetensors"
    pack = public.named(
        tmp_path / "pack",
        {
            **public.image_parts(folder),
            "keyframes": {"family": "animatediff", "path": str(tmp_path / "mm"), "file": file},
            "context": {"family": "sparsectrl", "path": str(tmp_path / "sparse"), "file": file},
            "eyes": {"path": str(tmp_path / "eyes"), "file": "model.safetensors"},
        },
    )
    for make in (load.load_keyframes, load.load_decoder, load_eyes, load.load_unet):
        assert everywhere(make(pack, "meta", torch.float16)) == ({"meta"}, {torch.float16}), make
    assert everywhere(load.load_text(pack, "meta", torch.bfloat16).model) == ({"meta"}, {torch.bfloat16})


def test_svd(tmp_path):
    unet, decoder, eyes = public.svd_unet(), public.temporal_vae(), public.eyes()
    for name, model in (("unet", unet), ("vae", decoder), ("image_encoder", eyes)):
        model.save_pretrained(tmp_path / name, variant="fp16")
    file, path = "diffusion_pytorch_model.fp16.safetensors", str(tmp_path)
    pack = public.named(
        tmp_path / "pack",
        {
            "keyframes": {"family": "svd", "path": path, "file": f"unet/{file}"},
            "context": {"family": "first-frame", "fps": 6, "noise": 0.0},
            "decoder": {"family": "svd-decoder", "path": path, "file": f"vae/{file}"},
            "eyes": {"path": path, "file": "image_encoder/model.fp16.safetensors"},
        },
    )
    model = load.load_keyframes(pack)
    assert isinstance(model.reader, FirstFrame) and (model.reader.fps, model.reader.noise) == (6, 0.0)
    public.same(load_eyes(pack), eyes)
    assert load.scheduler_config(pack)["use_karras_sigmas"]
    assert prepare.latent_channels(pack) == 4


def test_modelscope(tmp_path):
    unet = public.modelscope_unet()
    unet.save_pretrained(tmp_path / "unet")
    file = "unet/diffusion_pytorch_model.safetensors"
    pack = public.named(
        tmp_path / "pack", {"keyframes": {"family": "modelscope", "path": str(tmp_path), "file": file}}
    )
    assert isinstance(load.load_keyframes(pack).reader, NoContext)


def times_four(folder):
    """Stable Diffusion's ×4 upscaler as its repository has it, and what a manifest says of it."""
    unet, vae, text = public.x4_unet(), public.x4_vae(), public.text("sd21")
    for name, model in (("unet", unet), ("vae", vae), ("text_encoder", text)):
        model.save_pretrained(folder / name)
    public.tokenizer(folder / "tokenizer", "!")
    DDIMScheduler(beta_schedule="scaled_linear", prediction_type="v_prediction").save_pretrained(
        folder / "scheduler"
    )
    DDPMScheduler(beta_schedule="scaled_linear").save_pretrained(folder / "low_res_scheduler")
    path, file = str(folder), "diffusion_pytorch_model.safetensors"
    parts = {
        "upscaler_frame": {"path": path, "file": f"unet/{file}"},
        "upscaler_frame_vae": {"path": path, "file": f"vae/{file}"},
        "upscaler_frame_text": {"path": path, "file": "text_encoder/model.safetensors"},
        "upscaler_frame_tokenizer": {"path": path, "file": "tokenizer/vocab.json"},
        "upscaler_frame_schedule": {"path": path, "config_file": "scheduler/scheduler_config.json"},
        "upscaler_frame_low_schedule": {"path": path, "file": "low_res_scheduler/scheduler_config.json"},
    }
    return parts, {"unet": unet, "vae": vae, "text": text}


@torch.no_grad()
def test_the_times_four_upscaler(tmp_path):
    parts, models = times_four(tmp_path)
    pack = public.named(tmp_path / "pack", parts)
    assert pack.upscalers == ("frame",) and not list(prepare.misfits(pack))
    model = load.load_upscaler(pack, "frame", dtype=torch.float16)
    public.same(model.unet, models["unet"].half())
    assert model.sizes["compensated"] and not model.temporal_state_dict()
    space = load.load_space(pack, "frame", dtype=torch.float16)
    public.same(space.vae, models["vae"])
    assert space.vae.dtype == torch.float32 and space.channels == 4 and space.scale == 4
    assert load.upscaler_scheduler_config(pack, "frame")["prediction_type"] == "v_prediction"
    text = load.load_upscaler_text(pack)
    public.same(text.model, models["text"])
    assert text.words.ids("red")[-1] == public.VOCABULARY.index("!")
    z, low = torch.randn(1, 2, 4, 8, 8).half(), torch.randn(1, 2, 3, 8, 8).half()
    told = torch.tensor([20])
    ours = model(z, 500, text.encode(["red"]).half(), extra_BTCHW=low, class_labels=told)
    words = text.encode(["red"]).half()[..., : public.WIDTH["sd21"]]
    for t in range(2):
        theirs = models["unet"](torch.cat([z[:, t], low[:, t]], 1), 500, words, class_labels=told).sample
        torch.testing.assert_close(ours[:, t], theirs, rtol=1e-2, atol=1e-2)


def test_another_packs_upscaler(repository, tmp_path):
    toyland = Pack.open(check=False)
    pack = public.named(tmp_path, {**public.image_parts(repository[0]), "upscaler": {"pack": "toyland"}})
    assert pack.upscalers == toyland.upscalers
    public.same(load.load_upscaler(pack, "pixel"), load.load_upscaler(toyland, "pixel"))
    public.same(load.load_upscaler_vae(pack), load.load_upscaler_vae(toyland))
    assert load.upscaler_scheduler_config(pack) == load.upscaler_scheduler_config(toyland)


@torch.no_grad()
def test_single_frames_are_decoded_where_nothing_else_is_named(repository, tmp_path):
    folder, pipe = repository
    decoder = load.load_decoder(public.named(tmp_path, public.image_parts(folder)))
    z = torch.randn(1, 3, 4, 4, 6)
    x = decoder(z)
    assert x.shape == (1, 3, 3, 32, 48)
    for t in range(3):
        wanted = pipe.vae.decode(z[:, t] / pipe.vae.config.scaling_factor).sample
        torch.testing.assert_close(x[:, t], wanted, rtol=1e-4, atol=1e-4)


def test_vldms_own_layers_over_an_image_model_that_lies_elsewhere(repository, tmp_path):
    """Trained on another one of its shape: the pack has them, and names the rest."""
    folder, pipe = repository
    video, decoder = align(public.unet(), context_dim=8, embed_dim=16), align(public.vae())
    randomise(video)
    pack = public.named(tmp_path, public.image_parts(folder))
    for part, model in (("keyframes", video), ("interpolation", video), ("decoder", decoder)):
        save_part(pack.folder, part, model, torch.float32)
    pack = Pack.open(pack.folder)
    assert pack.named and pack.has("keyframes") and not list(prepare.misfits(pack))
    loaded = load.load_keyframes(pack)
    assert isinstance(loaded, VideoUNet)
    public.same(loaded, video)
    assert prepare.weights_of(pack, "interpolation") == "interpolation"
    public.same(load.load_decoder(pack), decoder)
    public.same(load.load_bare(pack, "keyframes"), pipe.unet)


def test_what_reads_no_context_interpolates_nothing(repository, tmp_path):
    public.adapter().save_pretrained(tmp_path / "mm")
    keyframes = {
        "family": "animatediff",
        "path": str(tmp_path / "mm"),
        "file": "diffusion_pytorch_model.safetensors",
    }
    pack = public.named(tmp_path / "p", {**public.image_parts(repository[0]), "keyframes": keyframes})
    with pytest.raises(RequestError, match=r'fills in nothing between known frames.*between = "motion"'):
        load.load_interpolation(pack)


@pytest.mark.parametrize(
    ("part", "model", "words"),
    [
        ("upscaler_frame_text", lambda: public.text("sd15"), "it is 16 wide, and not 24"),
        ("upscaler_frame_vae", lambda: public.vae(latent_channels=8), "8 latent channels and 3 of a picture"),
    ],
)
def test_an_upscaler_of_two_kinds_is_refused(tmp_path, part, model, words):
    parts, _ = times_four(tmp_path)
    model().save_pretrained(tmp_path / "other")
    file = "model.safetensors" if part.endswith("text") else "diffusion_pytorch_model.safetensors"
    parts[part] = {"path": str(tmp_path / "other"), "file": file}
    pack = public.named(tmp_path / "pack", parts, check=False)
    with pytest.raises(RequestError, match=f"{part} .* does not go with upscaler_frame .*{words}"):
        prepare.prepare(pack, "upscaler_frame_temporal")
