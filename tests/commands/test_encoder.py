"""--encoder: told and kept, by every command; refused before anything is made."""

import ctypes.util
import json
import shlex
from pathlib import Path

import pytest

from tests.video import clips
from tests.video.gpu import disguised
from vldm_cli.api.recipe import recipe
from vldm_cli.video import encoders, ffmpeg
from vldm_cli.video.read import metadata_of

PROMPT = "a red ball bounces"
SHORT = ("--steps", 2, "--seed", 1, "--frames", 7, "--interpolation", 1)
no_driver = pytest.mark.skipif(
    ctypes.util.find_library("cuda") is not None, reason="there is a driver of a GPU"
)


@pytest.fixture
def gpu(tmp_path_factory, monkeypatch):
    """Calls of an ffmpeg that has the encoder of a GPU."""
    program, log = disguised(tmp_path_factory.mktemp("gpu"))
    monkeypatch.setattr(ffmpeg, "ffmpeg_exe", lambda: str(program))
    encoders._refusal.cache_clear()
    yield lambda: log.read_text().splitlines()
    encoders._refusal.cache_clear()


@pytest.fixture
def model(tiny_pack):
    return ("--pack", tiny_pack.folder, "--device", "cpu", "--dtype", "float32")


def told(name):
    """(the encoder that a video's settings name, the words that make it again)"""
    stored = metadata_of(Path(name))
    return stored["settings"].get("encoder"), shlex.split(recipe(stored, name))


def test_generate_and_what_goes_on_from_it(vldm, base, model, gpu):
    made = ("generate", PROMPT, *base, *SHORT)
    assert vldm(*made, "-o", "a.mp4", "--encoder", "nvenc")[0] == 0
    assert len(gpu()) == 3  # a trial and two segments
    shown = vldm("info", "a.mp4")[1]
    assert "encoder nvenc" in shown and " --encoder nvenc " in shown
    code, _, err = vldm(*made, "-o", "a.mp4")
    assert code == 2 and "a.mp4 exists" in err
    code, out, _ = vldm(*made, "-o", "b.mp4", "--encoder", "nvenc", "--dry-run", "--json")
    assert code == 0 and json.loads(out)["encoder"] == "nvenc"

    extended = ("extend", "a.mp4", "--frames", 1, "--steps", 1, *model)
    code, _, err = vldm(*extended, "-o", "d.mp4")  # by the clip's own encoder, its packets as they are
    assert code == 0 and "encoded once more" not in err
    kept, own = (clips.packets(name)[:6] for name in ("d.mp4", "a.mp4"))
    assert kept == own
    code, out, err = vldm(*extended, "-o", "e.mp4", "--encoder", "x264", "--dry-run", "--json")
    assert code == 0 and "encoded once more" in err and "encoder" not in json.loads(out)["settings"]


def test_x264_says_nothing_of_it(vldm, base):
    assert vldm("generate", PROMPT, *base, *SHORT, "-o", "a.mp4", "--encoder", "x264")[0] == 0
    encoder, words = told("a.mp4")
    assert encoder is None and "--encoder" not in words


def test_other_clips_and_lists(vldm, base, model, gpu, tmp_path):
    clips.make(tmp_path, "a.mp4", frames=2, size="48x32")
    upscaled = ("upscale", "a.mp4", "--scale", 2, "--steps", 1, *model)
    for words in (upscaled, ("interpolate", "a.mp4", "--device", "cpu")):
        out = f"{words[0]}.mkv"
        assert vldm(*words, "--encoder", "nvenc", "-o", out)[0] == 0
        encoder, again = told(out)
        assert encoder == "nvenc" and again[again.index("--encoder") + 1] == "nvenc"
    (tmp_path / "list.txt").write_text('{"prompt": "a", "seed": 1, "encoder": "nvenc"}\n')
    listed = ("generate", "--prompts", "list.txt", *base, "--frames", 1, "--steps", 1, "-o", "{index}.mp4")
    assert vldm(*listed)[0] == 0 and told("1.mp4")[0] == "nvenc"
    (tmp_path / "clips").mkdir()
    clips.make(tmp_path / "clips", "b.mp4", frames=2, size="48x32")
    many = ("interpolate", "clips", "-o", "out", "--device", "cpu")
    assert vldm(*many, "--encoder", "nvenc")[0] == 0 and told("out/b.mp4")[0] == "nvenc"
    assert vldm(*many, "--encoder", "nvenc")[0] == 0  # made already
    code, _, err = vldm(*many)
    assert code == 2 and "made with another --encoder" in err


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_what_cannot_be_is_refused(vldm, base, model, here, tmp_path, dry):
    clip = clips.make(tmp_path, "a.mp4", frames=2, size="48x32")
    (tmp_path / "b.mp4").write_bytes(clip.read_bytes())
    (tmp_path / "list.txt").write_text("one\ntwo\n")
    before = here()
    commands = [
        ("generate", PROMPT, *base, *SHORT),
        ("upscale", "a.mp4", *model),
        ("interpolate", "a.mp4", "--device", "cpu"),
        ("extend", "a.mp4", *model),
        ("generate", "--prompts", "list.txt", *base, *SHORT),
        ("interpolate", "a.mp4", "b.mp4", "--device", "cpu"),
    ]
    for words in commands:
        many = "--prompts" in words or "b.mp4" in words
        for suffix, encoder, said in (
            ("webm", "nvenc", "--encoder nvenc makes H.264, and "),
            ("mp4", "vp9", "--encoder vp9 is none of x264, nvenc"),
        ):
            out = f"{{index}}.{suffix}" if many else f"new.{suffix}"
            code, text, err = vldm(*words, "--encoder", encoder, *dry, "-o", out)
            assert (code, text, here()) == (2, "", before) and said in err and err.count("\n") == 1, (
                words,
                err,
            )


@no_driver
def test_without_a_gpu(vldm, base, model, here, tmp_path):
    encoders._refusal.cache_clear()
    clips.make(tmp_path, "a.mp4", frames=2, size="48x32")
    (tmp_path / "list.txt").write_text("one\ntwo\n")
    before = here()
    for words in (
        ("generate", PROMPT, *base, *SHORT, "-o", "b.mp4"),
        ("generate", PROMPT, *base, *SHORT, "-o", "b.mp4", "--dry-run"),
        ("generate", "--prompts", "list.txt", *base, *SHORT, "-o", "{index}.mp4"),
        ("upscale", "a.mp4", *model, "-o", "b.mov"),
        ("interpolate", "a.mp4", "--device", "cpu", "-o", "b.mkv"),
        ("extend", "a.mp4", *model, "-o", "b.mp4"),
        ("extend", "a.mp4", "a.mp4", *model, "-o", "{index}.mp4"),
    ):
        code, out, err = vldm(*words, "--encoder", "nvenc")
        assert (code, out, here()) == (2, "", before), (words, err)
        assert "no GPU here encodes frames of" in err and err.endswith("; use --encoder x264\n"), err
