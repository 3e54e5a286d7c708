"""`vldm interpolate` as a person types it."""

import hashlib
import json
import pickle
import shlex
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.video import clips
from vldm_cli.api import clip as shared
from vldm_cli.errors import RunError
from vldm_cli.motion.refiner import Refiner
from vldm_cli.motion.saved import load_refiner, save_refiner
from vldm_cli.pipelines.clip import making
from vldm_cli.pipelines.interpolate.clip import InterpolateClip
from vldm_cli.video import ffmpeg
from vldm_cli.video.clip import open_clip
from vldm_cli.video.probe import inspect

CPU = ("--device", "cpu")
MOTION = (*CPU, "--engine", "motion")  # takes a third of the time, where the engine does not matter


def luma(path, keep=None):
    clip = open_clip(path)
    raw = clip.raw(False)
    return np.stack([raw.planes(f)[0] for f in clip.read(0, raw)][:: keep or 1]).astype(float)


def test_motion_needs_no_diffusers(tmp_path):
    """Importing it takes longer than a short clip does."""
    code = """
import sys
from vldm_cli.commands.app import app
from vldm_cli.commands.failures import run
code = run(app, sys.argv[1:])
assert "torch" in sys.modules and "diffusers" not in sys.modules, "diffusers was imported"
raise SystemExit(code)
"""
    path = clips.KINDS["two frames"](tmp_path)
    words = ["interpolate", str(path), "-o", str(tmp_path / "out.mp4"), "--quiet", *CPU]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert open_clip(tmp_path / "out.mp4").frames > open_clip(path).frames


def test_frames_are_the_same_however_many_are_made_at_a_time(vldm, tmp_path, monkeypatch):
    path, made = clips.KINDS["10 bit"](tmp_path), {}
    threads = torch.get_num_threads()
    for workers in (1, 3):
        monkeypatch.setattr(InterpolateClip, "workers", workers)
        out = tmp_path / f"{workers}.mp4"
        assert vldm("interpolate", path, "-o", out, "--factor", 4, *MOTION)[0] == 0
        made[workers] = out.read_bytes()
    assert made[1] == made[3] and torch.get_num_threads() == threads


def test_large_frames_are_made_one_after_the_other(tmp_path):
    clip = open_clip(clips.KINDS["23.976"](tmp_path))
    cpu = torch.device("cpu")
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        assert InterpolateClip(clip, 2, cpu, False).workers == 4
        large = replace(clip, width=1920, height=1080)
        assert InterpolateClip(large, 2, cpu, False).workers == 1
        assert InterpolateClip(clip, 2, torch.device("cuda"), False).workers == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("kind", "factor"),
    [("23.976", 4), ("10 bit", 2), ("full range", 2), ("4:4:4", 2), ("odd webm", 4), ("turned", 2)],
)
def test_known_frames_stay_and_the_duration_too(vldm, tmp_path, kind, factor):
    path = clips.KINDS[kind](tmp_path)
    out = tmp_path / "out.mp4"
    code, said, _ = vldm(
        "interpolate",
        path,
        "-o",
        out,
        "--factor",
        factor,
        "--crf",
        1,
        "--json",
        *(CPU if kind == "10 bit" else MOTION),
    )
    assert code == 0
    was, now = open_clip(path), open_clip(out)
    assert now.frames == factor * was.frames == json.loads(said)["frames"]
    assert abs(now.times.seconds - was.times.seconds) < Fraction(1, 1000) and now.times.constant
    if kind == "23.976":
        assert now.times.fps == factor * Fraction(24000, 1001)
    assert (now.height, now.width, now.report.rotation) == (was.height, was.width, was.report.rotation)
    assert now.report.bits == was.report.bits
    assert np.abs(luma(out, factor) - luma(path)).mean() < (0.5 if was.report.bits == 8 else 2)


def test_variable_times_are_split_and_everything_goes_along(vldm, tmp_path):
    path, out = clips.KINDS["variable times and sound"](tmp_path), tmp_path / "out.mp4"
    assert vldm("interpolate", path, "-o", out, *MOTION)[0] == 0
    a, b = (clips.packets(p) for p in (path, out))
    assert all(abs(x[0] - y[0]) < Fraction(1, 50_000) for x, y in zip(a, b[::2], strict=True))
    middles = [(x[0] + y[0]) / 2 for x, y in pairwise(a)]
    assert all(abs(m - y[0]) < Fraction(1, 50_000) for m, y in zip(middles, b[1::2], strict=False))
    assert [row[2] for row in clips.packets(path, "0:a:0")] == [row[2] for row in clips.packets(out, "0:a:0")]


