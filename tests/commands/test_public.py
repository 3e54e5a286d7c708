"""Public checkpoints on the command line: fetched from a hub on this machine, named as folders and files, combined."""

import json
import os
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests import public
from tests.hub import serving, use

REPOSITORY = "someone/small-animatediff"
SMALL = ("--size", "64x64", "--frames", 5, "--steps", 1, "--no-upscale", "--seed", 1)
DEVICE = ("--device", "cpu", "--dtype", "float32", "-q")
SAID = "pack mine, and so what it makes, is under CC-BY-NC-4.0"
_ATTENTION = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """sd: an image model; adapter: motion modules; and both as one repository."""
    root = tmp_path_factory.mktemp("public")
    public.sd_folder(root / "sd")
    public.adapter_folder(root / "adapter")
    whole = shutil.copytree(root / "sd", root / "hub" / REPOSITORY)
    shutil.copytree(root / "adapter", whole / "motion_adapter")
    table = json.loads((whole / "model_index.json").read_text())
    (whole / "model_index.json").write_text(json.dumps({**table, "_class_name": "AnimateDiffPipeline"}))
    generator = torch.Generator().manual_seed(5)
    shapes = {"down": (4, 32), "up": (32, 4)}
    save_file(
        {
            f"unet.{_ATTENTION}.lora.{way}.weight": torch.randn(shape, generator=generator)
            for way, shape in shapes.items()
        },
        root / "style.safetensors",
    )
    save_file({"<corgi>": torch.randn(2, 32, generator=generator)}, root / "corgi.safetensors")
    return root


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("VLDM_HOME", str(tmp_path_factory.mktemp("home")))


def test_fetched_and_then_generated_without_any_network(vldm, root, here, monkeypatch, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with serving(root / "hub") as hub:
        use(monkeypatch, hub, home)
        assert vldm("packs", "pull", REPOSITORY, "-q")[0] == 0
    use(monkeypatch, None, home)  # the hub is gone
    code, _, err = vldm("generate", "a fox", "--pack", REPOSITORY, *SMALL, *DEVICE, "-o", "a.mp4")
    assert (code, err) == (0, ""), err
    assert here() == ["a.mp4"]
    command = json.loads(vldm("info", "a.mp4", "--json")[1])["command"]
    assert f"--pack {REPOSITORY}" in command
    code, out, _ = vldm("packs", "check", REPOSITORY)
    assert code == 0 and "all well" in out


def test_the_printed_command_names_what_was_put_in_and_makes_the_same_video(
    vldm, root, tmp_path, monkeypatch
):
    for name in ("sd", "adapter", "style.safetensors", "corgi.safetensors"):
        (tmp_path / name).symlink_to(root / name)
    added = ("--motion", "adapter", "--lora", "style.safetensors:0.5", "--embedding", "corgi.safetensors")
    code, _, err = vldm("generate", "a <corgi>", "--pack", "sd", *added, *SMALL, *DEVICE, "-o", "a.mp4")
    assert (code, err) == (0, "")
    command = json.loads(vldm("info", "a.mp4", "--json")[1])["command"]
    assert f"--lora {(root / 'style.safetensors').resolve()}:0.5" in command
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert vldm(*shlex.split(command)[1:-1], "b.mp4", "--device", "cpu", "-q")[0] == 0
    assert (tmp_path / "elsewhere/b.mp4").read_bytes() == (tmp_path / "a.mp4").read_bytes()


@pytest.mark.parametrize("step", [None, 4, 16])
def test_the_printed_command_has_as_many_frames_from_one_keyframe_to_the_next(vldm, root, tmp_path, step):
    added = ("--pack", root / "sd", "--motion", root / "adapter")
    asked = () if step is None else ("--interpolation", step)
    code, _, err = vldm("generate", "a fox", *added, *SMALL, *asked, *DEVICE, "-o", "a.mp4")
    assert (code, err) == (0, "")
    table = json.loads(vldm("info", "a.mp4", "--json")[1])
    usual = json.loads(vldm("generate", "a fox", *added, *SMALL, "--dry-run", "--json")[1])["keyframe_step"]
    assert usual != 16
    told, stored = f" --interpolation {step} " in table["command"], table["metadata"]["settings"]
    assert told == (step not in (None, usual)) and stored["interpolation"] == (step or usual)
    assert vldm(*shlex.split(table["command"])[1:-1], "b.mp4", "--device", "cpu", "-q")[0] == 0
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "a.mp4").read_bytes()


