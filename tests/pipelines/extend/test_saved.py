"""Going on from the latents that a video keeps of its last frames, on the tiny pack."""

import json
from fractions import Fraction

import numpy as np
import pytest
import torch

from tests.pipelines.extend.test_clip import Stop, extended, interrupt, job_of, rgb
from tests.video import clips
from vldm_cli.pipelines.extend.run import run
from vldm_cli.pipelines.generate.request import GenerateRequest
from vldm_cli.pipelines.generate.run import generate
from vldm_cli.pipelines.generate.tail import restored
from vldm_cli.stages.models import Models
from vldm_cli.video import ffmpeg
from vldm_cli.video.clip import open_clip
from vldm_cli.video.comment import commented
from vldm_cli.video.made import made_by

SHAPE = (4, 4, 6)  # latents of the tiny pack's 32×48 pixels


def make(out, pack, frames=33, upscale=False, **options):
    with torch.inference_mode():
        generate(GenerateRequest("a red ball bounces", out, frames, seed=7, upscale=upscale, **options), pack)
    return out


@pytest.fixture(scope="module")
def made(tiny_pack, tmp_path_factory):
    return make(tmp_path_factory.mktemp("made") / "made.mp4", tiny_pack)


@pytest.fixture
def blind(tiny_pack, monkeypatch):
    """Models that cannot encode a frame."""
    models = Models(tiny_pack)

    def refuse(*_):
        raise AssertionError("a frame was encoded")

    monkeypatch.setattr(models.decoder, "encode", refuse)
    return models


def kept_in(path):
    """The latents of a file by their frames' numbers, whatever they are."""
    clip, table = open_clip(path), made_by(open_clip(path))["latents"]
    size = (clip.height, clip.width)
    return restored(table, table["of"], clip.frames, size, tuple(table["shape"]))


def retold(made, out, change):
    """The same video with other metadata."""
    metadata = made_by(open_clip(made))
    change(metadata)
    with commented(out, "comment", json.dumps(metadata)) as words:
        maps = ["-map", "0:v", "-map_metadata", "1", "-c", "copy"]
        ffmpeg.run(["-i", str(made), *words, *maps, str(out)], "telling otherwise")
    return out


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm", "gif", "webp", "png"])
def test_every_container_of_video_keeps_them(tiny_pack, models, tmp_path, suffix):
    out = make(tmp_path / ("frames" if suffix == "png" else f"a.{suffix}"), tiny_pack, 18)
    job = job_of(out, tmp_path / "b.mp4", tiny_pack, frames=2, models=models)
    there = suffix in ("mp4", "mov", "mkv", "webm")
    assert job.settings["context_from"] == job.plan["context_from"] == ("latents" if there else "frames")
    assert ("latents" in made_by(open_clip(out))) == there
    if there:
        assert sorted(kept_in(out)) == [1, 15, 16, 17]


@pytest.mark.parametrize("upscale", [False, True])
def test_what_vldm_made_is_never_encoded_again(tiny_pack, blind, tmp_path, upscale):
    made = make(tmp_path / "a.mp4", tiny_pack, 18, upscale)
    out, again = tmp_path / "b.mp4", tmp_path / "c.mp4"
    assert extended(made, out, tiny_pack, models=blind, frames=18).frames == 36
    assert extended(out, again, tiny_pack, models=blind, frames=17).frames == 53
    only = job_of(again, tmp_path / "d.mp4", tiny_pack, models=blind, frames=20, only_new=True)
    assert only.settings["context_from"] == "latents" and run(only, "x").frames == 20
    assert sorted(kept_in(tmp_path / "d.mp4")) == [3, 17, 18, 19]


def test_generating_and_extending_is_generating_more(tiny_pack, models, tmp_path):
    """Noise, time grid and context of the keyframes are those of the longer video, but for 16 bits."""
    longer = make(tmp_path / "longer.mp4", tiny_pack, 209)
    made = make(tmp_path / "made.mp4", tiny_pack, 113)
    extended(made, tmp_path / "out.mp4", tiny_pack, models=models, frames=96, seed=None)
    one, other = kept_in(longer), kept_in(tmp_path / "out.mp4")
    for frame in (192, 208):
        assert one[frame].std() > 0.1 and (one[frame] - other[frame]).abs().max() < 0.02


def test_a_short_addition_keeps_what_the_next_one_needs(tiny_pack, models, tmp_path, made):
    out = tmp_path / "out.mp4"
    extended(made, out, tiny_pack, models=models, frames=3)
    assert sorted(kept_in(out)) == [19, 33, 34, 35]
    job = job_of(out, tmp_path / "again.mp4", tiny_pack, models=models, frames=20)
    assert job.settings["context_from"] == "latents" and run(job, "x").frames == 56


def test_another_clip_that_goes_on_is_encoded_once(tiny_pack, models, blind, tmp_path):
    path = clips.make(tmp_path, "a.mp4", frames=20, size="48x32")
    job = job_of(path, tmp_path / "b.mp4", tiny_pack, models=models, frames=20)
    assert job.settings["context_from"] == "frames"
    run(job, "x")
    assert job_of(tmp_path / "b.mp4", tmp_path / "c.mp4", tiny_pack).settings["context_from"] == "latents"
    extended(tmp_path / "b.mp4", tmp_path / "c.mp4", tiny_pack, models=blind, frames=17)