def test_slow_motion_stretches_sound_subtitles_and_chapters(vldm, tmp_path):
    path, out = clips.full(tmp_path), tmp_path / "out.mp4"
    code, _, err = vldm("interpolate", path, "-o", out, "--slow", "--factor", "4", *MOTION)
    assert code == 0 and "stretched" in err
    clip = open_clip(out)
    assert (clip.frames, clip.times.fps) == (80, 24)
    assert [(s.codec, s.language) for s in clip.report.of("audio")] == [("aac", "eng"), ("aac", "fra")]
    assert abs(len(clips.samples(out)) / 44_100 - 4 * 0.8) < 0.15
    text = ffmpeg.probe(["-v", "error", "-i", str(out), "-map", "0:s:0", "-f", "srt", "-"])[0].decode()
    assert "00:00:00,400 --> 00:00:01,200\nhello" in text
    assert "start 1.600000, end 3.200000" in clips.report(out)


def test_slow_motion_stretches_chapters_of_a_silent_clip(vldm, tmp_path):
    (tmp_path / "m.txt").write_text(clips.META)
    path = clips.make(tmp_path, "a.mp4", ["-i", str(tmp_path / "m.txt")], "-map_metadata", "1", frames=20)
    assert vldm("interpolate", path, "-o", "out.mkv", "--slow", "--factor", "2", *MOTION)[0] == 0
    assert "start 0.800000, end 1.600000" in clips.report(tmp_path / "out.mkv")


def test_cuts_are_not_blended_across(vldm, tmp_path):
    one = clips.make(tmp_path, "a.mp4", frames=4, filters="gblur=1")
    two = clips.make(tmp_path, "b.mp4", frames=4, filters="hflip,vflip,negate,gblur=1")
    joined = tmp_path / "cut.mp4"
    ffmpeg.run(
        ["-i", str(one), "-i", str(two), "-lavfi", "concat", *clips.H264, str(joined)],
        "making a cut",
    )
    out = tmp_path / "out.mp4"
    assert vldm("interpolate", joined, "-o", out, "--factor", "4", "--crf", "4", *CPU)[0] == 0
    frames = luma(out)
    for i in (13, 14):
        assert np.abs(frames[i] - frames[12]).mean() < 2
    assert np.abs(frames[15] - frames[16]).mean() < 2 and np.abs(frames[12] - frames[16]).mean() > 20


def test_pictures_and_gifs(vldm, here, tmp_path):
    clips.KINDS["gif"](tmp_path)
    assert vldm("interpolate", "a.gif", "-o", "b.gif", *MOTION)[0] == 0
    assert open_clip(tmp_path / "b.gif").frames == 24
    assert vldm("interpolate", "a.gif", "-o", "frames", *MOTION)[0] == 0
    assert vldm("interpolate", "frames", "-o", "c.webm", "--fps", "24000/1001", *MOTION)[0] == 0
    assert open_clip(tmp_path / "c.webm").times.fps == Fraction(48000, 1001)


@pytest.mark.parametrize("command", ["interpolate", "upscale", "extend"])
def test_the_printed_command_has_the_rate_that_pictures_were_given(vldm, tmp_path, tiny_pack, command):
    (tmp_path / "pics").mkdir()
    for number in range(3):
        Image.new("RGB", (48, 32), (60 * number, 30, 30)).save(tmp_path / "pics" / f"{number}.png")
    pack = ("--pack", tiny_pack.folder, "--dtype", "float32", "--seed", 1, "--steps", 1)
    more = {"interpolate": MOTION, "upscale": (*CPU, *pack), "extend": (*CPU, *pack, "--frames", 1)}[command]
    for name, fps in (("a.mp4", ("--fps", "25/2")), ("b.mp4", ())):
        assert vldm(command, "pics", "-o", name, *more, *fps)[0] == 0
        table = json.loads(vldm("info", name, "--json")[1])
        assert ("--fps 25/2 " in table["command"], "--fps" in table["command"]) == (bool(fps), bool(fps))
        assert ("pictures_fps" in table["metadata"]["settings"]) == bool(fps)
        words = shlex.split(table["command"].replace("--pack tiny", f"--pack {tiny_pack.folder}"))
        assert vldm(*words[1:-1], "again.mp4", *CPU, "--force", "-q")[0] == 0
        assert (tmp_path / "again.mp4").read_bytes() == (tmp_path / name).read_bytes()