def test_the_printed_command_asks_for_replacement_where_that_had_to_be_asked_for(vldm, root, tmp_path):
    added = ("--pack", root / "sd", "--motion", root / "adapter")
    long = ("generate", "a fox", *added, *SMALL, "--interpolation", 1, "--frames", 17)
    assert "--replacement" in vldm(*long, *DEVICE, "-o", "a.mp4")[2]
    for words, out in ((long, "a.mp4"), (("extend", "a.mp4", *added, "--frames", 1, "--steps", 1), "b.mp4")):
        code, _, err = vldm(*words, "--replacement", *DEVICE, "-o", out)
        assert code == 0, err
        table = json.loads(vldm("info", out, "--json")[1])
        assert table["metadata"]["settings"]["replacement"] is True
        again = shlex.split(table["command"])
        assert "--replacement" in again and again[-1] == out
        assert vldm(*again[1:-1], "again.mp4", "--device", "cpu", "--force", "-q")[0] == 0
        assert (tmp_path / "again.mp4").read_bytes() == (tmp_path / out).read_bytes()


def test_a_video_that_needs_no_replacement_is_the_one_without_it(vldm, root, base, tmp_path):
    ours = ("generate", "a red ball", *base, "--frames", 3, "--seed", 1)
    theirs = ("generate", "a fox", "--pack", root / "sd", "--motion", root / "adapter", *SMALL, *DEVICE)
    for words in (ours, theirs):
        for name, more in (("a.mp4", ()), ("b.mp4", ("--replacement",))):
            assert vldm(*words, *more, "-o", name, "--force")[0] == 0
        assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_written_combination_goes_on_where_its_options_began(vldm, root):
    """Identity is of the contents: the same run, whether the parts are named or the manifest."""
    added = ("--motion", root / "adapter", "--lora", root / "style.safetensors")
    plan = json.loads(
        vldm("generate", "a fox", "--pack", root / "sd", *added, *SMALL, "--dry-run", "--json")[1]
    )
    assert vldm("packs", "new", "mine", "--from", root / "sd", *added)[0] == 0
    again = json.loads(vldm("generate", "a fox", "--pack", "mine", *SMALL, "--dry-run", "--json")[1])
    assert plan["pack"]["hash"] == again["pack"]["hash"]
    assert plan["pack"]["choice"]["loras"] == [str(root / "style.safetensors")]


def test_a_clip_of_a_combination_goes_on_with_it_or_not_at_all(vldm, root, tmp_path):
    lora = shutil.copy(root / "style.safetensors", tmp_path / "own.safetensors")
    added = ("--motion", root / "adapter", "--lora", lora)
    assert vldm("generate", "a fox", "--pack", root / "sd", *added, *SMALL, *DEVICE, "-o", "a.mp4")[0] == 0
    (tmp_path / "own.safetensors").unlink()
    code, _, err = vldm("extend", "a.mp4", "--frames", 4, *DEVICE)
    assert code == 2 and err.count("\n") == 1 and "not here as it was" in err and "--pack" in err


def test_a_licence_that_is_not_free_for_every_use_is_said_with_the_video(vldm, root):
    vldm("packs", "new", "mine", "--from", root / "sd", "--motion", root / "adapter")
    path = Path(os.environ["VLDM_HOME"]) / "packs/mine/pack.toml"
    path.write_text(path.read_text().replace('licence = "not stated"', 'licence = "CC-BY-NC-4.0"'))
    code, out, err = vldm("generate", "a fox", "--pack", "mine", *SMALL, "--dry-run", "--json")
    assert code == 0 and err.count(SAID) == 1
    assert json.loads(out)["pack"]["licence"] == "CC-BY-NC-4.0"
    # once, however many videos there are, and with each in what comes back
    for more in (("--seed", 1, "-o", "a.mp4"), ("--seeds", "1,2", "-o", "many")):
        code, out, err = vldm(
            "generate", "a fox", "--pack", "mine", *SMALL[:-2], *DEVICE[:-1], *more, "--json"
        )
        assert code == 0 and err.count("is under CC-BY-NC-4.0") == 1
        for line in out.splitlines():
            assert json.loads(line)["warnings"].count(SAID) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--pack", "nowhere"], "there is no pack nowhere"),
        (["--pack", "nowhere.safetensors"], "there is no file nowhere.safetensors"),
        (["--pack", "someone/something"], "fetch it with `vldm packs pull someone/something`"),
        (["--pack", "svd-xt"], "not here yet"),
        (["--pack", "@sd"], "--motion"),
        (["--pack", "@adapter"], "is one part of a model, MotionAdapter; name it with --motion"),
        (["--pack", "@."], "is no pack"),
        (["--pack", "@style.safetensors"], "a LoRA, which --lora takes"),
        (["--pack", "@notes.txt"], "is no checkpoint"),
        (["--pack", "@sd", "--motion", "@sd"], "holds no motion modules"),
        (["--pack", "@sd", "--motion", "@adapter", "--lora", "gone.safetensors"], "there is no such file"),
        (["--pack", "@sd", "--motion", "@adapter", "--lora", "@style.safetensors:x"], "is no strength"),
        (["--pack", "@sd", "--motion", "@adapter", "--vae", "@adapter"], "holds no autoencoder"),
        (["--pack", "@sd", "--motion", "@adapter", "--embedding", "@style.safetensors"], "textual inversion"),
        (["--lora", "gone.safetensors"], "there is no such file"),
    ],
)
def test_what_cannot_be_named_is_refused_in_a_sentence(vldm, root, here, words, said):
    (root / "notes.txt").write_text("no model")
    words = [str(root / word[1:]) if word.startswith("@") else word for word in words]
    code, _, err = vldm("generate", "a fox", *words, *SMALL, *DEVICE)
    assert code == 2 and err.count("\n") == 1 and said in err, err
    assert here() == []


