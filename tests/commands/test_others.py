"""info, packs, doctor, measure speed."""

import json
import shutil

import pytest

from vldm_cli.packs import pack as packs
from vldm_cli.packs.save import seal


@pytest.fixture
def installed(tiny_pack, monkeypatch):
    """The tiny pack as if it came with vldm."""
    monkeypatch.setattr(packs, "embedded", lambda: {"tiny": tiny_pack.folder})


def test_packs_list(vldm, installed):
    code, out, err = vldm("packs", "list")
    assert (code, err) == (0, "") and "tiny" in out and "48x32" in out and "Apache-2.0" in out
    table = json.loads(vldm("packs", "list", "--json")[1])
    assert [pack["name"] for pack in table["packs"] if pack["here"]] == ["tiny"]
    assert {"sd15-animatediff", "svd-xt"} <= {pack["name"] for pack in table["packs"] if not pack["here"]}
    assert "not here yet, CC-BY-NC-4.0" in out


def test_packs_show_and_check(vldm, installed, tiny_pack):
    code, out, _ = vldm("packs", "show", "tiny")
    assert code == 0 and tiny_pack.manifest.hash in out and "upscale ×4 in pixel space" in out
    assert vldm("packs", "check", "tiny") == (
        0,
        f"pack tiny: {len(tiny_pack.manifest.files)} files, all well\n",
        "",
    )
    assert json.loads(vldm("packs", "check", "tiny", "--json")[1])["ok"] is True


def test_doctor_explains_and_exits_0(vldm, installed):
    code, out, _ = vldm("doctor")
    assert code == 0
    assert all(words in out for words in ("--device auto", "--dtype auto", "ffmpeg", "pack tiny", "memory"))
    assert json.loads(vldm("doctor", "--json")[1])["ok"] is True


def test_doctor_names_the_remedy(vldm, monkeypatch, pack_copy):
    (pack_copy / packs.PARTS["vae"]).unlink()
    monkeypatch.setattr(packs, "embedded", lambda: {"tiny": pack_copy})
    code, out, _ = vldm("doctor", "--json")
    rows = {row["what"]: row for row in json.loads(out)["rows"]}
    assert code == 0 and not rows["pack tiny"]["ok"]
    assert "is missing" in rows["pack tiny"]["state"] and "install vldm again" in rows["pack tiny"]["remedy"]
    monkeypatch.setattr(packs, "embedded", dict)
    assert "none is installed" in vldm("doctor")[1]


def test_info_of_somebody_elses_video(vldm, tmp_path):
    from fractions import Fraction

    import numpy as np

    from vldm_cli.video.write import encode_segment

    encode_segment(tmp_path / "a.mp4", [np.zeros((32, 48, 3), np.uint8)] * 3, Fraction(25), "mp4", 20)
    code, out, _ = vldm("info", "a.mp4")
    assert code == 0 and "3 frames of 48x32 at 25 fps" in out and "vldm did not make this file" in out
    table = json.loads(vldm("info", "a.mp4", "--json")[1])
    assert table["command"] is None and table["metadata"] is None
    code, _, err = vldm("info", "gone.mp4")
    assert code == 2 and err.count("\n") == 1 and "cannot read gone.mp4" in err


def test_info_says_when_the_pack_is_not_here(vldm, base):
    vldm("generate", "a red ball", *base, "--frames", 1, "-o", "a.mp4")
    code, out, _ = vldm("info", "a.mp4")
    assert code == 0 and "prompt: a red ball" in out and "pack tiny is not here" in out
    assert "--interpolation 16 --between model" in out  # nobody knows what that pack does unasked


@pytest.mark.parametrize("loaded", [[], ["--loaded"]], ids=["command", "loaded"])
def test_measure_speed(vldm, here, base, loaded):
    code, out, _ = vldm("measure", "speed", "a red ball", *base, "--frames", 26, "--json", *loaded)
    table = json.loads(out)
    assert code == 0 and here() == []
    assert table["frames"] == 26 and table["dtype"] == "float32"
    assert 0 < table["first_segment_seconds"] <= table["wall_seconds"]
    assert table["frames_per_second"] == pytest.approx(26 / table["wall_seconds"], rel=0.01)
    assert table["peak_memory_bytes"] > 50 * 2**20
    assert sum(table["stages"].values()) <= table["wall_seconds"] + 0.01


