"""Prompts that a pack's reader says in other words: what is told, what is kept, and how to switch it off."""

import json
from pathlib import Path

import pytest

import vldm_cli
from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.generate.compose import Stages
from vldm_cli.video.read import video_info

TYPED, READ = "A blu cube. It bounces.", "a blue cube bounces"


@pytest.fixture
def reading(pack_copy):
    """Options of a small video with a pack that has a reader."""
    manifest = pack_copy / "pack.toml"
    manifest.write_text(manifest.read_text().replace("[defaults]", '[defaults]\nreader = "toyland"'))
    return ("--pack", pack_copy, "--device", "cpu", "--dtype", "float32", "--no-upscale", "--seed", 3)


@pytest.fixture
def heard(monkeypatch):
    """What the text encoder gets."""
    texts = []
    whole = Stages.text_BLDs.func
    monkeypatch.setattr(
        Stages, "text_BLDs", property(lambda self: texts.append(self.settings.text) or whole(self))
    )
    return texts


def test_the_text_encoder_gets_what_was_read(vldm, reading, heard):
    code, out, err = vldm("generate", TYPED, *reading, "--frames", 2, "--json", "-o", "a.mp4")
    settings = json.loads(out)["settings"]
    assert code == 0 and set(heard) == {READ}
    assert f'read as: "{READ}"\n' in err and "never seen" not in err
    assert settings["prompt"] == TYPED and settings["read"] == READ and "as_written" not in settings
    stored = video_info("a.mp4")["metadata"]
    assert stored["prompt"] == TYPED and stored["settings"] == settings


def test_the_same_frames_as_of_what_was_read(vldm, reading):
    vldm("generate", TYPED, *reading, "--frames", 2, "-o", "a")
    vldm("generate", READ, *reading, "--frames", 2, "-o", "b")
    vldm("generate", TYPED, *reading, "--frames", 2, "-o", "c", "--as-written")
    a, b, c = ([path.read_bytes() for path in sorted(Path(name).glob("*.png"))] for name in "abc")
    assert len(a) == 2 and a == b != c


def test_as_written(vldm, reading, heard):
    code, out, err = vldm("generate", TYPED, *reading, "--frames", 2, "--json", "-o", "a.mp4", "--as-written")
    settings = json.loads(out)["settings"]
    assert code == 0 and set(heard) == {TYPED} and "read as" not in err and "blu" in err
    assert settings["as_written"] is True and "read" not in settings
    _, said, _ = vldm("info", "a.mp4")
    assert "--as-written" in said


def test_what_is_not_understood_stays_as_it_is(vldm, reading, heard):
    code, out, err = vldm(
        "generate", "a blue cube on a dog", *reading, "--frames", 1, "--json", "-o", "a.mp4", "--as-written"
    )
    settings = json.loads(out)["settings"]
    assert code == 0 and "read as" not in err and not {"read", "as_written"} & set(settings)
    assert set(heard) == {"a blue cube on a dog"}


def test_quiet_and_dry_run(vldm, reading, here):
    assert vldm("generate", TYPED, *reading, "--frames", 1, "-q", "-o", "a.mp4") == (0, "", "")
    _, out, err = vldm("generate", TYPED, *reading, "--frames", 1, "--dry-run", "--json", "-o", "b.mp4")
    assert json.loads(out)["read"] == READ and f'read as: "{READ}"' in err


def test_lists(vldm, reading, tmp_path):
    lines = [TYPED, json.dumps({"prompt": TYPED, "as_written": True, "out": "b.mp4"})]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    code, _, err = vldm("generate", "--prompts", "list.txt", *reading, "--frames", 1)
    assert code == 0 and err.count("read as:") == 1
    assert "as_written" in video_info("b.mp4")["metadata"]["settings"]


def test_going_on_takes_what_the_clip_was_made_of(vldm, reading, heard):
    vldm("generate", TYPED, *reading, "--frames", 33, "-o", "a.mp4")
    vldm("generate", TYPED, *reading, "--frames", 33, "-o", "b.mp4", "--as-written")
    heard.clear()
    options = reading[:6]
    for name, prompt, text in (
        ("a", (), READ),
        ("b", (), TYPED),
        ("b", ("--prompt", "a redd cone"), "a red cone stands"),
    ):
        code, out, err = vldm(
            "extend", f"{name}.mp4", *options, "--frames", 2, "--json", "-o", "c.mp4", "--force", *prompt
        )
        assert code == 0, err
        assert set(heard) == {text} and ("read as" in err) is (text != TYPED)
        assert json.loads(out)["settings"].get("read") == (None if text == TYPED else text)
        heard.clear()


def test_python(reading, heard, tmp_path):
    call = {"pack": reading[1], "device": "cpu", "dtype": "float32", "upscale": False, "frames": 1, "seed": 1}
    made = vldm_cli.generate(TYPED, tmp_path / "a.mp4", **call)
    assert made.prompt == TYPED and made.settings["read"] == READ
    vldm_cli.generate(TYPED, tmp_path / "b.mp4", as_written=True, **call)
    list(vldm_cli.stream(TYPED, **call))
    list(vldm_cli.stream(TYPED, as_written=True, **call))
    assert list(dict.fromkeys(heard)) == [READ, TYPED] and len(heard) >= 4


def test_an_unknown_reader_is_refused(vldm, pack_copy):
    manifest = pack_copy / "pack.toml"
    manifest.write_text(manifest.read_text().replace("[defaults]", '[defaults]\nreader = "somebody"'))
    code, _, err = vldm("generate", TYPED, "--pack", pack_copy, "--frames", 1)
    assert code == 2 and "reader must be one of toyland" in err and err.count("\n") == 1


def test_the_pack_that_comes_with_vldm_has_it():
    assert Pack.open("toyland").manifest.defaults.reader == "toyland"
