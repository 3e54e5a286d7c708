"""The whole chain on the tiny pack: exact counts, resuming after being killed anywhere, refusals."""

import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image

from vldm_cli.denoise.times import EVEN, Times
from vldm_cli.errors import RequestError, RunError
from vldm_cli.pipelines.generate import compose, making
from vldm_cli.pipelines.generate.request import GenerateRequest
from vldm_cli.pipelines.generate.run import generate
from vldm_cli.runs.aside import WAITING
from vldm_cli.runs.progress import NullProgress
from vldm_cli.stages.models import Models
from vldm_cli.video.ffmpeg import ffmpeg_exe

# stage → units after which the process is killed; 49 frames are three segments
KILLS = {
    "keyframes": 1,
    "interpolate1": 2,
    "upscale": 40,
    "write": 30,
    "join": 1,
    "delivered": 2,
}


def ask(out, **options):
    return GenerateRequest(**{"prompt": "a red ball", "out": out, "frames": 49, "seed": 3, **options})


def count_frames(path):
    """What ffmpeg decodes: frames, and the duration in seconds that it prints."""
    command = [ffmpeg_exe(), "-i", str(path), "-map", "0:v", "-f", "null", "-"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    hours, minutes, seconds = re.search(r"Duration: (\d+):(\d+):([\d.]+)", said).groups()
    return int(re.findall(r"frame=\s*(\d+)", said)[-1]), int(hours) * 3600 + int(minutes) * 60 + float(
        seconds
    )


class Recorder(NullProgress):
    def __init__(self):
        self.totals, self.done, self.segments = {}, {}, []

    def start(self, stage, total):
        assert stage not in self.totals
        self.totals[stage] = total
        self.done[stage] = 0

    def advance(self, stage, n=1):
        self.done[stage] += n

    def finished(self, segment_frames):
        self.segments.append((segment_frames, self.done["write"]))


@pytest.fixture(scope="module")
def whole(tiny_pack, tmp_path_factory):
    """The video of `ask`, made without interruption."""
    out = tmp_path_factory.mktemp("whole") / "ball.mp4"
    return generate(ask(out), tiny_pack, Recorder())


@pytest.mark.parametrize("frames", [1, 2, 7, 25, 49, 240, 241])
def test_exact_frame_counts(tiny_pack, models, tmp_path, frames):
    progress = Recorder()
    request = ask(tmp_path / "ball.mp4", frames=frames, upscale=frames == 7, fps=Fraction(24000, 1001))
    result = generate(request, tiny_pack, progress, models)
    counted, duration = count_frames(result.out)
    assert counted == frames and abs(duration - frames * 1001 / 24000) < 0.011
    assert result.frames == frames and (result.width, result.height) == (
        (192, 128) if frames == 7 else (48, 32)
    )
    assert progress.done == progress.totals
    assert sum(n for n, _ in progress.segments) == frames
    assert [p.name for p in tmp_path.iterdir()] == ["ball.mp4"], "nothing is left lying about"


@pytest.mark.parametrize("interpolation", [1, 4])
def test_less_interpolation(tiny_pack, models, tmp_path, interpolation):
    request = ask(tmp_path / "ball.mp4", frames=11, upscale=False, interpolation=interpolation)
    assert count_frames(generate(request, tiny_pack, models=models).out)[0] == 11


def test_the_steps_of_keyframes_alone_are_shifted(tiny_pack, tmp_path):
    defaults = replace(tiny_pack.manifest.defaults, timestep_shift=2.5, timestep_last=90)
    pack = replace(tiny_pack, manifest=replace(tiny_pack.manifest, defaults=defaults))
    models, seen = Models(pack), []
    models.scheduler = lambda name, times=EVEN: seen.append(times) or Models.scheduler(models, name, times)
    generate(ask(tmp_path / "a.mp4", upscale=False), pack, models=models)
    moved = Times(2.5, 90)
    assert set(seen[1:]) == {moved, EVEN}  # the first asks whether the name is known
    assert seen.count(moved) == 1


@pytest.mark.parametrize("fps, temporal", [(24, True), (12, True), (Fraction(3, 2), False)])
def test_frames_far_apart_are_decoded_by_themselves(tiny_pack, models, tmp_path, monkeypatch, fps, temporal):
    """The decoder's temporal layers made ghosts of keyframes two thirds of a second apart."""
    decode, seen = compose.Decode, []

    def watched(*arguments):
        source = decode(*arguments)
        seen.append(source.temporal)
        return source

    monkeypatch.setattr(compose, "Decode", watched)
    options = {"frames": 3, "interpolation": 1, "upscale": False, "fps": Fraction(fps)}
    generate(ask(tmp_path / "ball.mp4", **options), tiny_pack, models=models)
    assert seen == [temporal]


def test_what_comes_back(whole, tiny_pack):
    assert whole.seed == 3 and whole.prompt == "a red ball" and whole.device == "cpu"
    assert whole.pack == {"name": "tiny", "hash": tiny_pack.manifest.hash}
    stages = {"keyframes", "interpolate4", "interpolate1", "decode", "upscale", "write", "join"}
    assert stages <= whole.seconds.keys()
    assert sum(whole.seconds.values()) <= whole.total_seconds + 0.01, "no second is counted twice"
    assert 0 < whole.first_segment_seconds < whole.total_seconds
    assert whole.warnings == [] and whole.peak_memory_bytes > 2**20


@pytest.fixture
def aside(monkeypatch):
    """As on a GPU: frames are encoded while the next ones are made."""
    monkeypatch.setitem(WAITING, "cpu", WAITING["cuda"])


def test_encoded_aside_it_is_the_same_file(whole, tiny_pack, models, tmp_path, aside):
    progress = Recorder()
    made = generate(ask(tmp_path / "ball.mp4"), tiny_pack, progress, models)
    assert made.out.read_bytes() == whole.out.read_bytes()
    assert [frames for frames, _ in progress.segments] == [6, 24, 19] and progress.done == progress.totals
    assert sum(made.seconds.values()) <= made.total_seconds + 0.01, "no second is counted twice"
    assert 0 < made.first_segment_seconds < made.total_seconds
    assert [p.name for p in tmp_path.iterdir()] == ["ball.mp4"], "nothing is left lying about"


def test_what_breaks_aside_is_told_and_the_finished_is_kept(
    whole, tiny_pack, models, tmp_path, aside, monkeypatch
):
    encode, calls = making.encode_segment, []

    def breaks(path, frames, *how):
        calls.append(path.name)
        if len(calls) == 2:
            assert next(frames) is not None
            raise RunError("writing it failed: ffmpeg says: no space left")
        return encode(path, frames, *how)

    request = ask(tmp_path / "ball.mp4")
    with monkeypatch.context() as patched:
        patched.setattr(making, "encode_segment", breaks)
        with pytest.raises(RunError, match="no space left; what is finished is kept"):
            generate(request, tiny_pack, models=models)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("aside")]
    sealed = sorted(p.name for p in (tmp_path / ".ball.mp4.vldm").glob("segment-*.json"))
    assert "segment-000000.video.json" in sealed and "segment-000001.video.json" not in sealed
    assert generate(request, tiny_pack, models=models).out.read_bytes() == whole.out.read_bytes()