@pytest.mark.parametrize("loaded", [[], ["--loaded"]], ids=["command", "loaded"])
def test_measure_speed_takes_the_defaults_of_the_pack(vldm, pack_copy, loaded):
    """One without an upscaler, whose keyframes are 4 frames apart."""
    for space in ("pixel", "latent"):
        shutil.rmtree(pack_copy / f"upscaler_{space}")
    path = pack_copy / "pack.toml"
    path.write_text(path.read_text().replace("keyframe_step = 16", "keyframe_step = 4"))
    seal(pack_copy)
    given = ("--pack", pack_copy, "--device", "cpu", "--dtype", "float32", "--frames", 5)
    code, out, err = vldm("measure", "speed", "a red ball", *given, "--json", *loaded)
    assert code == 0, err
    table = json.loads(out)
    assert (table["frames"], table["width"]) == (5, 48)
    assert "interpolate1" in table["stages"] and "interpolate4" not in table["stages"]


@pytest.mark.parametrize(
    "given",
    [
        ["a red ball"],
        ["--upscale"],
        ["--no-upscale"],
        ["--interpolation", 4],
        ["--loaded"],
        ["--frames", 3],
        ["--pack", "toyland"],
        ["--clip", "36x20"],
        ["--tile", 32],
        ["--model", "net.safetensors"],
        ["--steady", 1],
    ],
)
def test_measure_speed_refuses_what_it_has_no_use_for(vldm, given):
    option = "PROMPT" if given[0] == "a red ball" else given[0]
    code, out, err = vldm("measure", "speed", *given, "--peers", "--device", "cpu")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert f"{option} does not go with --peers" in err
    if option in ("PROMPT", "--upscale", "--no-upscale", "--interpolation", "--loaded"):
        code, out, err = vldm("measure", "speed", *given, "--clip", "36x20", "--device", "cpu")
        assert (code, out) == (2, "") and err.count("\n") == 1
        assert f"{option} does not go with --clip" in err


def test_measure_speed_refuses_as_generate_does(vldm, base):
    code, _, err = vldm("measure", "speed", "a red ball", *base, "--frames", 0)
    assert code == 2 and err.count("\n") == 1 and "--frames 0" in err


def test_measure_speed_of_the_upscaler(vldm, here, base):
    code, out, err = vldm(
        "measure", "speed", "--clip", "36x20", *base[:-1], "--frames", 26, "--tile", 32, "--json"
    )
    table = json.loads(out)
    assert code == 0 and here() == [], err
    assert (table["frames"], table["width"], table["height"]) == (26, 144, 80)
    assert table["frames_per_second"] == pytest.approx(26 / table["wall_seconds"], rel=0.01)
    assert 0 < table["first_segment_seconds"] <= table["wall_seconds"]
    assert {"open", "upscale", "write", "join"} <= set(table["stages"])
    assert sum(table["stages"].values()) <= table["wall_seconds"] + 0.01
    assert table["peak_host_bytes"] > 50 * 2**20 and table["encoder_seconds"] > 0
    assert table["settings"]["tile"] == 32 and "ffmpeg version" in table["encoder"]
    code, out, _ = vldm("measure", "speed", "--clip", "36x20", *base[:-1], "--frames", 2)
    assert code == 0 and "2 frames of 144x80" in out and "by itself" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--clip", "big"], "--clip big is no size"),
        (["--clip", "0x20"], "--clip 0x20"),
        (["--clip", "36x20", "--frames", 0], "--frames 0"),
        (["--clip", "36x20", "--tile", 33], "--tile 33"),
        (["--tile", 32], "--tile is for --clip"),
        (["--model", "net.safetensors"], "--model is for --clip"),
        (["--clip", "36x20", "--steady", 1], "--steady is for a network that --model names"),
    ],
)
def test_measure_speed_refuses_clips_that_cannot_be(vldm, base, words, said):
    code, _, err = vldm("measure", "speed", *base[:-1], *words)
    assert code == 2 and err.count("\n") == 1 and said in err
