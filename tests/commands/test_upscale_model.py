"""`vldm upscale --model` as a person types it."""

import json

import pytest
import torch
from safetensors.torch import save_file

from tests import networks
from tests.video import clips
from vldm_cli.video.clip import open_clip
from vldm_cli.video.probe import inspect


@pytest.fixture
def clip(tmp_path):
    save_file(networks.compact(), tmp_path / "net.safetensors")
    torch.save({"params_ema": networks.compact(2)}, tmp_path / "net2.pth")
    return clips.make(tmp_path, "a.mp4", clips.tone(), "-c:a", "aac", frames=6, size="36x20")


def test_upscale(vldm, here, clip):
    code, out, err = vldm("upscale", "a.mp4", "--model", "net.safetensors", "--device", "cpu", "--json")
    table = json.loads(out)
    assert code == 0 and "arning" not in err and table["out"] == "a-x4.mp4"
    assert (table["frames"], table["width"], table["height"], table["seed"], table["pack"]) == (
        6,
        144,
        80,
        None,
        None,
    )
    told = {"model": "net.safetensors", "architecture": "RealESRGAN Compact", "scale": 4, "steady": 0.5}
    assert told.items() <= table["settings"].items() and table["settings"]["dtype"] == "float32"
    assert [s.codec for s in inspect(clip.with_name("a-x4.mp4")).of("audio")] == ["aac"]
    assert "a-x4.mp4" in here() and not [name for name in here() if name.startswith(".")]


def test_info_has_the_command_that_makes_it_again(vldm, clip):
    asked = (
        "--model",
        "net.safetensors",
        "--steady",
        "0.25",
        "--scale",
        "3",
        "--tile",
        "32",
        "--device",
        "cpu",
    )
    assert vldm("upscale", "a.mp4", *asked)[0] == 0
    before = clip.with_name("a-x3.mp4").read_bytes()
    code, out, _ = vldm("info", "a-x3.mp4", "--json")
    command = json.loads(out)["command"].split()
    assert code == 0 and command[:2] == ["vldm", "upscale"] and not json.loads(out)["warnings"]
    assert vldm(*command[1:], "--force", "--device", "cpu")[0] == 0
    assert clip.with_name("a-x3.mp4").read_bytes() == before


def test_a_pickle_is_said_once(vldm, clip):
    code, _, err = vldm("upscale", "a.mp4", "--model", "net2.pth", "--device", "cpu")
    assert (
        code == 0
        and "warning: net2.pth is a pickle" in err
        and open_clip(clip.with_name("a-x2.mp4")).width == 72
    )


def test_dry_run_makes_nothing(vldm, here, clip):
    before = here()
    code, out, _ = vldm("upscale", "a.mp4", "--model", "net.safetensors", "--device", "cpu", "--dry-run")
    assert (
        code == 0
        and "144x80" in out
        and "1 tiles a frame, 6 calls of the network" in out
        and here() == before
    )


BAD = {
    "seed": (["--seed", "3"], "--seed does not go with --model"),
    "pack": (["--pack", "toyland"], "--pack does not go with --model"),
    "noise": (["--noise", "0"], "--noise does not go with --model"),
    "space": (["--space", "pixel"], "--space does not go with --model"),
    "steps": (["--steps", "2"], "--steps does not go with --model"),
    "prompt": (["--prompt", "a dog"], "--prompt does not go with --model"),
    "negative": (["--negative", "a dog"], "--negative does not go with --model"),
    "guidance": (["--guidance", "2"], "--guidance does not go with --model"),
    "no-plain": (["--no-plain"], "--no-plain is for a CUDA GPU, and this runs on cpu"),
    "memory": (["--memory", "high"], "--memory does not go with --model"),
    "fast": (["--fast", "cfg-skip"], "--fast does not go with --model"),
    "too steady": (["--steady", "1.5"], "--steady 1.5"),
    "larger than it can": (["--scale", "5"], "--scale 5: --model net.safetensors enlarges 4 times"),
    "no scale": (["--scale", "0"], "--scale 0"),
    "dtype": (["--dtype", "float64"], "--dtype float64"),
    "tile": (["--tile", "33"], "--tile 33"),
}


@pytest.mark.parametrize("case", BAD)
def test_refused(vldm, here, clip, case):
    before = here()
    arguments, words = BAD[case]
    code, out, err = vldm("upscale", "a.mp4", "--model", "net.safetensors", "--device", "cpu", *arguments)
    assert (code, out) == (2, "") and err.count("\n") == 1 and words in err and here() == before


def test_steady_is_for_networks(vldm, clip):
    code, _, err = vldm("upscale", "a.mp4", "--steady", "0.5")
    assert code == 2 and "--steady is for a network that --model names" in err and err.count("\n") == 1


def test_a_format_that_the_network_cannot_be_computed_in(vldm, clip, monkeypatch):
    monkeypatch.setattr("vldm_cli.packs.network._formats", lambda found: ("float32",))
    asked = ("upscale", "a.mp4", "--model", "net.safetensors", "--device", "cpu", "--dtype", "float16")
    code, _, err = vldm(*asked)
    assert code == 2 and "--dtype float16" in err and "use float32" in err and err.count("\n") == 1