def test_interrupted_it_goes_on_and_ends_with_the_same_bytes(vldm, tmp_path, monkeypatch):
    path = clips.make(tmp_path, "a.mp4", frames=40, size="32x24")
    assert vldm("interpolate", path, "-o", "whole.mp4", *MOTION)[0] == 0
    real, calls = making.encode_frames, []

    def breaks(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise RunError("writing failed: ffmpeg says: No space left on device")
        return real(*arguments)

    monkeypatch.setattr(making, "encode_frames", breaks)
    code, _, err = vldm("interpolate", path, "-o", "out.mp4", *MOTION)
    assert code == 1 and "kept in .out.mp4.vldm" in err and "go on with: vldm interpolate" in err
    assert not (tmp_path / "out.mp4").exists()
    assert vldm("interpolate", path, "-o", "out.mp4", *MOTION)[0] == 0 and len(calls) == 3 + 2
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_a_clip_that_vanishes_is_exit_1_and_the_command_that_goes_on(vldm, tmp_path, monkeypatch):
    path = clips.make(tmp_path, "a.mp4", frames=40, size="32x24")
    assert vldm("interpolate", "a.mp4", "-o", "whole.mp4", *MOTION)[0] == 0
    kept, real = path.read_bytes(), making.encode_frames

    def vanishing(*arguments):
        path.unlink(missing_ok=True)
        return real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(making, "encode_frames", vanishing)
        code, out, err = vldm("interpolate", "a.mp4", "-o", "out.mp4", "-q", *MOTION)
    assert (code, out) == (1, "") and err.count("\n") == 1 and "nothing was finished" in err
    path.write_bytes(kept)
    assert vldm(*shlex.split(err.partition("go on with: vldm ")[2]))[0] == 0
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


@pytest.mark.parametrize("moment", ["fingerprint", "look"])
def test_a_clip_that_vanishes_at_once(vldm, tmp_path, monkeypatch, moment):
    from vldm_cli.video.clip import Clip

    path = clips.make(tmp_path, "a.mp4", frames=4)
    real = Clip.fingerprint

    def gone(clip):
        path.unlink()
        return real(clip)

    if moment == "fingerprint":
        monkeypatch.setattr(Clip, "fingerprint", gone)
    else:
        path.unlink()
    code, _, err = vldm("interpolate", "a.mp4", "-o", "out.mp4", "-q", *CPU)
    assert code == (1 if moment == "fingerprint" else 2) and err.count("\n") == 1 and "a.mp4" in err
    assert ("vanished" in err and "go on with" in err) == (moment == "fingerprint")


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        *((name, ".mp4") for name in ("a:b", "file:z", "-dash")),
        *((name, "") for name in ("file:z", "%d %03d")),
        *(("it's 'q' [x]; é", suffix) for suffix in (".mp4", ".mkv", ".webm", ".gif", ".webp", "")),
    ],
)
def test_outputs_of_any_name(vldm, here, tmp_path, name, suffix):
    clips.make(tmp_path, "in.mp4", frames=2, size="16x16")
    assert vldm("interpolate", *CPU, "-o", name + suffix, "--", "in.mp4")[0] == 0
    assert open_clip(tmp_path / (name + suffix)).frames == 4
    assert [made for made in here() if made.startswith(".")] == []


def test_an_existing_file_is_kept_unless_forced(vldm, tmp_path):
    clips.make(tmp_path, "a.mp4", frames=4)
    (tmp_path / "out.mp4").write_text("precious")
    code, _, err = vldm("interpolate", "a.mp4", "-o", "out.mp4", *CPU)
    assert code == 2 and "out.mp4 exists" in err and (tmp_path / "out.mp4").read_text() == "precious"
    assert vldm("interpolate", "a.mp4", "-o", "out.mp4", "--force", *CPU)[0] == 0
    assert open_clip(tmp_path / "out.mp4").frames == 8


def test_ctrl_c_says_what_is_saved(vldm, tmp_path, monkeypatch):
    path = clips.make(tmp_path, "a.mp4", frames=4)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(making, "encode_frames", interrupted)
    code, _, err = vldm("interpolate", path, "-o", "out.mp4", *CPU)
    assert code == 130 and "0 of 8 frames of out.mp4 are saved" in err and "go on with:" in err


