"""Stable Diffusion XL, small and random, with AnimateDiff's modules for it, through the whole chain to files."""

import numpy as np
import pytest
import torch
from diffusers import (
    AnimateDiffSDXLPipeline,
    DDIMScheduler,
    MotionAdapter,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)

import vldm_cli as vldm
from tests import public
from tests.pipelines.generate.test_public import CALL, LINEAR, pictures, told
from vldm_cli.denoise.guidance import Guidance
from vldm_cli.denoise.noise import frame_noise
from vldm_cli.denoise.sampler import sample
from vldm_cli.errors import RequestError
from vldm_cli.packs.choice import Choice
from vldm_cli.packs.combine import open_choice, write_choice
from vldm_cli.packs.schedules import schedule
from vldm_cli.stages.models import Models


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    root = tmp_path_factory.mktemp("xl")
    public.sdxl_folder(root / "sdxl", None)
    public.adapter_folder(root / "motion", None, public.XL_CHANNELS)
    public.sd_folder(root / "sd", None)
    public.adapter_folder(root / "sd-motion")
    return root


@torch.no_grad()
def test_animatediff_makes_the_frames_of_diffusers_pipeline(repositories, tmp_path):
    choice = Choice(str(repositories / "sdxl"), motion=str(repositories / "motion"))
    pack = write_choice(str(tmp_path / "pack"), choice)
    (pack.folder / "pack.toml").write_text(
        (pack.folder / "pack.toml")
        .read_text()
        .replace('family = "animatediff"', 'family = "animatediff-window"')
    )
    told(pack, fps='"8"', keyframe_step=1, window=6, guidance=5.0, between='"motion"')
    vldm.generate("a red ball", tmp_path / "ours", frames=6, pack=pack.folder, **CALL)
    pipe = AnimateDiffSDXLPipeline.from_pretrained(
        repositories / "sdxl",
        motion_adapter=MotionAdapter.from_pretrained(repositories / "motion", torch_dtype=torch.float32),
        scheduler=DDIMScheduler(**LINEAR, timestep_spacing="linspace"),
        torch_dtype=torch.float32,
    )
    # what diffusers forgets, and would leave random
    unet = UNet2DConditionModel.from_pretrained(
        repositories / "sdxl", subfolder="unet", torch_dtype=torch.float32
    )
    pipe.unet.add_embedding.load_state_dict(unet.add_embedding.state_dict())
    pipe.set_progress_bar_config(disable=True)
    frames = pipe(
        "a red ball",
        num_frames=6,
        height=64,
        width=64,
        num_inference_steps=3,
        guidance_scale=5.0,
        latents=frame_noise(3, "keyframes", range(6), (4, 8, 8)).transpose(0, 1)[None],
        output_type="np",
    ).frames[0]
    ours = pictures(tmp_path / "ours").astype(float)
    assert ours.std() > 5
    assert np.abs(ours - frames * 255).max() <= 1.01


@pytest.mark.parametrize("negative", [None, "blue"])
@torch.no_grad()
def test_a_picture_is_that_of_diffusers_pipeline(repositories, negative):
    models = Models(open_choice(Choice(str(repositories / "sdxl"))))
    text_BLD, negative_BLD = models.text.encode(["a red ball", negative or ""]).split(1)
    noise_BTCHW = frame_noise(3, "picture", [0], (4, 8, 16))[None]
    z_BTCHW = sample(
        models.drawing,
        models.scheduler("ddim"),
        noise_BTCHW,
        steps=3,
        text_BLD=text_BLD,
        negative_BLD=negative_BLD,
        guidance=Guidance(7.0),
    )
    ours_CHW = models.decoder.decode(z_BTCHW)[0, 0]
    pipe = StableDiffusionXLPipeline.from_pretrained(repositories / "sdxl", torch_dtype=torch.float32)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    theirs_CHW = pipe(
        "a red ball",
        negative_prompt=negative,
        height=64,
        width=128,
        num_inference_steps=3,
        guidance_scale=7.0,
        latents=noise_BTCHW[0],
        output_type="pt",
    ).images[0]
    assert schedule(models.pack, "unet")["timestep_spacing"] == "leading"
    torch.testing.assert_close(((ours_CHW + 1) / 2).clamp(0, 1), theirs_CHW, rtol=0, atol=1e-4)


def test_its_autoencoder_is_in_float32_where_float16_is_asked_for(repositories, tmp_path):
    """Stable Diffusion XL's overflows in float16; mended ones say that they do not."""
    half = Models(open_choice(Choice(str(repositories / "sdxl"))), dtype="float16")
    kinds = [next(model.parameters()).dtype for model in (half.decoder, half.drawing)]
    assert kinds == [torch.float32, torch.float16]
    mended = public.vae(scale=0.13025)
    mended.register_to_config(force_upcast=False)
    mended.half().save_pretrained(tmp_path / "fix")
    choice = Choice(str(repositories / "sdxl"), vae=str(tmp_path / "fix"))
    assert next(Models(open_choice(choice), dtype="float16").decoder.parameters()).dtype == torch.float16
    # others are said to overflow as well by default, and are not known to
    sd = Models(open_choice(Choice(str(repositories / "sd"))), dtype="float16")
    assert next(sd.decoder.parameters()).dtype == torch.float16


def test_a_folder_that_animatediffs_pipeline_saved(repositories, tmp_path):
    pipe = AnimateDiffSDXLPipeline.from_pretrained(
        repositories / "sdxl",
        motion_adapter=MotionAdapter.from_pretrained(repositories / "motion", torch_dtype=torch.float32),
        scheduler=DDIMScheduler(**LINEAR, timestep_spacing="linspace", set_alpha_to_one=False),
        torch_dtype=torch.float32,
    )
    unet = UNet2DConditionModel.from_pretrained(
        repositories / "sdxl", subfolder="unet", torch_dtype=torch.float32
    )
    pipe.unet.add_embedding.load_state_dict(unet.add_embedding.state_dict())
    pipe.save_pretrained(tmp_path / "saved")
    call = {**CALL, "frames": 2, "fps": 8, "interpolation": 1}
    vldm.generate("a red ball", tmp_path / "saved-frames", pack=tmp_path / "saved", **call)
    both = Choice(str(repositories / "sdxl"), motion=str(repositories / "motion"))
    vldm.generate(
        "a red ball", tmp_path / "frames", pack=write_choice(str(tmp_path / "p"), both).folder, **call
    )
    assert (pictures(tmp_path / "saved-frames") == pictures(tmp_path / "frames")).all()


@pytest.mark.parametrize(("image", "motion"), [("sdxl", "sd-motion"), ("sd", "motion")])
def test_motion_modules_of_the_other_kind_are_refused(repositories, tmp_path, image, motion):
    choice = Choice(str(repositories / image), motion=str(repositories / motion))
    pack = write_choice(str(tmp_path / "pack"), choice)
    with pytest.raises(RequestError, match=r"motion.*image model"):
        vldm.generate("x", tmp_path / "a", frames=1, pack=pack.folder, **CALL)
    assert not (tmp_path / "a").exists()
