"""Upscaling of a clip on the tiny pack: the command's work without the command."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.cases import some
from tests.running import meter
from tests.video import clips
from vldm_cli.errors import RequestError, RunError
from vldm_cli.packs.pack import SOURCES, UPSCALERS
from vldm_cli.pipelines.clip.run import run
from vldm_cli.pipelines.upscale.clip import UpscaleClip, shrunk
from vldm_cli.pipelines.upscale.enlarged import AHEAD
from vldm_cli.pipelines.upscale.job import Options, make_job
from vldm_cli.runs.folder import run_folder
from vldm_cli.runs.progress import NullProgress
from vldm_cli.train.data.degrade import resizing
from vldm_cli.video.clip import open_clip

KILL = """
import os, signal, sys
from pathlib import Path
from tests.pipelines.upscale.test_clip import Stop, job_of
from vldm_cli.packs.pack import Pack
from vldm_cli.pipelines.clip.run import run
job = job_of(Path(sys.argv[1]), Path(sys.argv[2]), Pack.open(sys.argv[3]))
run(job, job.clip.fingerprint(), Stop(int(sys.argv[4]), lambda: os.kill(os.getpid(), signal.SIGKILL)))
"""


class Stop(NullProgress):
    """Does something when so many frames have been written."""

    def __init__(self, at, act, stage="write"):
        self.left, self.act, self.stage = at, act, stage

    def advance(self, stage, n=1):
        if stage == self.stage:
            self.left -= n
            if self.left <= 0:
                self.act()


def job_of(path, out, pack, seed=1, models=None, scale=2, tile=32, space="pixel", **options):
    chosen = Options(scale, space, 0.1, 1, tile, seed, "cpu", "float32")
    clip = open_clip(path, keep_rotation=True)
    return make_job(clip, pack, out, chosen, crf=20, models=models, **options)


def upscaler(models, clip, scale=4, tile=32, space="pixel", **more):
    return UpscaleClip(
        clip,
        lambda: models.upscaler_in(space),
        lambda: models.upscaler_scheduler("dpm++", space),
        scale=scale,
        seed=1,
        steps=1,
        noise=0.1,
        window=4,
        overlap=1,
        tile=tile,
        **more,
    )


# Each size in both spaces and at both scales.
PAIRED = {("64x48", 2, "latent"), ("64x48", 4, "pixel"), ("36x20", 2, "pixel"), ("36x20", 4, "latent")}
PAIRED |= {("2x2", 2, "latent"), ("2x2", 4, "pixel")}


@pytest.mark.parametrize(
    ("size", "scale", "space"), some([*product(("64x48", "36x20", "2x2"), (2, 4), UPSCALERS)], PAIRED)
)
def test_frames_are_larger_and_do_not_depend_on_where_one_starts(models, tmp_path, scale, size, space):
    clip = open_clip(clips.make(tmp_path, "a.mp4", frames=7, size=size))
    source = upscaler(models, clip, scale, space=space)
    whole = list(source.frames(0, meter()))
    assert len(whole) == 7 and all(len(frame) == source.raw.bytes for frame in whole)
    assert (source.raw.height, source.raw.width) == (clip.height * scale, clip.width * scale)
    for start in (1, 4, 6):
        assert list(source.frames(start, meter())) == whole[start:]


@pytest.mark.parametrize("size", ["64x48", "40x2"])
def test_settled_frames_do_not_depend_on_where_one_starts_either(models, tmp_path, size):
    codec = ["-c:v", "ffv1"]
    clip = open_clip(clips.make(tmp_path, "a.mkv", frames=7, size=size, codec=codec))
    source = upscaler(models, clip, settled=True)
    whole = list(source.frames(0, meter()))
    assert len(whole) == 7
    for start in (1, 4, 6):
        assert list(source.frames(start, meter())) == whole[start:]


@pytest.mark.parametrize(("space", "settled"), [("pixel", True), ("latent", False)])
def test_frames_are_settled_in_the_space_in_which_that_was_measured(tiny_pack, tmp_path, space, settled):
    path = clips.make(tmp_path, "a.mp4", frames=2, size="36x20")
    made = job_of(path, tmp_path / "o.mp4", tiny_pack, space=space).make
    assert made.__self__.settled is settled


@pytest.mark.parametrize("kind", some(["plain mp4", "10 bit"], {"10 bit"}))
def test_made_ahead_in_threads_they_are_the_same(models, tmp_path, monkeypatch, kind):
    """As on a GPU."""
    source = upscaler(models, open_clip(clips.KINDS[kind](tmp_path)), 2)
    usual = list(source.frames(0, meter()))
    monkeypatch.setitem(AHEAD, "cpu", 3)
    assert list(source.frames(0, meter())) == usual
    before = threading.active_count()
    stream = source.frames(2, meter())
    assert next(stream) == usual[2]
    stream.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("stage", some(["upscale", "write"], {"upscale"}))
def test_stopped_with_threads_at_work_none_is_left(models, tmp_path, tiny_pack, monkeypatch, stage):
    monkeypatch.setitem(AHEAD, "cpu", 3)
    path, out = clips.make(tmp_path, "a.mp4", frames=40, size="36x20"), tmp_path / "out.mp4"
    before = threading.active_count()

    def interrupt():
        raise KeyboardInterrupt

    job = job_of(path, out, tiny_pack, models=models)
    with pytest.raises(KeyboardInterrupt):
        run(job, job.clip.fingerprint(), Stop(26, interrupt, stage))
    assert threading.active_count() == before
    job = job_of(path, out, tiny_pack, models=models)
    assert run(job, job.clip.fingerprint()).frames == 40


def test_frames_of_a_single_row_have_their_motion_too(models, tmp_path):
    """Detail is averaged along the motion, and a row of pixels has no slope from one to the next."""
    codec = ("-c:v", "ffv1", "-pix_fmt", "bgr0")
    clip = open_clip(clips.make(tmp_path, "a.mkv", frames=3, filters="format=rgb24,crop=40:1", codec=codec))
    assert clip.height == 1 and len(list(upscaler(models, clip).frames(0, meter()))) == 3


def test_twice_as_large_is_the_same_seen_from_further(models, tmp_path):
    """×2 is ×4, scaled down as its truth would be; values are rounded once."""
    clip = open_clip(clips.make(tmp_path, "a.mp4", frames=2, size="36x20"))
    large, small = (
        [torch.from_numpy(s.raw.planes(frame)[0].astype(np.float32)) for frame in s.frames(0, meter())]
        for s in (upscaler(models, clip, 4), upscaler(models, clip, 2))
    )
    for x, y in zip(large, small, strict=True):
        smaller = shrunk(x.permute(2, 0, 1)[None] / 127.5 - 1, 0.5)[0].permute(1, 2, 0)
        assert ((smaller + 1) * 127.5 - y).abs().max() <= 1.6  # two roundings against one


def test_shrinking_is_that_of_a_bicubic_filter():
    x = torch.rand(1, 3, 32, 48) * 2 - 1
    down, across = (torch.from_numpy(resizing("bicubic", n, 2)).float() for n in (16, 24))
    torch.testing.assert_close(shrunk(x, 0.5), (down @ x @ across.T).clamp(-1, 1), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("kind", "space"),
    some(
        [*product(("plain mp4", "10 bit", "gif"), UPSCALERS)],
        {("plain mp4", "pixel"), ("10 bit", "latent"), ("gif", "pixel")},
    ),
)
def test_colours_of_areas_are_the_clips(models, tmp_path, kind, space):
    clip = open_clip(clips.KINDS[kind](tmp_path))
    source = upscaler(models, clip, space=space)
    small = [source.read.planes(frame)[0] / source.read.peak for frame in clip.read(0, source.read)]
    large = [source.raw.planes(frame)[0] / source.raw.peak for frame in source.frames(0, meter())]
    for a, b in zip(small, large, strict=True):
        # the tiny model is untrained and noisy; clipping at pure colours moves their mean
        assert np.abs(a.mean((0, 1)) - b.mean((0, 1))).max() < 0.03


@pytest.mark.parametrize(
    "kind", ["two sounds, subtitles, chapters", "turned", "variable times", "10 bit", "odd size"]
)
def test_the_file_keeps_what_the_clip_has(models, tmp_path, tiny_pack, kind):
    path, out = clips.KINDS[kind](tmp_path), tmp_path / "out.mp4"
    job = job_of(path, out, tiny_pack, models=models)
    result = run(job, job.clip.fingerprint())
    before, after = open_clip(path), open_clip(out)
    assert (
        (after.height, after.width) == (2 * before.height, 2 * before.width) == (result.height, result.width)
    )
    ticks = [[t / c.times.clock for t in c.times.ticks] for c in (before, after)]
    assert np.abs(np.subtract(*ticks)).max() < 1e-3
    assert after.report.rotation == before.report.rotation and after.report.bits == before.report.bits
    assert len(after.report.of("audio")) == len(before.report.of("audio"))
    assert not run_folder(out).exists()


@pytest.mark.parametrize("out", ["out.mp4", "out.webm"])
def test_rgb_at_twice_the_size_needs_no_colours_in_full(tmp_path, tiny_pack, out):
    """4:2:0 there has a colour for each of the clip's pixels, and every player takes it."""
    job = job_of(clips.KINDS["rgb"](tmp_path), tmp_path / out, tiny_pack)
    assert job.look.coded == "yuv420p" and not any("4:4:4" in words for words in job.warnings)


