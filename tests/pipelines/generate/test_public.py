"""Packs of public checkpoints, small and random, through the whole chain to files."""

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    AnimateDiffPipeline,
    DDIMScheduler,
    MotionAdapter,
    StableDiffusionPipeline,
    StableVideoDiffusionPipeline,
    UNet2DConditionModel,
)
from diffusers.models.controlnets.controlnet_sparsectrl import SparseControlNetModel
from diffusers.pipelines.stable_video_diffusion import pipeline_stable_video_diffusion as svd_pipeline
from PIL import Image
from transformers import CLIPImageProcessor

import vldm_cli as vldm
from tests import public
from tests.align.families.common import randomised
from tests.packs.named.public import named
from vldm_cli.api.packs import LoadedPack
from vldm_cli.denoise.noise import frame_noise
from vldm_cli.errors import RequestError
from vldm_cli.packs.choice import Choice
from vldm_cli.packs.combine import open_choice
from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.generate import compose
from vldm_cli.pipelines.generate.compose import Stages
from vldm_cli.pipelines.generate.request import GenerateRequest
from vldm_cli.pipelines.generate.settings import off_track, plan_of, resolve
from vldm_cli.runs.progress import Clock, Meter, NullProgress
from vldm_cli.runs.units import NoUnits

LINEAR = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="linear", steps_offset=1, clip_sample=False)
CALL = dict(seed=3, dtype="float32", device="cpu", steps=3)


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    root = tmp_path_factory.mktemp("public")
    public.sd_folder(root / "sd", None)
    public.adapter_folder(root / "motion")
    public.svd_folder(root / "svd")
    public.modelscope_folder(root / "modelscope")
    public.x4_folder(root / "x4")
    return root


def pictures(folder):
    """uint8 (T, H, W, 3)."""
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))])


