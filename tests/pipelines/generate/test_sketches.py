"""Sketches that keyframes follow: through the chain, and what is refused."""

import json

import numpy as np
import pytest
import torch
from diffusers import AnimateDiffSparseControlNetPipeline, DDIMScheduler, MotionAdapter
from diffusers.models.controlnets.controlnet_sparsectrl import SparseControlNetModel
from PIL import Image

import vldm_cli as vldm
from tests import public
from tests.align.families.common import randomised
from tests.pipelines.generate.test_public import CALL, LINEAR, animated, pictures, sparse, told
from vldm_cli.api.recipe import recipe
from vldm_cli.api.sketches import frame_of
from vldm_cli.denoise.noise import frame_noise
from vldm_cli.errors import RequestError
from vldm_cli.packs.abilities import Abilities
from vldm_cli.packs.describe import abilities
from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.generate.sketches import nearest

FILE = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    root = tmp_path_factory.mktemp("sketches")
    public.sd_folder(root / "sd", None)
    public.adapter_folder(root / "motion")
    torch.manual_seed(5)
    network = SparseControlNetModel(
        conditioning_channels=3,
        use_simplified_condition_embedding=False,
        conditioning_embedding_out_channels=(8, 8, 16, 16),
        block_out_channels=public.CHANNELS,
        down_block_types=("CrossAttnDownBlockMotion", "DownBlockMotion"),
        layers_per_block=1,
        cross_attention_dim=public.WIDTH,
        attention_head_dim=4,
        norm_num_groups=8,
        motion_num_attention_heads=4,
    )
    randomised(network, 5).save_pretrained(root / "scribble")
    return root


def drawing(path, dark=False, seed=1, size=(64, 64)):
    """A picture of some lines; dark: as a person draws them on paper."""
    generator, x = np.random.default_rng(seed), np.zeros((*size, 3), np.uint8)
    for row, column in generator.integers(0, size[0], (4, 2)):
        x[row, :], x[:, column] = 255, 255
    Image.fromarray(255 - x if dark else x).save(path)
    return x


def sketching(root, folder, family="animatediff-window", context=None, **numbers):
    part = {
        "path": str(root / "scribble"),
        "file": FILE,
        "config_file": "config.json",
        "family": "sparsectrl",
    }
    pack = animated(root, folder, family, context)
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in part.items())
    path = folder / "pack.toml"
    path.write_text(path.read_text() + f"\n[parts.sketch]\n{lines}")
    return told(Pack.open(pack.folder), **{"scheduler": '"ddim"', "between": '"motion"', **numbers})


@torch.no_grad()
def test_keyframes_are_those_of_diffusers_pipeline(repositories, tmp_path):
    pack = sketching(repositories, tmp_path / "pack", fps='"8"', keyframe_step=1, window=6)
    for number in (0, 4):
        drawing(tmp_path / f"{number}.png", seed=number)
    vldm.generate(
        "a red ball",
        tmp_path / "ours",
        frames=6,
        pack=pack.folder,
        upscale=False,
        sketch=[f"{tmp_path}/0.png", f"{tmp_path}/4.png@4"],
        **CALL,
    )
    pipe = AnimateDiffSparseControlNetPipeline.from_pretrained(
        repositories / "sd",
        motion_adapter=MotionAdapter.from_pretrained(repositories / "motion", torch_dtype=torch.float32),
        controlnet=SparseControlNetModel.from_pretrained(repositories / "scribble"),
        scheduler=DDIMScheduler(**LINEAR, timestep_spacing="linspace"),
        torch_dtype=torch.float32,
    )
    pipe.set_progress_bar_config(disable=True)
    call = dict(
        prompt="a red ball",
        negative_prompt="",
        num_frames=6,
        height=64,
        width=64,
        num_inference_steps=3,
        guidance_scale=7.5,
        latents=frame_noise(3, "keyframes", range(6), (4, 8, 8)).transpose(0, 1)[None],
        output_type="np",
    )
    frames = pipe(
        conditioning_frames=[Image.open(tmp_path / f"{number}.png") for number in (0, 4)],
        controlnet_frame_indices=[0, 4],
        **call,
    ).frames[0]
    ours = pictures(tmp_path / "ours").astype(float)
    assert ours.std() > 5
    assert np.abs(ours - frames * 255).max() <= 1.01
    vldm.generate("a red ball", tmp_path / "plain", frames=6, pack=pack.folder, upscale=False, **CALL)
    assert np.abs(pictures(tmp_path / "plain") - ours).max() > 5


