"""Folders in diffusers' layout opened as packs."""

import json
import shutil

import pytest

from tests import public
from vldm_cli.errors import RequestError
from vldm_cli.packs.origins.listing import Folder
from vldm_cli.packs.origins.motion import motion
from vldm_cli.packs.origins.repository import read_part
from vldm_cli.packs.pack import Pack


@pytest.fixture(scope="module")
def sd(tmp_path_factory):
    return public.sd_folder(tmp_path_factory.mktemp("public") / "sd")


@pytest.fixture(scope="module")
def svd(tmp_path_factory):
    return public.svd_folder(tmp_path_factory.mktemp("public") / "svd")


def test_stable_diffusion_has_the_parts_of_an_image_model(sd):
    pack = Pack.open(sd)
    assert {"unet", "vae", "text", "tokenizer", "schedule"} <= set(pack.named)
    assert not pack.has("keyframes") and pack.problems() == []
    # half the bytes first
    assert pack.located("unet") == sd.resolve() / "unet/diffusion_pytorch_model.fp16.safetensors"
    assert pack.manifest.video.latent_factor == 8 and len(pack.manifest.hash) == 64
    assert pack.name == sd.name


def test_the_hash_is_of_the_contents_wherever_they_lie(sd, tmp_path):
    moved = shutil.copytree(sd, tmp_path / "moved")
    before = Pack.open(sd).manifest.hash
    assert Pack.open(moved).manifest.hash == before
    config = moved / "unet/config.json"
    config.write_text(config.read_text().replace('"norm_eps": 1e-05', '"norm_eps": 2e-05'))
    assert Pack.open(moved).manifest.hash != before


def test_what_else_lies_in_the_folder_is_no_part(sd, tmp_path):
    folder = shutil.copytree(sd, tmp_path / "sd")
    (folder / "temporal").mkdir()
    (folder / "temporal/keyframes.safetensors").write_bytes(b"somebody else's")
    assert not Pack.open(folder).has("keyframes")


def test_animatediff_names_its_modules(sd, tmp_path):
    folder = shutil.copytree(sd, tmp_path / "ad")
    public.adapter_folder(folder / "motion_adapter")
    table = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**table, "_class_name": "AnimateDiffPipeline"}))
    pack = Pack.open(folder)
    assert pack.named["keyframes"].family == "animatediff"
    assert pack.located("keyframes").parent.name == "motion_adapter"


def test_stable_video_diffusion(svd):
    pack = Pack.open(svd)
    assert pack.named["keyframes"].family == "svd" and pack.named["decoder"].family == "svd-decoder"
    assert pack.named["context"].family == "first-frame" and pack.has("eyes") and not pack.has("text")
    assert pack.manifest.video.window == 25 and pack.manifest.defaults.scheduler == "euler"


@pytest.mark.parametrize(
    ("name", "rate"), [("stable-video-diffusion-img2vid-xt", 7), ("stable-video-diffusion-img2vid-xt-1-1", 6)]
)
def test_the_rate_that_stable_video_diffusion_is_told(svd, tmp_path, name, rate):
    """1.1 was tuned for 6 frames a second, those before it for 7 among others."""
    manifest = Pack.open(shutil.copytree(svd, tmp_path / name)).manifest
    assert manifest.elsewhere.parts["context"].fps == rate
    assert manifest.video.fps / manifest.video.keyframe_step == rate


def test_stable_diffusion_xl_and_motion_for_it(tmp_path):
    pack = Pack.open(public.sdxl_folder(tmp_path / "xl"))
    assert {"text", "text_2", "tokenizer", "tokenizer_2", "unet", "vae"} <= set(pack.named)
    assert pack.manifest.defaults.scheduler == "euler" and not pack.upscales
    adapter = public.adapter_folder(tmp_path / "motion", None, public.XL_CHANNELS)
    moving = motion(str(adapter))
    assert moving.defaults.keyframe_steps == 50 and moving.parts["keyframes"].family == "animatediff"
    other = motion(str(public.adapter_folder(tmp_path / "other")))
    assert other.defaults.keyframe_steps == 25
    part = read_part(Folder(adapter, "someone/beta"))
    assert part.defaults.keyframe_steps == 50 and set(part.elsewhere.parts) == {"keyframes", "schedule"}