def picture(size=(64, 64), seed=9):
    generator = np.random.default_rng(seed)
    small = Image.fromarray(generator.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    return np.asarray(small.resize(size[::-1], Image.Resampling.BICUBIC))


def animated(root, folder, family="animatediff-window", context=None, **numbers):
    """A pack of Stable Diffusion and a motion module."""
    file = "diffusion_pytorch_model.safetensors"
    sd = str(root / "sd")
    parts = {
        "unet": {"path": sd, "file": f"unet/{file}", "config_file": "unet/config.json"},
        "vae": {"path": sd, "file": f"vae/{file}", "config_file": "vae/config.json"},
        "text": {
            "path": sd,
            "file": "text_encoder/model.safetensors",
            "config_file": "text_encoder/config.json",
        },
        "tokenizer": {"path": sd, "file": "tokenizer/vocab.json"},
        "schedule": {"config": "animatediff"},
        "keyframes": {
            "path": str(root / "motion"),
            "file": file,
            "config_file": "config.json",
            "family": family,
        },
    }
    return named(folder, {**parts, **({"context": context} if context else {})}, **numbers)


def told(pack, **numbers):
    """The pack with other numbers among its defaults and of its videos."""
    path = pack.folder / "pack.toml"
    lines = path.read_text().splitlines()
    for name, value in numbers.items():
        found = [i for i, line in enumerate(lines) if line.startswith(f"{name} =")]
        if found:
            lines[found[0]] = f"{name} = {value}"
        else:
            lines.insert(lines.index("[defaults]") + 1, f"{name} = {value}")
    path.write_text("\n".join(lines) + "\n")
    return Pack.open(pack.folder)


@torch.no_grad()
def test_animatediff_makes_the_frames_of_diffusers_pipeline(repositories, tmp_path):
    pack = told(
        animated(repositories, tmp_path / "pack"),
        fps='"8"',
        keyframe_step=1,
        window=6,
        scheduler='"ddim"',
        between='"motion"',
    )
    vldm.generate("a red ball", tmp_path / "ours", frames=6, pack=pack.folder, upscale=False, **CALL)
    sd = repositories / "sd"
    adapter = MotionAdapter.from_pretrained(repositories / "motion", torch_dtype=torch.float32)
    pipe = AnimateDiffPipeline.from_pretrained(
        sd,
        motion_adapter=adapter,
        scheduler=DDIMScheduler(**LINEAR, timestep_spacing="linspace"),
        torch_dtype=torch.float32,
    )
    pipe.set_progress_bar_config(disable=True)
    noise = frame_noise(3, "keyframes", range(6), (4, 8, 8)).transpose(0, 1)[None]
    frames = pipe(
        "a red ball",
        negative_prompt="",
        num_frames=6,
        height=64,
        width=64,
        num_inference_steps=3,
        guidance_scale=7.5,
        latents=noise,
        output_type="np",
    ).frames[0]
    ours = pictures(tmp_path / "ours").astype(float)
    assert ours.std() > 5
    assert np.abs(ours - frames * 255).max() <= 1.01


def sparse(root):
    """The table of a SparseCtrl of the motion module's shape, saved once."""
    folder = root / "sparse"
    if not folder.exists():
        torch.manual_seed(5)
        network = SparseControlNetModel(
            conditioning_channels=4,
            block_out_channels=public.CHANNELS,
            down_block_types=("CrossAttnDownBlockMotion", "DownBlockMotion"),
            layers_per_block=1,
            cross_attention_dim=public.WIDTH,
            attention_head_dim=4,
            norm_num_groups=8,
            motion_num_attention_heads=4,
        )
        randomised(network, 5).save_pretrained(folder)
    return {
        "path": str(folder),
        "file": "diffusion_pytorch_model.safetensors",
        "config_file": "config.json",
        "family": "sparsectrl",
    }


def test_windows_go_on_and_fill_in_by_what_reads_known_frames(repositories, tmp_path):
    """Three windows of keyframes, and three frames between each two: the model's, and motion's."""
    pack = told(
        animated(repositories, tmp_path / "pack", "animatediff", sparse(repositories)),
        fps='"32"',
        window=4,
        context=2,
        scheduler='"ddim"',
        interpolation_window=1,
    )
    call = dict(frames=21, pack=pack.folder, upscale=False, **CALL)
    vldm.generate("a red ball", tmp_path / "model", between="model", **call)
    vldm.generate("a red ball", tmp_path / "motion", between="motion", **call)
    model, motion = pictures(tmp_path / "model"), pictures(tmp_path / "motion")
    assert model.shape == motion.shape == (21, 64, 64, 3)
    # the same keyframes (decoded in other windows, by an autoencoder of single frames), other frames between
    assert np.abs(model[::4].astype(int) - motion[::4]).max() <= 2
    assert np.abs(model[6].astype(int) - motion[6]).max() > 5


def staged(pack, prompt="", **asked):
    """The stages of one video of a loaded pack, and its settings."""
    manifest = pack.pack.manifest
    settings = resolve(
        GenerateRequest(
            prompt, Path("a.mp4"), upscale=False, steps=3, between="model", **{"interpolation": 1, **asked}
        ),
        manifest,
    )
    plan = plan_of(settings, manifest)
    meters = {stage: Meter(NullProgress(), stage, total) for stage, total in plan.totals.items()}
    return Stages(settings, plan, pack.models, 3, Clock(), NoUnits(), meters), settings


def test_frames_between_keyframes_follow_the_text_as_closely_as_these(repositories, tmp_path, monkeypatch):
    pack = told(
        animated(repositories, tmp_path / "pack", "animatediff", sparse(repositories)), scheduler='"ddim"'
    )
    stages, settings = staged(
        vldm.load_pack(pack.folder, device="cpu"), "a red ball", frames=5, interpolation=4
    )
    asked = []
    monkeypatch.setattr(compose, "Denoiser", lambda **told: asked.append(told["guidance"].text))
    stages.interpolated(lambda start: iter(()))
    assert asked == [settings.guidance] and settings.guidance > 1


@torch.no_grad()
def test_stable_video_diffusion_makes_the_latents_of_diffusers_pipeline(repositories, monkeypatch):
    pack, T = vldm.load_pack(repositories / "svd", device="cpu", dtype="float32"), 5
    stages, settings = staged(pack, frames=T, fps=Fraction(7), image=picture())
    ours_TCHW = torch.stack(list(stages.latents(picture())(0)))
    added_CHW = frame_noise(3, "first-frame", [0], (3, 64, 64))[0]
    # what is added to the picture's pixels: the pipeline draws it itself
    monkeypatch.setattr(svd_pipeline, "randn_tensor", lambda shape, **_: added_CHW.reshape(shape))
    pipe = StableVideoDiffusionPipeline.from_pretrained(
        repositories / "svd",
        variant="fp16",
        torch_dtype=torch.float32,
        feature_extractor=CLIPImageProcessor(),
    )
    pipe.set_progress_bar_config(disable=True)
    theirs_TCHW = pipe(
        Image.fromarray(picture()),
        height=64,
        width=64,
        num_frames=T,
        num_inference_steps=3,
        fps=7,
        latents=frame_noise(3, "keyframes", range(T), (4, 8, 8))[None],
        output_type="latent",
    ).frames[0]
    assert (settings.guidance, stages.context_guidance) == (1.0, (1.0, 3.0))
    # theirs have another eps in the norms of their blocks than those that the weights were trained with
    torch.testing.assert_close(
        ours_TCHW[1:], theirs_TCHW[1:], rtol=0.01, atol=0.01 * float(theirs_TCHW.std())
    )


@torch.no_grad()
def test_a_picture_that_the_image_model_draws_begins_to_move(repositories, tmp_path):
    choice = Choice(pack=str(repositories / "sd"), motion=str(repositories / "svd"))
    pack = LoadedPack(open_choice(choice), "cpu", "float32")
    stages, settings = staged(pack, "a red ball", frames=5, size=(64, 64))
    pipe = StableDiffusionPipeline.from_pretrained(
        repositories / "sd", torch_dtype=torch.float32, safety_checker=None
    )
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    theirs_CHW = pipe(
        "a red ball",
        height=64,
        width=64,
        num_inference_steps=3,
        guidance_scale=settings.guidance,
        latents=frame_noise(3, "picture", [0], (4, 8, 8)),
        output_type="latent",
    ).images[0]
    first_CHW, *others = stages.latents()(0)
    torch.testing.assert_close(first_CHW, theirs_CHW, rtol=1e-3, atol=1e-3)
    assert len(others) == 4 and all(z.isfinite().all() for z in others)


def test_a_picture_is_needed_where_one_is_made_to_move(repositories, tmp_path):
    with pytest.raises(RequestError, match="--image"):
        vldm.generate("a dog", tmp_path / "a.mp4", frames=5, pack=repositories / "svd", **CALL)
    assert not list(tmp_path.iterdir())


def test_known_frames_are_replaced_only_when_asked_for(repositories, tmp_path):
    call = dict(pack=repositories / "modelscope", size=(64, 64), upscale=False, **CALL)
    with pytest.raises(RequestError, match=r"61 at most.*--replacement"):
        vldm.generate("a dog", tmp_path / "a", frames=62, **call)
    with pytest.raises(RequestError, match=r"--replacement"):
        vldm.generate("a dog", tmp_path / "a", frames=5, image=picture(), **call)
    assert not list(tmp_path.iterdir())
    made = vldm.generate("a dog", tmp_path / "a", frames=69, replacement=True, image=picture(), **call)
    assert made.frames == 69 and (pictures(tmp_path / "a")[0] == picture()).all()


def test_frames_are_upscaled_by_latents_of_whole_frames(repositories, tmp_path):
    pack = named(
        tmp_path / "pack",
        {**parts_of(repositories / "modelscope"), **parts_of(repositories / "x4")},
    )
    pack = told(pack, upscale_space='"frame"', upscale_guidance=3.0, between='"motion"', window=4)
    made = vldm.generate("a dog", tmp_path / "a", frames=3, pack=pack.folder, size=(64, 64), **CALL)
    assert (made.width, made.height) == (256, 256)
    plain = vldm.generate("a dog", tmp_path / "b", frames=3, pack=pack.folder, upscale=False, **CALL)
    assert (plain.width, plain.height) == (64, 64)


def parts_of(folder):
    """What a manifest elsewhere says of a repository."""
    return {
        name: {
            **{k: v for k, v in vars(part).items() if v not in (None, "", False, ())},
            **({"path": str(folder)} if part.file or part.config_file else {}),
        }
        for name, part in Pack.open(folder).named.items()
    }


@pytest.mark.parametrize(
    ("asked", "step"),
    [
        ({}, 4),
        ({"fps": Fraction(24)}, 3),
        ({"fps": Fraction(60)}, 8),
        ({"fps": Fraction(1)}, 1),
        ({"interpolation": 6}, 6),
    ],
)
def test_keyframes_are_as_near_to_their_own_rate_as_motion_lets_them(repositories, tmp_path, asked, step):
    pack = told(animated(repositories, tmp_path / "pack"), fps='"32"', between='"motion"')
    settings = resolve(GenerateRequest("x", Path("a.mp4"), **asked), pack.manifest)
    assert settings.interpolation == step


def test_a_video_goes_on_at_its_own_rate(repositories, tmp_path):
    """24 frames a second of keyframes for 8: every third, which its last one is, and whose latents it keeps."""
    pack = told(
        animated(repositories, tmp_path / "pack", "animatediff", sparse(repositories)), fps='"32"', window=4
    )
    pack = told(pack, between='"motion"', scheduler='"ddim"')
    call = dict(frames=10, fps=24, pack=pack.folder, upscale=False, **CALL)
    made = vldm.generate("a red ball", tmp_path / "a.mp4", **call)
    assert made.settings["interpolation"] == 3 and made.warnings == []
    assert vldm.info(tmp_path / "a.mp4").latents_of == [6, 9]
    again = dict(frames=6, pack=pack.folder, steps=1, device="cpu", dtype="float32")
    longer = vldm.extend(tmp_path / "a.mp4", tmp_path / "b.mp4", **again)
    assert longer.frames == 16 and vldm.info(tmp_path / "b.mp4").latents_of == [12, 15]


def test_a_model_fills_in_at_the_steps_that_it_was_made_for(repositories, tmp_path):
    pack = told(animated(repositories, tmp_path / "pack", "animatediff", sparse(repositories)), fps='"32"')
    with pytest.raises(
        RequestError, match=r"--interpolation 3 is none of 1, 4, 16; others go with --between motion"
    ):
        resolve(GenerateRequest("x", Path("a.mp4"), interpolation=3, between="model"), pack.manifest)
    with pytest.raises(RequestError, match="--interpolation 65"):
        GenerateRequest("x", Path("a.mp4"), interpolation=65)


def test_weights_of_a_pickle_are_told_of_once(repositories, tmp_path, monkeypatch):
    monkeypatch.setenv("VLDM_HOME", str(tmp_path / "home"))
    pack = told(animated(repositories, tmp_path / "pack"), between='"motion"', keyframe_step=1)
    unet = UNet2DConditionModel.from_pretrained(repositories / "sd" / "unet")
    torch.save({"state_dict": unet.state_dict()}, tmp_path / "model.ckpt")
    path = pack.folder / "pack.toml"
    own = f'[parts.unet]\npath = "{tmp_path}"\nfile = "model.ckpt"\nconfig_file = "config.json"\n'
    (tmp_path / "config.json").write_text(unet.to_json_string())
    path.write_text(re.sub(r"\[parts\.unet\]\n[^\[]*", own, path.read_text()))
    said = [
        vldm.generate("red", tmp_path / name, frames=2, pack=pack.folder, upscale=False, **CALL).warnings
        for name in ("a", "b")
    ]
    assert [any("model.ckpt is a pickle" in words for words in one) for one in said] == [True, False]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, []),
        ({"size": (512, 512)}, ["made for 64x64"]),
        ({"fps": Fraction(20)}, ["cannot be told another rate.*0.833 times as fast"]),
        ({"fps": Fraction(16), "interpolation": 4}, ["cannot be told another rate.*0.5 times as fast"]),
        ({"fps": Fraction(24)}, []),
        ({"fps": Fraction(16)}, []),
        ({"fps": Fraction(32), "size": (64, 128)}, []),
    ],
)
def test_what_a_model_was_not_made_for_is_said(repositories, tmp_path, asked, words):
    pack = told(animated(repositories, tmp_path / "pack"), fps='"32"', between='"motion"')
    said = off_track(resolve(GenerateRequest("x", Path("a.mp4"), **asked), pack.manifest), pack.manifest)
    assert len(said) == len(words) and all(re.search(w, s) for w, s in zip(words, said, strict=True))