@pytest.fixture(scope="module")
def undisturbed(models, tmp_path_factory, tiny_pack):
    """undisturbed(space) → a clip, and what becomes of it there if nothing happens."""
    folder, made = tmp_path_factory.mktemp("undisturbed"), {}
    path = clips.make(folder, "a.mp4", clips.tone(2), "-c:a", "aac", frames=40, size="36x20")

    def get(space):
        if space not in made:
            made[space] = folder / f"{space}.mp4"
            job = job_of(path, made[space], tiny_pack, models=models, space=space)
            run(job, job.clip.fingerprint())
        return path, made[space]

    return get


@pytest.mark.parametrize(
    ("at", "space"),
    [
        ("upscale:1", "pixel"),
        ("upscale:30", "pixel"),
        ("upscale:30", "latent"),
        ("join:1", "pixel"),
        ("join:2", "pixel"),
    ],
)
def test_stopped_in_each_stage_the_same_command_ends_with_the_same_bytes(
    undisturbed, models, tmp_path, tiny_pack, at, space
):
    (path, whole), out = undisturbed(space), tmp_path / "out.mp4"

    def interrupt():
        raise KeyboardInterrupt

    stage, number = at.split(":")
    job = job_of(path, out, tiny_pack, models=models, space=space)
    with pytest.raises(KeyboardInterrupt):
        run(job, job.clip.fingerprint(), Stop(int(number), interrupt, stage))
    # of a run in which nothing was finished there is nothing to keep
    assert run_folder(out).exists() == (at != "upscale:1") and out.exists() == (at == "join:2")
    job = job_of(path, out, tiny_pack, models=models, space=space)
    run(job, job.clip.fingerprint())
    assert out.read_bytes() == whole.read_bytes() and not run_folder(out).exists()