def test_the_decoder_sees_known_frames_before_the_first_new_one(tiny_pack, models, tmp_path, made):
    """So what stands in the place of the clip's last frames is what is there."""
    job = job_of(made, tmp_path / "o.mp4", tiny_pack, models=models, frames=12)
    assert job.source.plan.run_up == 2
    seen, real = [], models.decoder.decode

    def decode(z_BTCHW):
        seen.append(z_BTCHW[0].clone())
        return real(z_BTCHW)

    models.decoder.decode = decode
    try:
        run(job, "x")
    finally:
        del models.decoder.decode
    kept = kept_in(made)
    assert torch.equal(seen[0][:3], torch.stack([kept[n] for n in (30, 31, 32)]))


def test_the_join_shows_no_jump(tiny_pack, models, tmp_path, made):
    out = tmp_path / "out.mp4"
    extended(made, out, tiny_pack, models=models, frames=20, seed=None)
    steps = np.abs(np.diff(rgb(out).mean((1, 2)), axis=0)).max(1)
    assert steps[32] < 12


def test_another_pack_or_another_cut_is_encoded(tiny_pack, models, tmp_path, made):
    def context_from(path):
        job = job_of(path, tmp_path / "o.mp4", tiny_pack, models=models, frames=2)
        assert not any("latents" in words for words in job.warnings)
        return job.settings["context_from"]

    shorter = tmp_path / "shorter.mp4"
    ffmpeg.run(["-i", str(made), "-frames:v", "30", "-c", "copy", str(shorter)], "cutting")
    assert open_clip(shorter).frames == 30 and context_from(shorter) == "frames"
    smaller = tmp_path / "smaller.mp4"
    ffmpeg.run(["-i", str(made), "-vf", "scale=24:16", str(smaller)], "scaling")
    assert context_from(smaller) == "frames"
    other = retold(made, tmp_path / "other.mp4", lambda m: m["pack"].update(hash="0" * 64))
    assert context_from(other) == "frames"
    slower = retold(made, tmp_path / "fewer.mp4", lambda m: m["latents"].update(of=[0, 1, 2, 3]))
    assert context_from(slower) == "frames"
    assert context_from(made) == "latents"


BAD = {
    "truncated": lambda t: t.update(data=t["data"][:-40]),
    "no base64": lambda t: t.update(data="é" * 8),
    "no text": lambda t: t.update(data=[1]),
    "empty": lambda t: t.update(data=""),
    "flipped": lambda t: t.update(data=t["data"][:60] + "AAAA" + t["data"][64:]),
    "another shape": lambda t: t.update(shape=[4, 8, 3]),
    "too many": lambda t: t.update(of=list(range(10_000))),
    "no frames": lambda t: t.update(of="16, 32"),
    "fewer": lambda t: t.update(of=[*t["of"], 3]),
}


@pytest.mark.parametrize("case", BAD)
def test_damaged_ones_draw_one_warning(tiny_pack, models, tmp_path, made, case):
    bad = retold(made, tmp_path / "bad.mp4", lambda m: BAD[case](m["latents"]))
    job = job_of(bad, tmp_path / "out.mp4", tiny_pack, models=models, frames=2)
    (words,) = job.warnings
    assert (
        "latents kept in" in words and "encoded again" in words and job.settings["context_from"] == "frames"
    )
    assert run(job, "x").frames == 35


@pytest.mark.parametrize("latents", ["text", 3, None, {}, {"frames": 33}, {"frames": True}])
def test_what_is_no_such_thing_is_passed_over(tiny_pack, models, tmp_path, made, latents):
    odd = retold(made, tmp_path / "odd.mp4", lambda m: m.update(latents=latents))
    job = job_of(odd, tmp_path / "out.mp4", tiny_pack, models=models, frames=2)
    assert job.settings["context_from"] == "frames" and len(job.warnings) <= 1


@pytest.fixture(scope="module")
def whole(tiny_pack, models, tmp_path_factory, made):
    """What that video is extended to if nothing happens."""
    out = tmp_path_factory.mktemp("whole") / "whole.mp4"
    with torch.inference_mode():
        extended(made, out, tiny_pack, models=models)
    return out


@pytest.mark.parametrize("at", ["keyframes:1", "decode:6", "write:10", "join:1"])
def test_stopped_at_any_moment_it_ends_with_the_same_bytes(tiny_pack, models, tmp_path, made, whole, at):
    out = tmp_path / "out.mp4"
    stage, number = at.split(":")
    job = job_of(made, out, tiny_pack, models=models)
    with pytest.raises(KeyboardInterrupt):
        run(job, job.clip.fingerprint(), Stop(stage, int(number), interrupt))
    extended(made, out, tiny_pack, models=models)
    assert out.read_bytes() == whole.read_bytes()


def test_at_another_rate_the_step_is_another(tiny_pack, models, tmp_path):
    made = make(tmp_path / "a.mp4", tiny_pack, 20, fps=Fraction(60))
    job = job_of(made, tmp_path / "o.mp4", tiny_pack, models=models, frames=2)
    assert job.settings["context_from"] == "latents" and sorted(kept_in(made)) == [3, 17, 18, 19]