def test_additions_to_no_named_pack_are_refused(vldm):
    code, _, err = vldm("extend", "a.mp4", "--lora", "style.safetensors")
    assert code == 2 and "--lora goes into a pack; name the pack with --pack" in err


@pytest.fixture(scope="module")
def more(tmp_path_factory):
    """sdxl: an image model with two text encoders, its motion modules, a LoRA and a word; large: one in many files."""
    root = tmp_path_factory.mktemp("more")
    public.sdxl_folder(root / "sdxl")
    public.adapter_folder(root / "motion", None, public.XL_CHANNELS)
    public.split(public.sd_folder(root / "large"), "fp16")
    generator = torch.Generator().manual_seed(6)
    names = [
        f"lora_unet_input_blocks_3_1_transformer_blocks_0_attn1_to_q.lora_{way}.weight"
        for way in ("down", "up")
    ]
    shapes = zip(names, ((4, 32), (32, 4)), strict=True)
    save_file(
        {name: torch.randn(shape, generator=generator) for name, shape in shapes}, root / "style.safetensors"
    )
    widths = {"clip_l": public.WIDTH, "clip_g": public.XL_WIDTH}
    word = {name: torch.randn(2, width, generator=generator) for name, width in widths.items()}
    save_file(word, root / "corgi.safetensors")
    return root


def test_stable_diffusion_xl_and_what_is_added_to_it(vldm, more, here):
    code, _, err = vldm("generate", "a fox", "--pack", more / "sdxl", *SMALL)
    assert code == 2 and "--motion sdxl-animatediff after `vldm packs pull sdxl-animatediff`" in err
    added = (
        "--motion",
        more / "motion",
        "--lora",
        f"{more}/style.safetensors:0.5",
        "--embedding",
        f"{more}/corgi.safetensors",
    )
    code, _, err = vldm("packs", "new", "mine", "--from", more / "sdxl", *added)
    assert code == 0, err
    assert vldm("packs", "check", "mine")[0] == 0
    code, out, _ = vldm("packs", "show", "mine")
    assert code == 0 and "text_2" in out and "schedule: vldm's own configuration animatediff" in out
    assert "schedule: scheduler/scheduler_config.json" in vldm("packs", "show", more / "sdxl")[1]
    code, _, err = vldm("generate", "a corgi runs", "--pack", "mine", *SMALL, *DEVICE, "-o", "a.mp4")
    assert (code, err) == (0, ""), err
    code, _, err = vldm(
        "generate", "a corgi runs", "--pack", more / "sdxl", *added, *SMALL, *DEVICE, "-o", "b.mp4"
    )
    assert (code, err) == (0, ""), err
    assert json.loads(vldm("info", "b.mp4", "--json")[1])["command"].count("--") > 8
    code, _, err = vldm(
        "generate", "a fox", "--pack", "mine", "--size", "64x64", "--frames", 99, *DEVICE, "-o", "c.mp4"
    )
    assert code == 2 and "61 at most" in err and here() == ["a.mp4", "b.mp4"]


def test_weights_in_several_files_are_shown_as_one(vldm, more, root):
    code, out, _ = vldm("packs", "show", more / "large")
    (line,) = (line for line in out.splitlines() if line.strip().startswith("unet:"))
    assert code == 0 and ".index.fp16.json of 18 files" in line and "MiB" in line
    code, _, err = vldm(
        "generate",
        "a fox",
        "--pack",
        more / "large",
        "--motion",
        root / "adapter",
        *SMALL,
        *DEVICE,
        "-o",
        "a.mp4",
    )
    assert (code, err) == (0, ""), err