@pytest.fixture(scope="module")
def at_a_stretch(models, tmp_path_factory, tiny_pack):
    """A clip, and what becomes of it if nothing happens."""
    folder = tmp_path_factory.mktemp("stretch")
    path = clips.make(folder, "a.mp4", clips.tone(2), "-c:a", "aac", frames=52, size="36x20")
    job = job_of(path, folder / "whole.mp4", tiny_pack, models=models)
    with torch.inference_mode():
        run(job, job.clip.fingerprint())
    return path, folder / "whole.mp4"


@pytest.mark.parametrize("at", some([1, 20, 30, 50], {20, 50}))
def test_killed_at_any_moment_the_same_command_ends_with_the_same_bytes(
    at_a_stretch, models, tmp_path, tiny_pack, at
):
    (path, whole), out = at_a_stretch, tmp_path / "out.mp4"
    if at == 30:
        arguments = [sys.executable, "-c", KILL, path, out, tiny_pack.folder, str(at)]
        assert subprocess.run(arguments, check=False).returncode == -signal.SIGKILL
    else:

        def interrupt():
            raise KeyboardInterrupt

        job = job_of(path, out, tiny_pack, models=models)
        with pytest.raises(KeyboardInterrupt):
            run(job, job.clip.fingerprint(), Stop(at, interrupt))
    # frames of the first segment alone are not finished yet
    assert not out.exists() and run_folder(out).exists() == (at > 20)
    job = job_of(path, out, tiny_pack, models=models)
    run(job, job.clip.fingerprint())
    assert out.read_bytes() == whole.read_bytes() and not run_folder(out).exists()