def test_modelscope_and_the_upscaler(tmp_path):
    pack = Pack.open(public.modelscope_folder(tmp_path / "ms"))
    assert pack.named["keyframes"].family == "modelscope" and pack.manifest.video.width == 256
    pack = Pack.open(public.x4_folder(tmp_path / "x4"))
    assert pack.manifest.defaults.upscale_space == "frame" and not pack.has("unet")
    assert pack.named["upscaler_frame_low_schedule"].config_file == "low_res_scheduler/scheduler_config.json"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "model_index.json").unlink(), r"neither a pack\.toml nor a model_index\.json"),
        (lambda f: (f / "model_index.json").write_text("{"), r"model_index\.json is no JSON"),
        (
            lambda f: (f / "model_index.json").write_text('{"_class_name": ["StableDiffusionPipeline"]}'),
            "of no kind that it names",
        ),
        (
            lambda f: (f / "model_index.json").write_text('{"_class_name": "StableDiffusion3Pipeline"}'),
            "is a StableDiffusion3Pipeline, and vldm makes videos with",
        ),
        (lambda f: (f / "model_index.json").write_text("[]"), "of no kind that it names"),
        (lambda f: (f / "unet/config.json").unlink(), r"no unet/config\.json"),
        (
            lambda f: (f / "unet/diffusion_pytorch_model.fp16.safetensors").unlink(),
            r"no unet/diffusion_pytorch_model\.safetensors",
        ),
        (lambda f: (f / "tokenizer/vocab.json").unlink(), r"no tokenizer/vocab\.json"),
        (lambda f: (f / "tokenizer/merges.txt").unlink(), r"merges\.txt is missing"),
        (lambda f: (f / "scheduler/scheduler_config.json").unlink(), r"no scheduler/scheduler_config\.json"),
        (
            lambda f: (f / "vae/config.json").write_text('{"_class_name": "VQModel"}'),
            "a VQModel in vae, where vldm needs a AutoencoderKL",
        ),
    ],
)
def test_a_folder_that_is_none_is_refused_in_a_sentence(sd, tmp_path, spoil, words):
    folder = shutil.copytree(sd, tmp_path / "sd")
    spoil(folder)
    with pytest.raises(RequestError, match=words) as error:
        Pack.open(folder)
    assert "\n" not in str(error.value)


def test_one_part_of_a_model_is_told_where_it_goes(tmp_path, sd):
    with pytest.raises(RequestError, match="MotionAdapter; name it with --motion"):
        Pack.open(public.adapter_folder(tmp_path / "adapter"))
    with pytest.raises(RequestError, match="AutoencoderKL; name it with --vae"):
        Pack.open(sd / "vae")


def test_what_diffusers_saves_of_animatediff(sd, tmp_path):
    """The image model with the modules in it, and the modules once more: the former is what it was without them."""
    import torch
    from diffusers import AnimateDiffPipeline, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTokenizer

    from vldm_cli.packs.load import load_unet
    from vldm_cli.packs.prepare import misfits

    pipe = AnimateDiffPipeline(
        vae=public.vae(),
        text_encoder=public.text(),
        tokenizer=CLIPTokenizer.from_pretrained(str(sd / "tokenizer")),
        unet=UNet2DConditionModel.from_pretrained(sd / "unet", variant="fp16"),
        motion_adapter=public.adapter(),
        scheduler=DDIMScheduler(beta_schedule="linear", steps_offset=1, clip_sample=False),
    )
    pipe.save_pretrained(tmp_path / "saved")
    pack = Pack.open(tmp_path / "saved")
    assert list(misfits(pack)) == []
    own, saved = load_unet(Pack.open(sd)).state_dict(), load_unet(pack).state_dict()
    assert own.keys() == saved.keys() and all(torch.equal(own[name], saved[name]) for name in own)
    heads = load_unet(pack).down_blocks[0].attentions[0].transformer_blocks[0].attn1.heads
    assert heads == load_unet(Pack.open(sd)).down_blocks[0].attentions[0].transformer_blocks[0].attn1.heads
