"""Frames between those of a clip that the tiny pack made, by its own interpolation."""

import os
import shutil
import signal
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch

from tests.pipelines.extend.test_clip import Stop, interrupt
from tests.video import clips
from vldm_cli.errors import RequestError
from vldm_cli.packs.pack import Pack
from vldm_cli.packs.save import seal
from vldm_cli.pipelines.clip.run import run
from vldm_cli.pipelines.extend.job import Options
from vldm_cli.pipelines.extend.job import make_job as extend_job
from vldm_cli.pipelines.extend.run import run as run_extend
from vldm_cli.pipelines.generate.request import GenerateRequest
from vldm_cli.pipelines.generate.run import generate
from vldm_cli.pipelines.interpolate.engine import pack_for, steps_between
from vldm_cli.pipelines.interpolate.job import make_job
from vldm_cli.pipelines.interpolate.latents import InterpolateLatents
from vldm_cli.stages import denoiser
from vldm_cli.video import ffmpeg
from vldm_cli.video.clip import open_clip

KILL = """
import os, signal, sys
from pathlib import Path
from tests.pipelines.extend.test_clip import Stop
from tests.pipelines.interpolate.test_latents import job_of
from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.interpolate import diffusion as interpolate_diffusion
from vldm_cli.pipelines.clip.run import run
interpolate_diffusion.cuts_of = lambda clip, fit: []
job = job_of(Path(sys.argv[1]), Path(sys.argv[2]), Pack.open(sys.argv[3]))
stage, at = sys.argv[4].split(":")
run(job, job.clip.fingerprint(), Stop(stage, int(at), lambda: os.kill(os.getpid(), signal.SIGKILL)))
"""


def make(out, pack, frames=9, fps=6, **options):
    """A clip of the pack's whose frames are 24 / fps of its frame steps apart."""
    asked = {"upscale": False, "interpolation": 1, "seed": 5, "crf": 4, **options}
    with torch.inference_mode():
        generate(GenerateRequest("a red ball bounces", out, frames, fps=Fraction(fps), **asked), pack)
    return out


@pytest.fixture(scope="module")
def made(tiny_pack, tmp_path_factory):
    return make(tmp_path_factory.mktemp("made") / "made.mp4", tiny_pack)


@pytest.fixture(autouse=True)
def no_cuts(monkeypatch):
    """What the tiny pack makes of noise is another scene from frame to frame."""
    monkeypatch.setattr("vldm_cli.pipelines.interpolate.diffusion.cuts_of", lambda clip, fit: [])


def job_of(path, out, pack, factor=4, slow=False, **options):
    clip = open_clip(path)
    opened = pack_for(clip, "diffusion", str(pack.folder), factor)
    return make_job(clip, out, factor, slow, "cpu", crf=4, pack=opened, **options)


def coded(path):
    clip = open_clip(path)
    raw = clip.raw(rgb=False)
    return [raw.planes(frame) for frame in clip.read(0, raw)]


@pytest.mark.parametrize(("fps", "factor", "told"), [(6, 4, {1}), ("3/2", 4, {4}), ("3/2", 16, {4, 1})])
def test_between_known_frames_that_stay(tiny_pack, models, tmp_path, monkeypatch, fps, factor, told):
    path, out, steps, real = (
        make(tmp_path / "a.mp4", tiny_pack, 4, fps),
        tmp_path / "b.mp4",
        [],
        denoiser.sample,
    )
    monkeypatch.setattr(
        denoiser,
        "sample",
        lambda *a, frame_step, **k: (steps.append(frame_step), real(*a, frame_step=frame_step, **k))[1],
    )
    job = job_of(path, out, tiny_pack, factor, models=models)
    assert (
        job.seed == 5
        and job.settings["prompt"] == "a red ball bounces"
        and job.settings["engine"] == "diffusion"
    )
    result = run(job, "x")
    now = open_clip(out)
    assert result.frames == now.frames == 4 * factor and set(steps) == told
    assert now.times.fps == factor * Fraction(fps) and {"interpolate1", "decode"} <= set(result.seconds)
    was, frames = coded(path), coded(out)
    for i, old in enumerate(was):
        for a, b in zip(old, frames[i * factor], strict=True):
            assert np.abs(a.astype(int) - b.astype(int)).mean() < 1.5
    between = [
        np.abs(frames[n][0].astype(int) - frames[n - n % factor][0]).mean()
        for n in range(1, 3 * factor)
        if n % factor
    ]
    assert min(between) > 0.2, "they are made"
    held = [
        np.abs(frames[n][0].astype(int) - frames[3 * factor][0]).mean() for n in range(3 * factor, 4 * factor)
    ]
    assert max(held) < 1.5, "behind the last frame it is repeated"