def test_a_drawn_seed_is_the_interrupted_runs_again(models, tmp_path, tiny_pack):
    path, out = clips.make(tmp_path, "a.mp4", frames=30, size="36x20"), tmp_path / "out.mp4"

    def interrupt():
        raise KeyboardInterrupt

    job = job_of(path, out, tiny_pack, seed=None, models=models)
    with pytest.raises(KeyboardInterrupt):
        run(job, job.clip.fingerprint(), Stop(26, interrupt))
    again = job_of(path, out, tiny_pack, seed=None, models=models)
    assert again.seed == job.seed
    assert job_of(path, out, tiny_pack, seed=None, models=models, resume=False).seed != job.seed


def test_a_clip_that_vanishes_on_the_way_says_what_is_saved(models, tmp_path, tiny_pack):
    path, out = clips.make(tmp_path, "a.mp4", frames=60, size="36x20"), tmp_path / "out.mp4"
    job = job_of(path, out, tiny_pack, models=models)
    kept, fingerprint = path.read_bytes(), job.clip.fingerprint()
    os.remove(path)
    with pytest.raises(RunError, match=r"vanished or changed.*nothing was finished"):
        run(job, fingerprint)
    path.write_bytes(kept)
    job = job_of(path, out, tiny_pack, models=models)
    assert run(job, job.clip.fingerprint()).frames == 60


def test_an_existing_file_and_the_clip_itself_are_kept(models, tmp_path, tiny_pack):
    path, out = clips.make(tmp_path, "a.mp4", frames=2, size="36x20"), tmp_path / "out.mp4"
    out.write_text("precious")
    kept = path.read_bytes()
    for target, force, words in ((out, False, "exists"), (path, True, "is the clip itself")):
        with pytest.raises(RequestError, match=words):
            run(job_of(path, target, tiny_pack, models=models, force=force), "x")
    assert out.read_text() == "precious" and path.read_bytes() == kept
    run(job_of(path, out, tiny_pack, models=models, force=True), "x")
    assert open_clip(out).frames == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_says_what_is_saved(models, tmp_path, tiny_pack, monkeypatch):
    path, out = clips.make(tmp_path, "a.mp4", frames=30, size="36x20"), tmp_path / "out.mp4"
    from vldm_cli.pipelines.clip import making

    def full(*_):
        raise RunError("writing segment-000001.video failed: ffmpeg says: No space left on device")

    job = job_of(path, out, tiny_pack, models=models)
    real, calls = making.encode_frames, []

    def second_fails(*arguments):
        calls.append(1)
        return real(*arguments) if len(calls) == 1 else full()

    monkeypatch.setattr(making, "encode_frames", second_fails)
    with pytest.raises(RunError, match="No space left on device; what is finished is kept"):
        run(job, job.clip.fingerprint())
    assert not out.exists() and (run_folder(out) / "segment-000000.video").exists()


@pytest.fixture
def toyland(tmp_path, tiny_pack):
    """The tiny pack by that name, in a folder of its own."""
    manifest = replace(tiny_pack.manifest, name="toyland")
    return replace(
        tiny_pack, manifest=manifest, folder=Path(shutil.copytree(tiny_pack.folder, tmp_path / "pack"))
    )


@pytest.mark.parametrize("name", ["b.mp4", "b.webp", "b.gif", "b"])
def test_what_vldm_has_made_is_of_its_world(toyland, models, tmp_path, name):
    """In whatever kind of file; and what only speaks of vldm is not."""
    path = clips.make(tmp_path, "a.mp4", "-metadata", 'title=made with "vldm"', frames=2, size="36x20")
    job = job_of(path, tmp_path / name, toyland, models=models)
    assert any("trained on Toyland only" in words for words in job.warnings)
    run(job, job.clip.fingerprint())
    again = job_of(tmp_path / name, tmp_path / "c.mp4", toyland, models=models)
    assert not any("trained on Toyland only" in words for words in again.warnings)


