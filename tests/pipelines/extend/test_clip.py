"""Continuing a clip on the tiny pack: the command's work without the command."""

import os
import signal
import subprocess
import sys
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch

from tests.cases import some
from tests.video import clips
from vldm_cli.errors import RunError
from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.clip.fit import Fit
from vldm_cli.pipelines.extend.job import Options, frame_ticks, longer, make_job
from vldm_cli.pipelines.extend.run import run
from vldm_cli.pipelines.generate.request import GenerateRequest
from vldm_cli.pipelines.generate.run import generate
from vldm_cli.pipelines.generate.tail import context_of
from vldm_cli.runs.folder import run_folder
from vldm_cli.runs.progress import NullProgress
from vldm_cli.stages.models import Models
from vldm_cli.video.clip import open_clip
from vldm_cli.video.probe import inspect
from vldm_cli.video.times import constant

KILL = """
import os, signal, sys
from pathlib import Path
from tests.pipelines.extend.test_clip import Stop, job_of
from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.extend.run import run
job = job_of(Path(sys.argv[1]), Path(sys.argv[2]), Pack.open(sys.argv[3]))
stage, at = sys.argv[4].split(":")
run(job, job.clip.fingerprint(), Stop(stage, int(at), lambda: os.kill(os.getpid(), signal.SIGKILL)))
"""
MILD = "eq=saturation=0.4:contrast=0.5"  # colours that 4:2:0 holds


class Stop(NullProgress):
    """Does something when a stage has come so far."""

    def __init__(self, stage, at, act):
        self.stage, self.left, self.act = stage, at, act

    def advance(self, stage, n=1):
        if stage == self.stage:
            self.left -= n
            if self.left <= 0:
                self.act()


def interrupt():
    raise KeyboardInterrupt


def job_of(path, out, pack, frames=30, models=None, fps=None, only_new=False, seed=1, prompt=None, **options):
    chosen = Options(frames=frames, seed=seed, only_new=only_new, prompt=prompt)
    return make_job(open_clip(path, fps=fps), pack, out, chosen, models=models, **options)


def extended(path, out, pack, **options):
    job = job_of(path, out, pack, **options)
    return run(job, job.clip.fingerprint())


def rgb(path, start=0):
    """The frames (T, H, W, 3) as floats from 0 to 255."""
    clip = open_clip(path)
    raw = clip.raw(rgb=True)
    return np.stack([raw.planes(frame)[0] * (255 / raw.peak) for frame in clip.read(start, raw)])


def coded(path, count):
    clip = open_clip(path)
    raw = clip.raw(rgb=False)
    frames = [raw.planes(frame) for _, frame in zip(range(count), clip.read(0, raw), strict=False)]
    return [np.stack([frame[i] for frame in frames]).astype(float) for i in range(len(frames[0]))]


@pytest.fixture(scope="module")
def made(tiny_pack, tmp_path_factory):
    """A video of 33 frames that the tiny pack made."""
    out = tmp_path_factory.mktemp("made") / "made.mp4"
    with torch.inference_mode():
        generate(GenerateRequest("a red ball bounces", out, 33, seed=7, crf=20, upscale=False), tiny_pack)
    return out


@pytest.mark.parametrize(
    ("frames", "rate", "step", "context"),
    [
        *((100, 24, 16, 2), (17, 24, 16, 2), (16, 24, 4, 2), (5, 24, 4, 2), (4, 24, 1, 2), (2, 24, 1, 2)),
        *((1, 24, 16, 1), (100, 30, 16, 2), (100, 60, 16, 2), (100, 8, 4, 2), (100, 1, 1, 2), (1, 1, 1, 1)),
    ],
)
def test_context_is_as_far_apart_as_clip_and_rate_allow(frames, rate, step, context):
    assert context_of(frames, 24 / rate, 16, 2) == (step, context)