def test_known_frames_go_through_as_bytes(tiny_pack, models, tmp_path, made, journal):
    job = job_of(made, tmp_path / "b.mp4", tiny_pack, models=models)
    clip, meters = job.clip, {}
    from tests.running import meter
    from vldm_cli.runs.progress import Clock

    meters = {stage: meter() for stage in (*job.calls, *job.stages)}
    frames = list(job.make(0, Clock(), journal, meters))
    assert frames[::4] == list(clip.read(0, job.raw)) and len(frames) == 36
    for start in (1, 4, 7, 30, 33, 35):
        assert list(job.make(start, Clock(), journal, meters)) == frames[start:], "wherever one starts"


def test_new_frames_have_the_colours_of_their_neighbours(tiny_pack, models, tmp_path, made):
    out = tmp_path / "b.mp4"
    run(job_of(made, out, tiny_pack, models=models), "x")
    clip = open_clip(out)
    raw = clip.raw(rgb=True)
    means = np.stack([raw.planes(f)[0].mean((0, 1)) for f in clip.read(0, raw)])
    assert np.abs(means[3:32:4] - means[4:33:4]).max() < 25


@pytest.mark.parametrize("out", ["b.mkv", "b.webm", "b.gif", "frames"])
def test_containers_and_upscaled_clips(tiny_pack, models, tmp_path, out):
    path = make(tmp_path / "a.mp4", tiny_pack, 3, upscale=True)
    job = job_of(path, tmp_path / out, tiny_pack, models=models)
    assert job.settings["upscale"] and "upscale" in job.stages
    result = run(job, "x")
    assert (result.width, result.height) == (192, 128) and open_clip(tmp_path / out).frames == 12


def test_it_upscales_by_the_pack_s_choice(tiny_pack, tmp_path):
    shutil.copytree(tiny_pack.folder, tmp_path / "tiny")
    shutil.rmtree(tmp_path / "tiny" / "upscaler_pixel")
    path = tmp_path / "tiny" / "pack.toml"
    path.write_text(path.read_text().replace('upscale_space = "pixel"', 'upscale_space = "latent"'))
    seal(tmp_path / "tiny")
    latent = Pack.open(tmp_path / "tiny")
    job = job_of(make(tmp_path / "a.mp4", latent, 3, upscale=True), tmp_path / "b.mp4", latent)
    assert job.settings["upscale"]
    run(job, "x")
    assert open_clip(tmp_path / "b.mp4").height == 128


def test_slow_keeps_the_rate(tiny_pack, models, tmp_path, made):
    out = tmp_path / "b.mp4"
    run(job_of(made, out, tiny_pack, slow=True, models=models), "x")
    assert open_clip(out).times.fps == 6
    with pytest.raises(
        RequestError, match="did not make"
    ):  # its frames are not as far apart as they are shown
        job_of(out, tmp_path / "c.mp4", tiny_pack)


def cut_in_two(tmp_path, path):
    """The same clip whose second half is another scene, with what vldm stored in it."""
    out = tmp_path / "cut.mp4"
    scene = "hflip,vflip,negate,eq=contrast=2:enable='gte(n,0)'"
    graph = f"[0:v]split[a][b];[b]{scene}[c];[a][c]overlay=enable='gte(n,5)'"
    maps = ["-lavfi", graph, "-map_metadata", "0", "-c:v", "libx264", "-crf", "2", "-r", "6"]
    ffmpeg.run(["-i", str(path), *maps, str(out)], "cutting")
    return out


def test_cuts_are_not_blended(tiny_pack, models, tmp_path, made, monkeypatch):
    path, out = cut_in_two(tmp_path, made), tmp_path / "b.mp4"
    monkeypatch.setattr("vldm_cli.pipelines.interpolate.diffusion.cuts_of", lambda clip, fit: [4])
    job = job_of(path, out, tiny_pack, models=models)
    assert job.plan["cuts"] == 1
    run(job, "x")
    y = [planes[0].astype(int) for planes in coded(out)]
    for held, of in ((17, 16), (18, 16), (19, 20)):
        assert np.abs(y[held] - y[of]).mean() < 1.5
    assert np.abs(y[18] - y[19]).mean() > 5


def test_a_cut_is_found_and_seen_by_no_window_from_both_sides(tmp_path):
    from vldm_cli.pipelines.clip.fit import Fit
    from vldm_cli.pipelines.interpolate.latents import cuts_of
    from vldm_cli.stages.windows import interval_windows

    one = clips.make(tmp_path, "a.mp4", frames=4, filters="gblur=1")
    two = clips.make(tmp_path, "b.mp4", frames=4, filters="hflip,vflip,negate,gblur=1")
    joined = tmp_path / "cut.mp4"
    ffmpeg.run(["-i", str(one), "-i", str(two), "-lavfi", "concat", *clips.H264, str(joined)], "making a cut")
    clip = open_clip(joined)
    assert cuts_of(clip, Fit.of(clip, (64, 96))) == [3]
    windows = interval_windows(7, 4, [3])
    assert [(w.start, w.stop, w.new) for w in windows] == [(0, 4, 0), (3, 5, 13), (4, 8, 17)]