def test_a_pack_that_knows_the_world_is_not_excused(tmp_path, toyland):
    """The remark that the upscaler knows Toyland only belongs to packs that name no other sources."""
    path = clips.make(tmp_path, "a.mp4", frames=2, size="36x20")
    said = job_of(path, tmp_path / "o.mp4", toyland).warnings
    assert any("trained on Toyland only" in words for words in said)
    toyland.path(SOURCES).write_text("file,licence\n")
    assert job_of(path, tmp_path / "o.mp4", toyland).warnings == []


def test_memory_running_out_names_the_remedy(models, tmp_path, tiny_pack, monkeypatch):
    job = job_of(
        clips.make(tmp_path, "a.mp4", frames=2, size="36x20"), tmp_path / "o.mp4", tiny_pack, models=models
    )

    def starve(*_, **__):
        raise torch.OutOfMemoryError("no more")

    monkeypatch.setattr("vldm_cli.pipelines.upscale.clip.sample", starve)
    with pytest.raises(RunError, match=r"memory ran out .*smaller --tile"):
        run(job, "x")


def test_preview_shows_the_frames(models, tmp_path, tiny_pack):
    from PIL import Image

    job = job_of(
        clips.make(tmp_path, "a.mp4", frames=5),
        tmp_path / "o.mp4",
        tiny_pack,
        models=models,
        preview=tmp_path / "p.png",
    )
    run(job, "x")
    with Image.open(tmp_path / "p.png") as sheet:
        assert sheet.size == (4 * 256, 2 * 192)


def test_what_stands_still_is_asked_for_alike_in_every_frame(models, tmp_path, monkeypatch):
    """All frames have the same noise, in the sample and in the input: where nothing moves, it makes nothing flicker."""
    path = clips.make(tmp_path, "a.mp4", frames=9, size="64x48", filters="drawbox=c=gray:t=fill")
    asked = []

    def listening(model, scheduler, noise_BTCHW, *, extra_BTCHW, **_):
        asked.append((noise_BTCHW, extra_BTCHW))
        return torch.zeros_like(noise_BTCHW)

    monkeypatch.setattr("vldm_cli.pipelines.upscale.clip.sample", listening)
    source = upscaler(models, open_clip(path), tile=64)
    assert source.noise and len(source.windows) > 1
    assert len(list(source.frames(0, meter()))) == 9
    for what in zip(*asked, strict=True):
        x_NCHW = torch.cat([x_BTCHW[0] for x_BTCHW in what])
        assert x_NCHW[0].std() > 0.05 and torch.equal(x_NCHW, x_NCHW[:1].expand_as(x_NCHW))


def test_tiles_that_disagree_leave_no_seams(models, tmp_path, monkeypatch):
    path = clips.make(tmp_path, "a.mp4", frames=1, size="120x88", filters="drawbox=c=gray:t=fill")
    calls = []

    def disagreeing(model, scheduler, noise_BTCHW, **_):
        calls.append(1)
        return torch.full_like(noise_BTCHW, 0.5 if len(calls) % 2 else -0.5)

    monkeypatch.setattr("vldm_cli.pipelines.upscale.clip.sample", disagreeing)
    source = upscaler(models, open_clip(path), tile=32)
    image = source.raw.planes(next(source.frames(0, meter())))[0].astype(int)
    assert len(calls) == len(source.tiles.places) >= 12
    # side by side the tiles would differ by 2 · 0.5 / 6 · 127 = 21
    assert max(np.abs(np.diff(image, axis=axis)).max() for axis in (0, 1)) <= 5


@pytest.mark.parametrize("space", UPSCALERS)
def test_a_frame_in_tiles_has_no_steps_that_a_whole_one_has_not(models, tmp_path, space):
    path = clips.make(tmp_path, "a.mp4", frames=1, size="120x88", filters="drawbox=c=gray:t=fill")
    steps = []
    for tile in (32, 128):
        source = upscaler(models, open_clip(path), tile=tile, space=space)
        image = source.raw.planes(next(source.frames(0, meter())))[0].astype(float)
        across, down = (np.abs(np.diff(image, axis=axis)) for axis in (1, 0))
        steps.append(max(across.mean((0, 2)).max(), down.mean((1, 2)).max()))
    assert steps[1] > 1 and steps[0] < 1.2 * steps[1]