def test_times_go_on():
    film = constant(10, Fraction(24000, 1001))
    assert longer(film, 5) == constant(15, Fraction(24000, 1001))
    assert longer(film, 5, only_new=True) == constant(5, Fraction(24000, 1001))
    one = constant(1, Fraction(30))
    assert longer(one, 3).fps == 30 and frame_ticks(one) == one.end


RATES = {"plain mp4": 24, "one frame": 24, "23.976": None, "10 bit": 24, "gif": 10}


@pytest.mark.parametrize(
    ("kind", "frames"),
    some([*product(RATES, (1, 18))], {*product(RATES, (18,)), ("plain mp4", 1), ("one frame", 1)}),
)
def test_exactly_so_many_frames_more(models, tmp_path, tiny_pack, kind, frames):
    path, out = clips.KINDS[kind](tmp_path), tmp_path / "out.mp4"
    before = open_clip(path)
    result = extended(path, out, tiny_pack, models=models, frames=frames)
    after = open_clip(out)
    assert result.frames == after.frames == before.frames + frames
    assert (after.width, after.height) == (before.width, before.height) == (result.width, result.height)
    assert after.times.fps == before.times.fps == (RATES[kind] or Fraction(24000, 1001))
    assert after.times.seconds == before.times.seconds + frames / before.times.fps
    assert inspect(out).bits == (10 if kind == "10 bit" else 8)


@pytest.mark.parametrize("kind", ["variable times", "turned", "odd size", "pixels that are not square"])
def test_the_clips_own_frames_stay(models, tmp_path, tiny_pack, kind):
    path, out = clips.KINDS[kind](tmp_path), tmp_path / "out.mp4"
    before = open_clip(path)
    extended(path, out, tiny_pack, models=models, frames=3)
    after = open_clip(out)
    scale = Fraction(after.times.clock, before.times.clock)
    shown = [tick * scale for tick in before.times.ticks]
    assert list(after.times.ticks[: before.frames]) == shown and after.look.sar == before.look.sar
    assert after.report.rotation == before.report.rotation
    if kind != "odd size":  # stored in full colours there
        for old, new in zip(coded(path, before.frames), coded(out, before.frames), strict=True):
            assert ((old - new) ** 2).mean() < 6  # crf 16 and no model


@pytest.mark.parametrize("turn", ["turned", "turned mov", "upside down"])
def test_the_model_sees_what_a_player_shows(tmp_path, turn):
    clip = open_clip(clips.KINDS[turn](tmp_path))
    shown = open_clip(clip.path, keep_rotation=False)
    assert clip.report.rotation and shown.upright
    seen = []
    for one in (clip, shown):
        raw = one.raw(rgb=True)
        frame = torch.from_numpy(raw.planes(next(one.read(0, raw)))[0].astype(np.float32))
        seen.append(Fit.of(one, (160, 256)).to_model(frame.permute(2, 0, 1)[None] / 127.5 - 1))
    assert (seen[0] - seen[1]).abs().mean() < 0.02 < (seen[0].flip(-1) - seen[1]).abs().mean()


def test_what_vldm_made_is_copied_packet_by_packet(models, tmp_path, tiny_pack, made):
    out = tmp_path / "out.mp4"
    job = job_of(made, out, tiny_pack, models=models, seed=None)
    assert job.copied and job.crf == 20 and job.seed == 7 and job.settings["prompt"] == "a red ball bounces"
    result = run(job, job.clip.fingerprint())
    assert result.warnings == [] and clips.packets(out)[:33] == clips.packets(made)
    assert np.array_equal(rgb(out)[:33], rgb(made)) and open_clip(out).times.constant
    # and once more, and with another quality, which cannot be copied
    again = extended(out, tmp_path / "again.mp4", tiny_pack, models=models, frames=2)
    assert again.frames == 65 and clips.packets(tmp_path / "again.mp4")[:63] == clips.packets(out)
    other = make_job(open_clip(made), tiny_pack, tmp_path / "o.mp4", Options(frames=1, crf=30), models=models)
    assert not other.copied and any("encoded once more (crf 30)" in words for words in other.warnings)