def test_names_dry_run_preview_and_info(vldm, here, tmp_path):
    clips.make(tmp_path, "a.mp4", frames=3)
    code, out, _ = vldm("interpolate", "a.mp4", "--dry-run", "--json", *CPU)
    assert code == 0 and json.loads(out)["made"] == 2 and here() == ["a.mp4"]
    assert vldm("interpolate", "a.mp4", "--preview", "p.png", "-q", *CPU) == (0, "", "")
    assert here() == ["a-i2.mp4", "a.mp4", "p.png"]
    assert shared.default_out(tmp_path / "a.mp4", "i2").name == "a-i2-2.mp4"
    table = json.loads(vldm("info", "a-i2.mp4", "--json")[1])
    assert table["command"] == "vldm interpolate a.mp4 --factor 2 --engine refined --crf 16 -o a-i2.mp4"


def test_by_diffusion_between_frames_of_a_pack(vldm, tmp_path, tiny_pack):
    pack = ("--pack", tiny_pack.folder)
    small = (*pack, *CPU, "--no-upscale", "--interpolation", 1, "--dtype", "float32")
    assert (
        vldm("generate", "a red ball", *small, "--frames", 4, "--fps", 6, "--seed", 3, "-o", "a.mp4")[0] == 0
    )
    given = (*pack, *CPU, "--dtype", "float32")
    plan = json.loads(vldm("interpolate", "a.mp4", "--factor", 4, *given, "--dry-run", "--json")[1])
    assert (
        plan["settings"]["engine"] == "diffusion" and plan["calls"]["interpolate1"] > 0 and plan["made"] == 9
    )
    out = vldm("interpolate", "a.mp4", "--factor", 4, *given, "--dry-run")[1]
    assert "9 frames made between 4 known ones, by diffusion" in out and "denoiser calls" in out
    code, out, _ = vldm("interpolate", "a.mp4", "--factor", 4, *given, "-o", "b.mp4", "--json")
    table = json.loads(out)
    assert code == 0 and (table["frames"], table["seed"], table["pack"]["name"]) == (16, 3, "tiny")
    command = json.loads(vldm("info", "b.mp4", "--json")[1])["command"]
    words = shlex.split(command.replace("--pack tiny", f"--pack {shlex.quote(str(tiny_pack.folder))}"))
    assert vldm(*words[1:-1], "c.mp4", "--device", "cpu")[0] == 0
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "c.mp4").read_bytes()
    code, _, err = vldm("interpolate", "a.mp4", "--factor", 2, *given, "-o", "d.mp4", "-v", "--seed", 4)
    assert code == 0 and "--factor 2 is none that pack tiny is trained for here, so motion makes" in err
    assert "for which --pack, --seed are of no use" in err
    assert json.loads(vldm("info", "d.mp4", "--json")[1])["metadata"]["settings"]["engine"] == "refined"


BAD = {
    "diffusion": (["a.mp4", "--engine", "diffusion"], "did not make every frame"),
    "seed": (["a.mp4", "--seed", "-1"], "--seed -1"),
    "pack": (["a.mp4", "--pack", "nonesuch"], "no pack nonesuch"),
    "dtype": (["a.mp4", "--dtype", "int3"], "--dtype int3"),
    "factor": (["a.mp4", "--factor", "3"], "--factor 3"),
    "engine": (["a.mp4", "--engine", "magic"], "--engine magic"),
    "one frame": (["one.mp4"], "one frame"),
    "no clip": (["gone.mp4"], "no file gone.mp4"),
    "gif too fast": (["a.mp4", "--factor", "4", "-o", "a.gif"], "GIF"),
    "matroska too fast": (["fast.mp4", "-o", "a.mkv"], "at most 500"),
    "text": (["text.mp4"], "holds no video"),
    "suffix": (["a.mp4", "-o", "a.xyz"], "use .mp4"),
}


@pytest.mark.parametrize("case", BAD)
def test_refused(vldm, here, tmp_path, case):
    clips.make(tmp_path, "a.mp4", frames=3)
    clips.make(tmp_path, "one.mp4", frames=1)
    clips.make(tmp_path, "fast.mp4", frames=3, rate="300")
    (tmp_path / "text.mp4").write_text("words")
    before = here()
    arguments, words = BAD[case]
    code, out, err = vldm("interpolate", *CPU, *arguments)
    assert (code, out) == (2, "") and err.count("\n") == 1 and words in err
    assert here() == before and inspect(tmp_path / "a.mp4").height == 48


