"""Training data: a folder of videos and images, and Toyland, behind one interface."""

import subprocess
from fractions import Fraction

import imageio_ffmpeg
import pytest
import torch
from PIL import Image

from vldm_cli.errors import RequestError
from vldm_cli.train.data.batches import Patches
from vldm_cli.train.data.source import open_source

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three seconds of a picture that turns from black to white, 60×120 pixels at 12 fps, and one red image."""
    folder = tmp_path_factory.mktemp("clips")
    ramp = "color=black:size=120x60:rate=12:duration=3,format=gray,geq=lum='T*80',format=yuv420p"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", ramp]
    subprocess.run([*command, "-crf", "5", str(folder / "it-grows_bright.mp4")], check=True)
    (folder / "deeper").mkdir()
    Image.new("RGB", (80, 80), (200, 0, 0)).save(folder / "deeper" / "x1.png")
    (folder / "deeper" / "x1.txt").write_text("all is\nred\n")
    (folder / "notes.md").write_text("not a clip")
    return folder


@pytest.fixture
def source(folder, tiny_pack):
    return open_source(str(folder), tiny_pack.manifest.video, CPU, patches=False, compiled=False)


def test_clips_of_a_folder(source):
    clips = source.clips(1, 6, 5, {8: 0.5, 2: 0.5})
    assert clips.video_BTCHW.shape == (6, 5, 3, 32, 48) and clips.video_BTCHW.dtype == torch.uint8
    assert set(clips.captions) == {"it grows bright"}
    assert set(clips.frame_step_B.tolist()) == {8, 2}
    # at the pack's 24 fps the picture gains 80/24 a frame: the frame step is what it says
    gained = clips.video_BTCHW.float().mean((2, 3, 4)).diff(dim=1).mean(1)
    expected = clips.frame_step_B * (80 / 24) * (255 / 219)
    torch.testing.assert_close(gained, expected, rtol=0.25, atol=2.0)


def test_the_seed_decides(source):
    one, same, other = (source.clips(seed, 4, 3, {1: 1.0}).video_BTCHW for seed in (5, 5, 6))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_images_serve_single_frames(source):
    """Every frame is as likely as any other: one in 73 here."""
    clips = source.clips(0, 400, 1, {1: 1.0})
    rows = [i for i, caption in enumerate(clips.captions) if caption == "all is red"]
    assert 0 < len(rows) < 100
    assert (
        clips.video_BTCHW[rows[0], 0].flatten(1).float().mean(1) - torch.tensor([200.0, 0, 0])
    ).abs().max() < 3


def test_patches_lie_where_they_say():
    low = torch.arange(2 * 3 * 1 * 6 * 8).view(2, 3, 1, 6, 8).expand(-1, -1, 3, -1, -1)
    patches = Patches(low, low, torch.tensor([1, 3]), torch.tensor([2, 0]))
    cut = patches.low_patches(low, 2, 4)
    assert torch.equal(cut[0], low[0, :, :, 1:3, 2:6]) and torch.equal(cut[1], low[1, :, :, 3:5, 0:4])


def test_toyland_has_the_same_interface(tiny_pack):
    source = open_source("toyland", tiny_pack.manifest.video, CPU, patches=False, compiled=False)
    source.check(100, {16: 1.0})
    clips = source.clips(3, 2, 3, {16: 3.0, 4: 1.0})
    assert clips.video_BTCHW.shape == (2, 3, 3, 32, 48) and clips.late_B.dtype == torch.bool
    assert torch.equal(clips.video_BTCHW, source.clips(3, 2, 3, {16: 3.0, 4: 1.0}).video_BTCHW)
    (patches,) = source.patches(3, 2, 1, 16, 4)
    assert patches.made
    low = patches.low_patches(patches.low_BTCHW, 16, 16).float()
    small = torch.nn.functional.avg_pool2d(patches.high_BTCHW.float().flatten(0, 1), 4)
    assert (small - low.flatten(0, 1)).abs().mean() < 6


def test_requests_that_cannot_be_served(folder, tmp_path, tiny_pack, source):
    video = tiny_pack.manifest.video
    with pytest.raises(RequestError, match="neither toyland nor a folder"):
        open_source(str(tmp_path / "nowhere"), video, CPU, patches=False, compiled=False)
    with pytest.raises(RequestError, match="holds no clip"):
        open_source(str(tmp_path), video, CPU, patches=False, compiled=False)
    with pytest.raises(RequestError, match="113; add longer clips"):
        source.check(8, {16: 1.0})
    source.check(8, {16: 0.5, 4: 0.5})
    with pytest.raises(RequestError, match=r"broken\.mp4"):
        (tmp_path / "broken.mp4").write_bytes(b"no video")
        open_source(str(tmp_path), video, CPU, patches=False, compiled=False)


def test_fps_of_the_pack(folder, tiny_pack):
    """At 6 fps the three seconds are 18 frames."""
    from vldm_cli.train.data.folder import FolderSource

    assert FolderSource(folder, (32, 48), Fraction(6), CPU).folder.stretches[-1].frames == 18


def test_a_folder_of_frames_is_a_video(tmp_path, tiny_pack):
    """NAME.frames: its pictures in the order of their names, one a frame."""
    frames = tmp_path / "a-walk.frames"
    frames.mkdir()
    for i in range(12):
        Image.new("RGB", (64, 64), (20 * i, 0, 0)).save(frames / f"{i:04d}.png")
    source = open_source(str(tmp_path), tiny_pack.manifest.video, CPU, patches=False, compiled=False)
    clips = source.clips(0, 5, 4, {2: 1.0})
    assert set(clips.captions) == {"a walk"}
    assert (clips.video_BTCHW[:, :, 0].float().mean((2, 3)).diff(dim=1) == 40).all()
    (frames / "0003.png").write_bytes(b"no picture")
    with pytest.raises(RequestError, match=r"0003\.png"):
        open_source(str(tmp_path), tiny_pack.manifest.video, CPU, False, False).clips(0, 1, 4, {1: 1.0})