def test_noise_goes_on_where_the_clip_ends(models, tmp_path, tiny_pack, made, monkeypatch):
    from vldm_cli.stages import denoiser

    drawn, real = {}, denoiser.frame_noise

    def noise(seed, stage, frames, shape, shared=0.0):
        drawn.setdefault(stage, []).extend(frames)
        return real(seed, stage, frames, shape)

    monkeypatch.setattr(denoiser, "frame_noise", noise)
    extended(made, tmp_path / "out.mp4", tiny_pack, models=models, frames=17)
    # 33 frames: 16 and 32 are known, and the first new keyframe is the one that a longer video has there
    assert drawn["keyframes"] == [16, 32, 48, 64]
    assert min(drawn["interpolate4"]) == 32 and min(drawn["interpolate1"]) == 32


@pytest.mark.parametrize("rate", ["24", "30", "60", "8"])
def test_the_model_is_told_the_trained_step_nearest_in_time(models, tmp_path, tiny_pack, rate, monkeypatch):
    from vldm_cli.stages import denoiser

    told, real = [], denoiser.sample
    monkeypatch.setattr(
        denoiser,
        "sample",
        lambda *a, frame_step, **k: (told.append(frame_step), real(*a, frame_step=frame_step, **k))[1],
    )
    path = clips.make(tmp_path, "a.mp4", rate=rate, frames=20)
    extended(path, tmp_path / "out.mp4", tiny_pack, models=models, frames=4)
    assert told[0] == {"24": 16, "30": 16, "60": 4, "8": 16}[rate] and set(told) <= {1, 4, 16}


@pytest.mark.parametrize("only_new", [False, True])
def test_the_join_has_no_jump_in_brightness_or_colour(models, tmp_path, tiny_pack, only_new):
    path, out = clips.make(tmp_path, "a.mp4", filters=MILD, frames=20), tmp_path / "out.mp4"
    job = job_of(path, out, tiny_pack, models=models, only_new=only_new)
    run(job, job.clip.fingerprint())
    last, first = rgb(path)[-1], rgb(out, 0 if only_new else 20)[0]
    assert np.abs(last.mean((0, 1)) - first.mean((0, 1))).max() < 1.5
    assert np.abs(last.std((0, 1)) / first.std((0, 1)) - 1).max() < 0.25
    new = rgb(out, 0 if only_new else 20)
    # what the tiny model made of it is far from the clip, and nothing on the way there is a jump either
    means = new.mean((1, 2))
    assert np.abs(means[-1] - means[0]).max() > 3
    assert np.abs(np.diff(means, axis=0)).max() < 12


def test_sound_is_kept_and_silence_follows(models, tmp_path, tiny_pack):
    path, out = clips.KINDS["two sounds, subtitles, chapters"](tmp_path), tmp_path / "out.mp4"
    result = extended(path, out, tiny_pack, models=models, frames=30)
    report = inspect(out)
    assert [s.codec for s in report.of("audio")] == ["aac", "flac"] and len(report.of("subtitle")) == 1
    assert [s.language for s in report.of("audio")] == ["eng", "fra"] and report.chapters == 2
    assert report.metadata["title"] == "A=b; c # d" and result.frames == 50
    clips.copy(path, tmp_path / "copy.mp4")
    for number in (0, 1):
        old = clips.samples(tmp_path / "copy.mp4", f"0:a:{number}")
        new = clips.samples(out, f"0:a:{number}")
        assert abs(len(new) / 44100 - 50 / 24) < 0.001
        assert np.array_equal(new[: len(old) - 2000], old[:-2000]) and np.abs(new[-4000:]).max() < 4


def test_only_new_has_nothing_else(models, tmp_path, tiny_pack):
    path, out = clips.KINDS["two sounds, subtitles, chapters"](tmp_path), tmp_path / "out.mp4"
    result = extended(path, out, tiny_pack, models=models, frames=9, only_new=True)
    report = inspect(out)
    assert result.frames == open_clip(out).frames == 9 and result.warnings == []
    assert not report.of("audio") and not report.of("subtitle") and not report.chapters
    both = tmp_path / "both.mp4"
    extended(path, both, tiny_pack, models=models, frames=9)
    assert np.abs(rgb(both, 20) - rgb(out)).mean() < 1  # the same new frames