@pytest.fixture(scope="module")
def killed(tiny_pack, tmp_path_factory):
    """For each case of KILLS the output that a killed process was making."""
    folder = tmp_path_factory.mktemp("killed")
    outs = {case: folder / f"{case}.mp4" for case in KILLS}
    stages = {case: "join" if case == "delivered" else case for case in KILLS}
    cases = [f"{stages[case]}:{at}:{outs[case]}" for case, at in KILLS.items()]
    command = [sys.executable, "-m", "tests.pipelines.generate.killed", str(tiny_pack.folder), *cases]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=os.getcwd()).stdout
    assert said.split() == [str(-signal.SIGKILL)] * len(cases)
    return outs


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the killed processes are forked")
@pytest.mark.parametrize("case", KILLS)
def test_killed_in_each_stage_and_run_again_ends_with_the_same_file(tiny_pack, killed, whole, case):
    out = killed[case]
    run = out.parent / f".{out.name}.vldm"
    assert run.is_dir() and out.exists() == (case == "delivered")
    progress, models = Recorder(), Models(tiny_pack)
    generate(ask(out), tiny_pack, progress, models)
    assert out.read_bytes() == whole.out.read_bytes()
    assert not run.exists()
    if case not in ("keyframes", "interpolate1"):
        assert "keyframes" not in vars(models), "finished keyframes were made again"
    if case in ("join", "delivered"):
        assert "decoder" not in vars(models), "finished segments were made again"
    if case != "delivered":
        assert progress.done == progress.totals