def test_a_drawing_on_paper_is_turned_and_that_is_said(repositories, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pack = sketching(repositories, tmp_path / "pack", fps='"8"', keyframe_step=1, window=4)
    drawing(tmp_path / "light.png")
    drawing(tmp_path / "dark.png", dark=True)
    call = dict(frames=3, pack=pack.folder, upscale=False, **CALL)
    light = vldm.generate("a red ball", "light", sketch=["light.png@2"], **call)
    dark = vldm.generate("a red ball", "dark", sketch=["dark.png@2"], **call)
    assert (pictures(tmp_path / "light") == pictures(tmp_path / "dark")).all()
    assert [any("dark lines on light" in words for words in made.warnings) for made in (light, dark)] == [
        False,
        True,
    ]
    assert len(dark.warnings) == 1
    assert light.settings["sketches"] == dark.settings["sketches"]
    assert "--sketch SKETCH-1@2" in recipe(
        {"settings": light.settings, "seed": 3, "pack": light.pack}, "again.mp4"
    )


def test_windows_follow_their_own_sketches_and_runs_go_on(repositories, tmp_path):
    """Three windows with known frames between, one of them with a sketch; another sketch is another video."""
    pack = sketching(repositories, tmp_path / "pack", "animatediff", sparse(repositories))
    pack = told(pack, fps='"32"', window=4, context=2)
    x = drawing(tmp_path / "a.png")
    call = dict(frames=25, pack=pack.folder, upscale=False, **CALL)
    vldm.generate("a red ball", tmp_path / "none", **call)
    made = vldm.generate("a red ball", tmp_path / "one", sketch=[(x, 18)], **call)
    none, one = pictures(tmp_path / "none").astype(int), pictures(tmp_path / "one").astype(int)
    # keyframes 0 to 3 are the first window's, and the sketch is for the fourth after the first
    assert (none[:13] == one[:13]).all() and np.abs(none[16] - one[16]).max() > 1
    assert any("followed by frame 16, the keyframe nearest to 18" in words for words in made.warnings)
    with pytest.raises(RequestError, match="exists"):
        vldm.generate("a red ball", tmp_path / "one", sketch=[(x, 24)], **call)


def test_a_pack_says_that_it_follows_sketches(repositories, tmp_path):
    pack = sketching(repositories, tmp_path / "pack")
    assert Abilities.of(pack.manifest).sketches and any("--sketch" in words for words in abilities(pack))
    plain = animated(repositories, tmp_path / "plain")
    assert not Abilities.of(plain.manifest).sketches and not any("--sketch" in w for w in abilities(plain))


@pytest.mark.parametrize(
    ("sketch", "words"),
    [
        (["a.png@9"], r"the video has no frame 9; its last one is 8"),
        (["a.png@x"], r"a\.png@x: x is no number of a frame"),
        (["a.png@-1"], r"a\.png@-1: -1 is no number of a frame"),
        (["none.png"], r"there is no image none\.png; check the name given to --sketch"),
        (["a.txt"], r"no readable image .*give --sketch a PNG"),
        (["a.png", "a.png@1"], r"a\.png and a\.png are both for the keyframe 0; there is one every 4 frames"),
        ([(np.zeros((8, 8, 3), np.uint8), 0)], r"must be an RGB picture of 64x64 pixels, not"),
    ],
)
def test_what_no_video_can_follow_is_refused(repositories, tmp_path, monkeypatch, sketch, words):
    monkeypatch.chdir(tmp_path)
    pack = sketching(repositories, tmp_path / "pack", fps='"32"')
    drawing("a.png")
    (tmp_path / "a.txt").write_text("no picture")
    with pytest.raises(RequestError, match=words) as error:
        vldm.generate("a red ball", "a.mp4", frames=9, pack=pack.folder, sketch=sketch, **CALL)
    assert "\n" not in str(error.value) and not (tmp_path / "a.mp4").exists()


def test_other_packs_say_what_does_follow_them(repositories, tmp_path, tiny_pack):
    drawing(tmp_path / "a.png")
    plain = told(animated(repositories, tmp_path / "pack"), between='"motion"')
    for pack in (plain, tiny_pack):
        with pytest.raises(
            RequestError, match=r"follows no sketches; use --pack sd15-sketch, or --motion sd15-sk"
        ):
            vldm.generate(
                "red", tmp_path / "a", frames=1, pack=pack.folder, sketch=[tmp_path / "a.png"], **CALL
            )


def test_a_given_first_frame_needs_no_sketch(repositories, tmp_path):
    pack = sketching(repositories, tmp_path / "pack", "animatediff", sparse(repositories), fps='"32"')
    x = drawing(tmp_path / "a.png")
    call = dict(frames=9, pack=pack.folder, upscale=False, image=tmp_path / "a.png", **CALL)
    with pytest.raises(
        RequestError, match=r"is for frame 0, which --image gives; name another frame, as in FILE@4"
    ):
        vldm.generate("a red ball", tmp_path / "a", sketch=[(x, 1)], **call)
    assert vldm.generate("a red ball", tmp_path / "a", sketch=[(x, 8)], **call).frames == 9


def test_kinds_of_sparsectrl_in_each_others_place(repositories, tmp_path):
    scribble = {**sparse(repositories), "path": str(repositories / "scribble")}
    with pytest.raises(RequestError, match=r"context: .*kind that reads sketches, as \[parts\.sketch\] does"):
        vldm.generate(
            "x",
            tmp_path / "a",
            pack=animated(repositories, tmp_path / "p", context=scribble).folder,
            frames=1,
            **CALL,
        )
    pack = sketching(repositories, tmp_path / "pack")
    path = pack.folder / "pack.toml"
    sparse(repositories)
    path.write_text(path.read_text().replace(str(repositories / "scribble"), str(repositories / "sparse")))
    with pytest.raises(
        RequestError, match=r"sketch: .*kind that reads known frames, as \[parts\.context\] does"
    ):
        vldm.generate("x", tmp_path / "a", pack=path.parent, frames=1, **CALL)


def test_a_folder_that_the_pipeline_saved(repositories, tmp_path):
    pipe = AnimateDiffSparseControlNetPipeline.from_pretrained(
        repositories / "sd",
        motion_adapter=MotionAdapter.from_pretrained(repositories / "motion", torch_dtype=torch.float32),
        controlnet=SparseControlNetModel.from_pretrained(repositories / "scribble"),
        torch_dtype=torch.float32,
    )
    pipe.save_pretrained(tmp_path / "saved")
    pack = Pack.open(tmp_path / "saved")
    assert pack.named["sketch"].family == "sparsectrl" and "context" not in pack.named
    x = drawing(tmp_path / "a.png")
    made = vldm.generate("red", tmp_path / "a", frames=1, sketch=[(x, 0)], pack=tmp_path / "saved", **CALL)
    assert made.settings["sketches"][0].startswith("0:")


@pytest.mark.parametrize(
    ("frame", "step", "frames", "place"),
    [(0, 4, 9, 0), (1, 4, 9, 0), (2, 4, 9, 0), (3, 4, 9, 1), (8, 4, 9, 2), (10, 4, 11, 2)],
)
def test_the_nearest_keyframe(frame, step, frames, place):
    assert nearest(frame, step, frames) == place


def test_names_with_an_at_sign(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drawing("me@home.png")
    assert frame_of("me@home.png") == ("me@home.png", 0) and frame_of("me@home.png@3") == ("me@home.png", 3)
    assert frame_of("a.png@12") == ("a.png", 12) and frame_of("a.png@") == ("a.png", "")