def test_held_latents_do_not_depend_on_where_one_starts():
    class Held(InterpolateLatents):
        def __init__(self):
            self.factor, self.cuts = 4, {1}

    held = Held()._held(lambda start: iter(torch.arange(13.0)[start:]))
    whole = [float(z) for z in held(0)]
    assert whole == [0, 1, 2, 3, 4, 4, 4, 8, 8, 9, 10, 11, 12]
    for start in range(13):
        assert [float(z) for z in held(start)] == whole[start:]


@pytest.fixture(scope="module")
def undisturbed():
    """Where the file lies that is made if nothing happens, once it is made."""
    return {}


@pytest.mark.parametrize(
    "at", ["interpolate1:1", pytest.param("decode:6", marks=pytest.mark.long), "write:20", "join:1"]
)
def test_killed_at_any_moment_the_same_command_ends_with_the_same_bytes(
    tiny_pack, models, tmp_path, made, undisturbed, at
):
    out = tmp_path / "out.mp4"
    if "bytes" not in undisturbed:
        job = job_of(made, tmp_path / "whole.mp4", tiny_pack, models=models)
        run(job, job.clip.fingerprint())
        undisturbed["bytes"] = (tmp_path / "whole.mp4").read_bytes()
    if at == "decode:6":
        arguments = [sys.executable, "-c", KILL, made, out, tiny_pack.folder, at]
        assert subprocess.run(arguments, check=False, cwd=os.getcwd()).returncode == -signal.SIGKILL
    else:
        stage, number = at.split(":")
        job = job_of(made, out, tiny_pack, models=models)
        with pytest.raises(KeyboardInterrupt):
            run(job, job.clip.fingerprint(), Stop(stage, int(number), interrupt))
    assert not out.exists()
    job = job_of(made, out, tiny_pack, models=models)
    run(job, job.clip.fingerprint())
    assert out.read_bytes() == undisturbed["bytes"]


def test_the_engine_that_fits(tiny_pack, models, tmp_path, made):
    def why_not(path, factor=4):
        with pytest.raises(RequestError) as error:
            job_of(path, tmp_path / "o.mp4", tiny_pack, factor)
        assert pack_for(open_clip(path), "auto", str(tiny_pack.folder), factor) is None
        return str(error.value)

    assert steps_between(open_clip(made), tiny_pack.manifest) == 4
    assert pack_for(open_clip(made), "auto", str(tiny_pack.folder), 4).name == "tiny"
    assert pack_for(open_clip(made), "motion", str(tiny_pack.folder), 4) is None
    for factor in (2, 8, 16):
        assert f"--factor {factor} is none" in why_not(made, factor) and "use --factor 4, or" in why_not(
            made, factor
        )
    usual = make(tmp_path / "usual.mp4", tiny_pack, 3, 24)
    assert "1 frame steps" in why_not(usual) and "--fps 6 or 1.5" in why_not(usual)
    assert "did not make" in why_not(clips.make(tmp_path, "film.mp4", rate="6", frames=3))
    faster = tmp_path / "faster.mp4"
    ffmpeg.run(["-i", str(usual), "-vf", "setpts=4*PTS", "-r", "6", str(faster)], "telling another time")
    assert open_clip(faster).times.fps == 6 and "did not make" in why_not(faster)


def test_what_extend_and_interpolate_made_goes_on_too(tiny_pack, models, tmp_path, made):
    longer, film = tmp_path / "longer.mp4", clips.make(tmp_path, "film.mp4", rate="6", frames=3)
    for path, fits in ((made, True), (film, False)):
        job = extend_job(open_clip(path), tiny_pack, longer, Options(6, seed=1), models=models, force=True)
        run_extend(job, "x")
        opened = pack_for(open_clip(longer), "auto", str(tiny_pack.folder), 4)
        assert (opened is not None) == fits
    slow = make(tmp_path / "slow.mp4", tiny_pack, 3, "3/2")
    run(job_of(slow, tmp_path / "b.mp4", tiny_pack, models=models), "x")
    assert (
        job_of(tmp_path / "b.mp4", tmp_path / "c.mp4", tiny_pack).settings["prompt"] == "a red ball bounces"
    )


def test_generate_tells_the_model_how_far_apart_frames_are_in_time(tiny_pack, tmp_path, monkeypatch):
    """At another rate the world moves as fast as ever."""
    told, real = [], denoiser.sample
    monkeypatch.setattr(
        denoiser,
        "sample",
        lambda *a, frame_step, **k: (told.append(frame_step), real(*a, frame_step=frame_step, **k))[1],
    )
    for fps, steps in ((24, {1}), (6, {4}), ("3/2", {16})):
        told.clear()
        make(tmp_path / "a.mp4", tiny_pack, 2, fps, force=True)
        assert set(told) == steps
