"""Upscaling of a clip by a network for pictures."""

import gc
from itertools import pairwise
from weakref import ref

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from spandrel import MAIN_REGISTRY

from tests import networks
from tests.align.steady.test_network import shaken
from tests.pipelines.upscale.test_clip import Stop
from tests.running import meter
from tests.video import clips
from vldm_cli.align.steady.network import align_network
from vldm_cli.packs.network import open_network
from vldm_cli.pipelines.clip.run import run
from vldm_cli.pipelines.upscale.clip import shrunk
from vldm_cli.pipelines.upscale.network import STEADY, NetworkClip
from vldm_cli.pipelines.upscale.network_job import make_job
from vldm_cli.pipelines.upscale.windows import windows_of
from vldm_cli.runs.folder import run_folder
from vldm_cli.runs.here import here
from vldm_cli.video.clip import open_clip

NETS = {
    "esrgan x4": networks.esrgan(),
    "esrgan x2, of sides that four divides": networks.esrgan(2),
    "esrgan x1": networks.esrgan(1),
    "esrgan with opacity": networks.esrgan(channels=4),
    "compact x3": networks.compact(3),
    "compact x8": networks.compact(8),
}


def saved(folder, state, name="net.safetensors"):
    save_file(state, folder / name)
    return folder / name


def source_of(clip, path, scale=None, steady=STEADY, tile=256):
    network = open_network(path).network
    scale = scale or network.scale
    return NetworkClip(clip, network, scale=scale, steady=steady, tile=tile, device=torch.device("cpu"))


def images(source, start=0):
    return [source.raw.planes(frame)[0].astype(np.float32) for frame in source.frames(start, meter())]