def test_the_first_segment_is_on_disk_before_the_rest_is_begun(tiny_pack, models, tmp_path):
    progress = Recorder()
    seen = {}

    def finished(segment_frames):
        seen.setdefault("first", dict(progress.done))

    progress.finished = finished
    generate(ask(tmp_path / "a.mp4", frames=300, upscale=False), tiny_pack, progress, models)
    first = seen["first"]
    assert first["write"] == 6 and first["decode"] <= 8, "one window of the decoder is enough"
    for stage in ("keyframes", "interpolate1"):
        assert first[stage] < progress.totals[stage] / 2


def test_the_same_for_every_batch_of_windows(tiny_pack, models, tmp_path, monkeypatch):
    outs = []
    for batch in (1, 3):
        monkeypatch.setitem(compose.BATCH, "cpu", batch)
        request = ask(tmp_path / f"{batch}", frames=81, upscale=False)
        out = generate(request, tiny_pack, models=models).out
        outs.append(np.stack([np.array(Image.open(p)) for p in sorted(out.glob("*.png"))]).astype(int))
    assert outs[0].shape == (81, 32, 48, 3)
    assert np.abs(outs[0] - outs[1]).max() <= 1, "rounding apart, the same video"
    assert outs[0].std() > 1


def test_a_drawn_seed_is_kept_for_the_same_command(tiny_pack, models, tmp_path):
    class Stop(NullProgress):
        def finished(self, segment_frames):
            raise KeyboardInterrupt

    request = ask(tmp_path / "a.mp4", seed=None, upscale=False)
    with pytest.raises(KeyboardInterrupt):
        generate(request, tiny_pack, Stop(), models)
    assert not request.out.exists()
    result = generate(request, tiny_pack, models=models)
    again = generate(replace(request, out=tmp_path / "b.mp4", seed=result.seed), tiny_pack, models=models)
    assert again.out.read_bytes() == result.out.read_bytes()
    assert "keyframes" in again.seconds
    other = generate(replace(request, out=tmp_path / "c.mp4"), tiny_pack, models=models)
    assert other.seed != result.seed


def frames_of(folder):
    return np.stack([np.array(Image.open(path)) for path in sorted(folder.glob("*.png"))]).astype(int)


@pytest.mark.parametrize("upscale", [False, True])
def test_an_image_is_the_first_frame(tiny_pack, models, tmp_path, upscale):
    size = (128, 192) if upscale else (32, 48)
    image = np.random.default_rng(0).integers(60, 160, (*size, 3), dtype=np.uint8)
    second = []
    for name, picture in (("a", image), ("b", 255 - image)):
        out = generate(
            ask(tmp_path / name, frames=3, image=picture, upscale=upscale), tiny_pack, models=models
        ).out
        frames = frames_of(out)
        assert np.array_equal(frames[0], picture)
        # and what follows has its colours
        assert np.abs(frames[1].mean((0, 1)) - picture.mean((0, 1))).max() < 1
        second.append(frames[1])
    assert np.abs(second[0] - second[1]).mean() > 1


def test_an_image_alone_and_one_before_upscaling(tiny_pack, models, tmp_path):
    image = np.full((32, 48, 3), (200, 60, 30), np.uint8)
    generate(ask(tmp_path / "a", frames=1, image=image, upscale=False), tiny_pack, models=models)
    assert np.array_equal(frames_of(tmp_path / "a"), image[None])
    generate(ask(tmp_path / "b", frames=2, image=image), tiny_pack, models=models)
    frames = frames_of(tmp_path / "b")
    assert frames.shape == (2, 128, 192, 3) and (frames[0] == image[0, 0]).all()


def test_a_video_from_an_image_goes_on_to_the_same_file(tiny_pack, models, tmp_path):
    class Stop(NullProgress):
        def finished(self, segment_frames):
            raise KeyboardInterrupt

    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    request = ask(tmp_path / "a.mp4", frames=40, image=image, upscale=False)
    with pytest.raises(KeyboardInterrupt):
        generate(request, tiny_pack, Stop(), models)
    generate(request, tiny_pack, models=models)
    generate(replace(request, out=tmp_path / "b.mp4"), tiny_pack, models=models)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_the_preview_is_refreshed_with_each_segment(tiny_pack, models, tmp_path):
    preview = tmp_path / "sheet.png"
    sizes = []

    class Look(NullProgress):
        def finished(self, segment_frames):
            sizes.append(np.array(Image.open(preview).convert("L")))

    generate(ask(tmp_path / "a.mp4", upscale=False, preview=preview), tiny_pack, Look(), models)
    assert len(sizes) == 3 and sizes[0].shape == (3 * 171, 4 * 256)
    assert (sizes[0] == 64).all(1).any() and not np.array_equal(sizes[0], sizes[2])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "sheet.png"]