@pytest.mark.parametrize("engine", ["motion", "refined"])
@pytest.mark.parametrize(
    "given",
    [
        ["--pack", "nothere"],
        ["--seed", 5],
        ["--dtype", "float16"],
        ["--memory", "high"],
        ["--fast", "deepcache"],
        ["--plain"],
    ],
)
def test_what_only_diffusion_uses_is_refused_of_motion(vldm, here, tmp_path, engine, given):
    clips.make(tmp_path, "a.mp4", frames=3)
    for words in (["a.mp4"], ["a.mp4", "a.mp4", "-o", "{index}.mp4"]):
        code, out, err = vldm("interpolate", *words, "--engine", engine, *CPU, *given)
        assert (code, out) == (2, "") and err.count("\n") == 1 and here() == ["a.mp4"]
        assert f"{given[0]} is for --engine diffusion, not for {engine}; leave it out" in err


def test_what_motion_has_no_use_for_is_said_where_nobody_chose_it(vldm, tmp_path):
    clips.make(tmp_path, "a.mp4", frames=3)
    code, _, err = vldm("interpolate", "a.mp4", "--fast", "cfg-skip", "--dry-run", *CPU)
    assert code == 0 and "motion makes the frames, for which --fast is of no use" in err
    assert "no use" not in vldm("interpolate", "a.mp4", "--dry-run", *CPU)[2]
    code, _, err = vldm("interpolate", "a.mp4", "--pack", "toyland", "--dry-run", *CPU)
    assert code == 0 and err.count("pack toyland, as it is, did not make every frame of a.mp4") == 1
    assert "so motion makes the frames, for which --pack is of no use" in err


def test_workers_have_no_number_format_for_motion(vldm, tmp_path):
    clips.make(tmp_path, "a.mp4", frames=3)
    code, _, err = vldm("interpolate", "a.mp4", "--engine", "motion", "--workers", 2, "--dry-run")
    assert (code, err) == (0, "")


@pytest.fixture
def refiner(tmp_path):
    """A network that changes what motion makes."""
    torch.manual_seed(0)
    network = Refiner((8, 8, 8))
    torch.nn.init.normal_(network.leave.weight, std=0.2)
    save_refiner(tmp_path / "own.safetensors", network)
    return tmp_path / "own.safetensors"


def test_refined_frames_are_the_same_however_they_are_shared_out(vldm, tmp_path, refiner, monkeypatch):
    path, made = clips.KINDS["10 bit"](tmp_path), {}
    words = ("interpolate", path, "--factor", 2, "--engine", "refined", "--refiner", refiner, *CPU)
    for workers in (1, 3):
        monkeypatch.setattr(InterpolateClip, "workers", workers)
        out = tmp_path / f"{workers}.mp4"
        assert vldm(*words, "-o", out)[0] == 0
        made[workers] = out.read_bytes()
    assert made[1] == made[3]
    clip = pickle.loads(
        pickle.dumps(InterpolateClip(open_clip(path), 2, torch.device("cpu"), False, load_refiner(refiner)))
    )
    meter = SimpleNamespace(upto=lambda n: None)
    with torch.inference_mode():
        whole = list(clip.frames(0, meter))
        assert list(clip.frames(3, meter)) == whole[3:]
    assert (
        vldm("interpolate", path, "--factor", 2, "--engine", "motion", "-o", tmp_path / "m.mp4", *CPU)[0] == 0
    )
    known, plain = luma(tmp_path / "1.mp4"), luma(tmp_path / "m.mp4")
    assert np.abs(known - plain)[1::2].mean() > 1
    said = json.loads(vldm("info", tmp_path / "1.mp4", "--json")[1])
    assert said["metadata"]["settings"]["refiner_sha256"] == hashlib.sha256(refiner.read_bytes()).hexdigest()
    assert "--engine refined --refiner own.safetensors" in said["command"]


REFUSED = {
    "none there": (
        ["--engine", "refined", "--refiner", "gone.safetensors"],
        "--refiner gone.safetensors is not here",
    ),
    "no such file": (["--engine", "refined", "--refiner", "a.mp4"], "--refiner a.mp4"),
    "another engine": (["--refiner", "own.safetensors"], "--refiner is for --engine refined"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refiners_that_are_refused(vldm, tmp_path, refiner, case):
    clips.make(tmp_path, "a.mp4", frames=3)
    arguments, words = REFUSED[case]
    code, out, err = vldm("interpolate", tmp_path / "a.mp4", *CPU, *arguments)
    assert (code, out) == (2, "") and err.count("\n") == 1 and words in err