def noisy(folder, frames=8, sigma=2.0, size=(40, 56)):
    """A folder of pictures of one thing that stands still, with another grain in each."""
    folder.mkdir()
    random = np.random.default_rng(0)
    still = np.kron(random.uniform(60, 190, (size[0] // 8, size[1] // 8, 3)), np.ones((8, 8, 1)))
    for number in range(frames):
        grain = random.normal(0, sigma, still.shape)
        Image.fromarray((still + grain).round().clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
    return open_clip(folder)


def flicker(frames):
    return float(np.mean([np.abs(b - a).mean() for a, b in pairwise(frames)]))


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("size", ["36x20", "35x21", "3x2"])
def test_the_network_alone_is_what_spandrel_makes_of_each_frame(tmp_path, kind, size):
    codec = ("-c:v", "ffv1", "-pix_fmt", "bgr0")
    clip = open_clip(clips.make(tmp_path, "a.mkv", frames=3, size=size, filters="format=rgb24", codec=codec))
    source = source_of(clip, saved(tmp_path, NETS[kind]), steady=0.0)
    alone = MAIN_REGISTRY.load(dict(NETS[kind])).eval()
    for made, frame in zip(images(source), clip.read(0, source.read), strict=True):
        x_NCHW = torch.from_numpy(source.read.planes(frame)[0].copy()).float().permute(2, 0, 1)[None] / 255
        if alone.input_channels == 4:
            x_NCHW = torch.cat([x_NCHW, torch.ones_like(x_NCHW[:, :1])], 1)
        wanted = (alone(x_NCHW)[0, :3] * 255).round().permute(1, 2, 0).numpy()
        assert wanted.std() > 3 and np.array_equal(made, wanted)


@pytest.mark.parametrize("steady", [0.0, STEADY])
@pytest.mark.parametrize(("size", "scale", "tile"), [("64x48", 4, 32), ("36x20", 2, 256), ("2x2", 4, 256)])
def test_frames_do_not_depend_on_where_one_starts(tmp_path, steady, size, scale, tile):
    clip = open_clip(clips.make(tmp_path, "a.mp4", frames=6, size=size))
    source = source_of(clip, saved(tmp_path, networks.compact()), scale, steady, tile)
    whole = list(source.frames(0, meter()))
    assert len(whole) == 6 and all(len(frame) == source.raw.bytes for frame in whole)
    assert (source.raw.height, source.raw.width) == (clip.height * scale, clip.width * scale)
    for start in (1, 3, 5):
        assert list(source.frames(start, meter())) == whole[start:]


@pytest.mark.parametrize("with_layers", [True, False])
def test_nor_do_frames_of_many_windows(tmp_path, monkeypatch, with_layers):
    """A window's first frame has frames before it when the window before is gone through, and none otherwise."""
    monkeypatch.setattr("vldm_cli.pipelines.upscale.network.windows_of", lambda n: windows_of(n, 5, 2))
    clip = open_clip(clips.make(tmp_path, "a.mp4", frames=14, size="40x36"))
    network = open_network(saved(tmp_path, networks.compact())).network
    layers = shaken(align_network(network)) if with_layers else None
    where = torch.device("cpu")
    source = NetworkClip(clip, network, scale=4, layers=layers, tile=32, device=where)
    assert len(source.windows) > 3 and len(source.tiles.places) > 1
    whole = list(source.frames(0, meter()))
    for start in (1, 2, 3, 4, 5, 9, 13):  # in a window, where two overlap, in the last
        assert list(source.frames(start, meter())) == whole[start:]


def test_what_was_opened_is_left_as_it_is(tmp_path):
    """Clips of a list share a network, whatever number format they are made in."""
    clip = open_clip(clips.make(tmp_path, "a.mp4", frames=3, size="36x20"))
    network = open_network(saved(tmp_path, networks.compact())).network
    layers = shaken(align_network(network))
    asked = {"scale": 4, "layers": layers, "tile": 32, "device": torch.device("cpu")}
    before = list(NetworkClip(clip, network, **asked).frames(0, meter()))
    half = list(NetworkClip(clip, network, dtype=torch.bfloat16, **asked).frames(0, meter()))
    assert half != before and list(NetworkClip(clip, network, **asked).frames(0, meter())) == before


def test_clips_of_a_list_share_what_is_made_ready_of_a_network(tmp_path):
    clip = open_clip(clips.make(tmp_path, "a.mp4", frames=3, size="36x20"))
    network = open_network(saved(tmp_path, networks.compact())).network
    asked = {"scale": 4, "tile": 32, "device": torch.device("cpu"), "dtype": torch.bfloat16}
    layers = shaken(align_network(network))
    one, other = (NetworkClip(clip, network, layers=x, **asked).ready for x in (None, layers))
    assert NetworkClip(clip, network, **asked).ready is one is not other
    assert NetworkClip(clip, network, layers=layers, **asked).ready is other
    gone = ref(one)
    del network, layers, one, other, asked
    gc.collect()
    assert gone() is None


def test_kernels_that_are_left_out_are_told_where_the_device_is(tmp_path, monkeypatch):
    """By a worker on another machine, where the process that directs it could try nothing."""
    clip = open_clip(clips.make(tmp_path, "a.mp4", frames=2, size="24x16"))
    source = source_of(clip, saved(tmp_path, networks.esrgan()))
    source.dtype = torch.bfloat16
    assert source.slower is None, "a CPU has none of these kernels"
    monkeypatch.setattr(source.network, "kernels", lambda *_: ("dense_block",))
    monkeypatch.setattr("vldm_cli.align.fast.trial.remark", lambda *_: "of the fast kernels dense_block …")
    monkeypatch.setattr(here, "machine", "far")
    with pytest.warns(UserWarning, match="of the fast kernels dense_block"):
        list(source.frames(0, meter()))


def test_a_row_of_pixels_has_its_motion_too(tmp_path):
    codec = ("-c:v", "ffv1", "-pix_fmt", "bgr0")
    clip = open_clip(clips.make(tmp_path, "a.mkv", frames=3, filters="format=rgb24,crop=40:1", codec=codec))
    assert clip.height == 1 and len(images(source_of(clip, saved(tmp_path, networks.compact())))) == 3


def test_what_stands_still_flickers_less_and_keeps_its_colours(tmp_path):
    clip, path = noisy(tmp_path / "clip"), saved(tmp_path, networks.esrgan())
    alone, half = (images(source_of(clip, path, steady=steady)) for steady in (0.0, 0.5))
    assert flicker(half) < 0.65 * flicker(alone)
    for a, b in zip(alone, half, strict=True):
        assert np.abs(a.mean((0, 1)) - b.mean((0, 1))).max() < 0.5


@pytest.mark.parametrize("kind", ["esrgan x4", "compact x3"])
def test_grain_moves_no_detail(tmp_path, kind):
    """What seems to have moved by a few hundredths of a pixel has not: its detail fetched from there would shimmer."""
    clip, path = noisy(tmp_path / "clip", sigma=0.5), saved(tmp_path, NETS[kind])
    alone, full = (images(source_of(clip, path, steady=steady)) for steady in (0.0, 1.0))
    assert flicker(full) < 0.9 * flicker(alone)


def test_where_all_frames_are_alike_there_is_nothing_to_steady(tmp_path):
    clip, path = noisy(tmp_path / "clip", frames=4, sigma=0.0), saved(tmp_path, networks.esrgan())
    alone, steady = (images(source_of(clip, path, steady=steady)) for steady in (0.0, 1.0))
    assert np.abs(np.subtract(alone, steady)).max() <= 1


def test_across_a_cut_nothing_is_fetched(tmp_path):
    (tmp_path / "clip").mkdir()
    for number, seed in enumerate((0, 0, 1, 1)):
        random = np.random.default_rng(seed)
        blocks = np.kron(random.choice([20, 230], (5, 7, 3)), np.ones((8, 8, 1)))
        Image.fromarray(blocks.astype(np.uint8)).save(tmp_path / "clip" / f"{number}.png")
    clip, path = open_clip(tmp_path / "clip"), saved(tmp_path, networks.compact())
    alone, steady = (images(source_of(clip, path, steady=steady)) for steady in (0.0, 1.0))
    for a, b in zip(alone, steady, strict=True):
        assert np.abs(a - b).mean() < 1


def test_tiles_come_together_where_they_belong(tmp_path):
    """The tiny network sees four pixels around each, and tiles of 32 fade into each other over 8 and more."""
    clip = open_clip(clips.make(tmp_path, "a.mp4", frames=1, size="120x88"))
    path = saved(tmp_path, networks.compact())
    whole, tiled = (source_of(clip, path, steady=0.0, tile=tile) for tile in (128, 32))
    assert len(whole.tiles.places) == 1 and len(tiled.tiles.places) >= 12
    gap = np.abs(np.subtract(images(whole), images(tiled)))[0]
    assert np.median(gap) == 0 and gap.mean() < 1


def test_twice_as_large_is_the_same_seen_from_further(tmp_path):
    clip = open_clip(clips.make(tmp_path, "a.mp4", frames=2, size="36x20"))
    path = saved(tmp_path, networks.compact())
    for scale in (1, 2, 3):
        small, large = images(source_of(clip, path, scale)), images(source_of(clip, path))
        for x, y in zip(large, small, strict=True):
            x_NCHW = torch.from_numpy(x).permute(2, 0, 1)[None] / 127.5 - 1
            wanted = (shrunk(x_NCHW, scale / 4)[0].permute(1, 2, 0).numpy() + 1) * 127.5
            assert y.shape == (20 * scale, 36 * scale, 3)
            assert np.abs(wanted - y).max() <= 1.6  # two roundings against one


def job_of(path, out, model, **options):
    asked = {"scale": 2, "steady": None, "tile": 32, "device": "cpu", "dtype": "float32", "crf": 20}
    return make_job(open_clip(path, keep_rotation=True), open_network(model), out, **{**asked, **options})


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A clip, and what becomes of it if nothing happens."""
    folder = tmp_path_factory.mktemp("undisturbed")
    path = clips.make(folder, "a.mp4", clips.tone(2), "-c:a", "aac", frames=40, size="36x20")
    job = job_of(path, folder / "whole.mp4", saved(folder, networks.compact()))
    with torch.inference_mode():
        assert run(job, job.clip.fingerprint()).settings["steady"] == STEADY
    return path, folder / "whole.mp4"


@pytest.mark.parametrize("device, tile, used", [("cpu", None, 256), ("cuda", None, 640), ("cuda", 64, 64)])
def test_a_gpu_is_asked_for_larger_tiles(tmp_path, device, tile, used):
    clip, model = clips.make(tmp_path, "a.mp4", frames=1, size="36x20"), saved(tmp_path, networks.compact())
    job = job_of(clip, tmp_path / "out.mp4", model, device=device, tile=tile)
    assert job.settings["tile"] == used


@pytest.mark.parametrize("at", ["upscale:30", "write:26", "join:1"])
def test_stopped_in_each_stage_the_same_command_ends_with_the_same_bytes(tmp_path, undisturbed, at):
    (path, whole), out, model = undisturbed, tmp_path / "out.mp4", saved(tmp_path, networks.compact())

    def interrupt():
        raise KeyboardInterrupt

    stage, number = at.split(":")
    job = job_of(path, out, model)
    with pytest.raises(KeyboardInterrupt):
        run(job, job.clip.fingerprint(), Stop(int(number), interrupt, stage))
    assert run_folder(out).exists() and not out.exists()
    # how the file is called is not what it is
    job = job_of(path, out, model.rename(tmp_path / "other.safetensors"))
    run(job, job.clip.fingerprint())
    before, after = (open_clip(file) for file in (whole, out))
    assert not run_folder(out).exists() and after.frames == before.frames == 40
    assert all(
        a == b
        for a, b in zip(before.read(0, before.raw(rgb=True)), after.read(0, after.raw(rgb=True)), strict=True)
    )


def test_another_network_of_the_same_name_does_not_go_on_with_the_run(tmp_path):
    path, out = clips.make(tmp_path, "a.mp4", frames=30, size="36x20"), tmp_path / "out.mp4"
    model = saved(tmp_path, networks.compact())

    def interrupt():
        raise KeyboardInterrupt

    job = job_of(path, out, model)
    with pytest.raises(KeyboardInterrupt):
        run(job, job.clip.fingerprint(), Stop(26, interrupt))
    fresh = job_of(path, out, saved(tmp_path, networks.compact(seed=1)))
    with pytest.raises(Exception, match="--fresh"):
        run(fresh, fresh.clip.fingerprint())


@pytest.mark.parametrize("kind", ["two sounds, subtitles, chapters", "turned", "variable times", "10 bit"])
def test_the_file_keeps_what_the_clip_has(tmp_path, kind):
    path, out = clips.KINDS[kind](tmp_path), tmp_path / "out.mp4"
    job = job_of(path, out, saved(tmp_path, networks.compact(2)))
    run(job, job.clip.fingerprint())
    before, after = open_clip(path), open_clip(out)
    assert (after.height, after.width) == (2 * before.height, 2 * before.width)
    ticks = [[t / c.times.clock for t in c.times.ticks] for c in (before, after)]
    assert np.abs(np.subtract(*ticks)).max() < 1e-3
    assert after.report.rotation == before.report.rotation and after.report.bits == before.report.bits
    assert len(after.report.of("audio")) == len(before.report.of("audio"))