def test_a_misspelt_word_is_said_with_what_it_is_taken_for(tiny_pack, models, tmp_path):
    result = generate(ask(tmp_path / "out.mp4", prompt="a red balll", frames=1), tiny_pack, models=models)
    assert result.warnings == ["pack tiny has never seen: balll (taken for ball)"]


def test_unknown_words_draw_one_warning(tiny_pack, models, tmp_path):
    request = ask(tmp_path / "a.mp4", prompt="a red zeppelin on Mars", frames=1, upscale=False)
    assert generate(request, tiny_pack, models=models).warnings == [
        "pack tiny has never seen: zeppelin, mars"
    ]
    request = ask(tmp_path / "b.mp4", prompt="a red ball", negative="a Zeppelin", frames=1, upscale=False)
    assert generate(request, tiny_pack, models=models).warnings == ["pack tiny has never seen: zeppelin"]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"prompt": "  "}, "prompt is empty"),
        ({"prompt": "ball " * 10_000}, "10000 words"),
        ({"negative": "ball " * 100}, "--negative"),
        ({"frames": 0}, "--frames 0"),
        ({"frames": 10_001}, "--frames 10001"),
        ({"interpolation": 2}, "--interpolation 2"),
        ({"size": (32, 50)}, "nearest is 48x32"),
        ({"size": (0, 48)}, "--size 48x0"),
        ({"fps": Fraction(0)}, "--fps"),
        ({"steps": 0}, "--steps"),
        ({"crf": 60}, "--crf"),
        ({"seed": -1}, "--seed"),
        ({"upscale_noise": 1.0}, "--noise"),
        ({"scheduler": "euler"}, "euler"),
        ({"image": np.zeros((8, 8, 3), np.uint8)}, "48x32"),
        ({"device": "cuda:99"}, "no device cuda:99"),
        ({"device": "meta"}, "does not run on meta"),
        ({"dtype": "int8"}, "--dtype"),
    ],
)
def test_what_cannot_be_served_is_said_and_nothing_is_written(tiny_pack, tmp_path, options, word):
    with pytest.raises(RequestError, match=word):
        generate(ask(tmp_path / "a.mp4", **options), tiny_pack)
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(tiny_pack, tmp_path):
    for out, word in (("none/a.mp4", "no folder"), ("a.avi", "avi")):
        with pytest.raises(RequestError, match=word):
            generate(ask(tmp_path / out), tiny_pack)
    (tmp_path / "a.mp4").write_bytes(b"mine")
    with pytest.raises(RequestError, match="--force"):
        generate(ask(tmp_path / "a.mp4"), tiny_pack)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("mine")
    with pytest.raises(RequestError, match="not replaced"):
        generate(ask(tmp_path / "folder", force=True), tiny_pack)
    assert (tmp_path / "a.mp4").read_bytes() == b"mine"


def test_force_replaces(tiny_pack, models, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"old")
    generate(ask(tmp_path / "a.mp4", frames=2, upscale=False, force=True), tiny_pack, models=models)
    assert count_frames(tmp_path / "a.mp4")[0] == 2


def test_running_out_of_memory_says_what_is_kept(tiny_pack, tmp_path, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    models = Models(tiny_pack)
    monkeypatch.setattr(models.decoder, "decode", full)
    with pytest.raises(RunError, match=r"memory ran out in the stage decode.*kept in .*\.a\.mp4\.vldm"):
        generate(ask(tmp_path / "a.mp4"), tiny_pack, models=models)
    assert not (tmp_path / "a.mp4").exists() and (tmp_path / ".a.mp4.vldm").is_dir()


def test_other_errors_are_not_taken_for_it(tiny_pack, tmp_path, monkeypatch):
    def wrong(*_):
        raise RuntimeError("shapes do not match")

    models = Models(tiny_pack)
    monkeypatch.setattr(models.decoder, "decode", wrong)
    with pytest.raises(RuntimeError, match="shapes"):
        generate(ask(tmp_path / "a.mp4"), tiny_pack, models=models)


def test_a_picture_made_smaller_can_be_written_to():
    """Torch warned about one that cannot, wherever a first frame was enlarged in the end."""
    image = np.full((64, 96, 3), 7, np.uint8)
    assert compose.resized(image, (32, 48)).flags.writeable