@pytest.mark.parametrize("out", ["out.mov", "out.mkv", "out.webm", "out.gif", "out.webp", "frames"])
def test_other_containers(models, tmp_path, tiny_pack, out):
    path = clips.make(tmp_path, "a.mp4", clips.tone(), "-c:a", "aac", frames=6, filters=MILD)
    result = extended(path, tmp_path / out, tiny_pack, models=models, frames=5)
    assert result.frames == open_clip(tmp_path / out).frames == 11
    silent = any("holds no sound" in words for words in result.warnings)
    assert silent == (out in ("out.gif", "out.webp", "frames"))
    if not silent:
        rate = 48_000 if out == "out.webm" else 44_100
        assert abs(len(clips.samples(tmp_path / out)) / rate - 11 / 24) < 0.03


def test_what_vldm_made_is_copied_into_other_containers(models, tmp_path, tiny_pack, made):
    for suffix in (".mov", ".mkv"):
        out = tmp_path / f"out{suffix}"
        job = job_of(made, out, tiny_pack, models=models, frames=3)
        assert job.copied
        run(job, job.clip.fingerprint())
        a, b = ([row[2] for row in clips.packets(path, decode=True)[:33]] for path in (made, out))
        assert a == b and open_clip(out).times.fps == 24 and open_clip(out).frames == 36
        again = job_of(out, tmp_path / f"again{suffix}", tiny_pack, models=models, frames=2)
        assert again.copied and again.settings["prompt"] == "a red ball bounces"


def test_a_webm_of_vp9_is_copied(models, tmp_path, tiny_pack):
    path, out = clips.KINDS["23.976 in webm"](tmp_path), tmp_path / "out.webm"
    result = extended(path, out, tiny_pack, models=models, frames=5)
    assert result.warnings == [] and open_clip(out).times.fps == Fraction(24000, 1001)
    assert [crc for *_, crc in clips.packets(out)[:12]] == [crc for *_, crc in clips.packets(path)]


def test_a_folder_of_pictures_goes_on(models, tmp_path, tiny_pack):
    from PIL import Image

    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(np.full((20, 30, 3), 60 * number, np.uint8)).save(folder / f"{number}.png")
    extended(folder, tmp_path / "out", tiny_pack, models=models, frames=2, fps=Fraction(12))
    pixels = [np.array(Image.open(tmp_path / "out" / f"{n:06d}.png")) for n in range(5)]
    assert all((pixels[number] == 60 * number).all() for number in range(3))
    assert pixels[4].shape == (20, 30, 3) and open_clip(tmp_path / "out").times.fps == 12


@pytest.fixture(scope="module")
def at_a_stretch(models, tmp_path_factory, tiny_pack):
    """A clip, and what it is extended to if nothing happens."""
    folder = tmp_path_factory.mktemp("stretch")
    path = clips.make(folder, "a.mp4", clips.tone(), "-c:a", "aac", frames=26)
    with torch.inference_mode():
        extended(path, folder / "whole.mp4", tiny_pack, models=models)
    return path, folder / "whole.mp4"


@pytest.mark.parametrize(
    ("at", "killed"),
    [
        *((at, False) for at in ("keyframes:1", "interpolate1:1", "upscale:20", "write:40", "join:1")),
        pytest.param("interpolate1:1", True, marks=pytest.mark.long),
    ],
)
def test_killed_at_any_moment_the_same_command_ends_with_the_same_bytes(
    at_a_stretch, models, tmp_path, tiny_pack, at, killed
):
    (path, whole), out = at_a_stretch, tmp_path / "out.mp4"
    if killed:
        arguments = [sys.executable, "-c", KILL, path, out, tiny_pack.folder, at]
        assert subprocess.run(arguments, check=False).returncode == -signal.SIGKILL
    else:
        stage, number = at.split(":")
        job = job_of(path, out, tiny_pack, models=models)
        with pytest.raises(KeyboardInterrupt):
            run(job, job.clip.fingerprint(), Stop(stage, int(number), interrupt))
    assert not out.exists() and run_folder(out).exists()
    extended(path, out, tiny_pack, models=models)
    assert out.read_bytes() == whole.read_bytes() and not run_folder(out).exists()


def test_going_on_makes_nothing_twice(models, tmp_path, tiny_pack, made, monkeypatch):
    from vldm_cli.stages import denoiser

    out, calls, real = tmp_path / "out.mp4", [], denoiser.sample
    monkeypatch.setattr(denoiser, "sample", lambda *a, **k: (calls.append(1), real(*a, **k))[1])
    job = job_of(made, out, tiny_pack, models=models)
    with pytest.raises(KeyboardInterrupt):
        run(job, job.clip.fingerprint(), Stop("write", 30, interrupt))
    before = len(calls)
    extended(made, out, tiny_pack, models=models)
    assert len(calls) == before > 0 and clips.packets(out)[:33] == clips.packets(made)


def test_a_drawn_seed_is_the_interrupted_runs_again(models, tmp_path, tiny_pack):
    path, out = clips.make(tmp_path, "a.mp4", frames=3), tmp_path / "out.mp4"
    job = job_of(path, out, tiny_pack, models=models, seed=None)
    with pytest.raises(KeyboardInterrupt):
        run(job, job.clip.fingerprint(), Stop("write", 2, interrupt))
    assert job_of(path, out, tiny_pack, models=models, seed=None).seed == job.seed
    assert job_of(path, out, tiny_pack, models=models, seed=None, resume=False).seed != job.seed


def test_a_clip_that_vanishes_on_the_way_says_what_is_saved(models, tmp_path, tiny_pack):
    path, out = clips.make(tmp_path, "a.mp4", frames=30), tmp_path / "out.mp4"
    job = job_of(path, out, tiny_pack, models=models)
    kept, fingerprint = path.read_bytes(), job.clip.fingerprint()
    os.remove(path)
    with pytest.raises(RunError, match=r"vanished or changed.*nothing was finished"):
        run(job, fingerprint)
    path.write_bytes(kept)
    assert extended(path, out, tiny_pack, models=models).frames == 60


def test_memory_running_out_names_the_remedy(models, tmp_path, tiny_pack, made, monkeypatch):
    def starve(*_, **__):
        raise torch.OutOfMemoryError("no more")

    monkeypatch.setattr("vldm_cli.stages.denoiser.sample", starve)
    with pytest.raises(RunError, match=r"memory ran out in the stage keyframes on cpu; .*--dtype"):
        extended(made, tmp_path / "out.mp4", tiny_pack, models=models)


def test_metadata_that_cannot_be_is_not_believed(models, tmp_path, tiny_pack):
    words = '{"vldm": "1", "prompt": 3, "seed": -1, "pack": {"name": "tiny"}, "settings": '
    words += (
        '{"guidance": "NaN", "height": 33, "width": true, "crf": 99, "keyframe_steps": 0, "prompt": null}}'
    )
    path = clips.make(tmp_path, "a.mp4", "-metadata", f"comment={words}", frames=2)
    job = job_of(path, tmp_path / "out.mp4", tiny_pack, models=models, frames=1)
    assert (job.crf, job.settings["prompt"], job.settings["height"]) == (16, "", 32)
    assert run(job, "x").frames == 3


def test_the_size_at_which_a_clip_was_made_is_used_again(tmp_path, tiny_pack):
    models = Models(Pack.open(tiny_pack.folder))
    out = tmp_path / "wide.mp4"
    generate(GenerateRequest("a cube", out, 2, seed=1, size=(32, 64)), tiny_pack, models=models)
    job = job_of(out, tmp_path / "o.mp4", tiny_pack, models=models, frames=2)
    assert (job.settings["height"], job.settings["width"], job.settings["upscale"]) == (32, 64, True)
    assert run(job, "x").width == 256
