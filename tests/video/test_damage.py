"""Frames that are lost are missed aloud: damaged GIF, WebP, AVI and fragmented MP4, and what ffmpeg only warns of."""

import re

import numpy as np
import pytest
from PIL import Image

from tests.video import clips
from vldm_cli.errors import RequestError
from vldm_cli.video.clip import open_clip
from vldm_cli.video.read import video_info
from vldm_cli.video.structure import structure

FRAMES = 8


def _noise(seed):
    """Not Pillow's, which is other noise every time: of some the loss cannot be seen (below)."""
    grey = np.random.default_rng(seed).normal(128, 60, (FRAMES, 24, 32)).clip(0, 255).astype(np.uint8)
    return grey[..., None].repeat(3, -1)


def animation(folder, name):
    pictures = [Image.fromarray(x) for x in _noise(0)]
    pictures[0].save(folder / name, save_all=True, append_images=pictures[1:], duration=100)
    return folder / name


def avi(folder, name):
    return clips.make(
        folder, name, codec=["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"], frames=FRAMES, size="32x24"
    )


def fragmented(folder, name):
    flags = ["-movflags", "frag_keyframe+empty_moov", "-g", "1"]
    return clips.make(folder, name, *flags, frames=FRAMES, size="32x24")


MADE = {"a.gif": animation, "a.webp": animation, "a.avi": avi, "a.mp4": fragmented}


@pytest.fixture(params=MADE)
def path(request, tmp_path):
    return MADE[request.param](tmp_path, request.param)


def test_a_whole_file_is_told_to_be_so(path):
    found = structure(path)
    assert found.whole and found.frames in (0, FRAMES)
    assert open_clip(path).warnings == () and open_clip(path).frames == video_info(path)["frames"] == FRAMES


def cut(data):
    return data[: len(data) * 7 // 10]


def hole(data):
    middle = len(data) // 2
    return data[:middle] + bytes(len(data) // 5) + data[middle + len(data) // 5 :]


def shorter(data):
    middle = len(data) // 2
    return data[:middle] + data[middle + len(data) // 10 :]


def spliced(data):
    return data[: len(data) * 6 // 10] + b"\x1a\x45\xdf\xa3" * 200


@pytest.mark.parametrize("damage", [cut, hole, shorter, spliced])
def test_lost_frames_are_missed_aloud(path, damage):
    path.write_bytes(damage(path.read_bytes()))
    try:
        clip = open_clip(path)
    except RequestError:
        return
    assert clip.frames == FRAMES or any("is damaged" in words for words in clip.warnings), clip.frames


@pytest.mark.parametrize(
    ("seed", "damage"), [(32, shorter), (151, shorter), (175, shorter), (154, hole), (517, hole)]
)
def test_a_gif_whose_blocks_lead_on_to_another_picture_by_chance(tmp_path, seed, damage):
    path = tmp_path / "a.gif"
    first, *others = (Image.fromarray(x) for x in _noise(seed))
    first.save(path, save_all=True, append_images=others, duration=100)
    assert structure(path).whole
    path.write_bytes(damage(path.read_bytes()))
    assert not structure(path).whole


def test_a_fragment_that_is_missing_is_known_by_its_number(tmp_path):
    path = fragmented(tmp_path, "a.mp4")
    data = path.read_bytes()
    places = [i - 4 for i in range(len(data)) if data.startswith(b"moof", i)]
    path.write_bytes(data[: places[3]] + data[places[4] :])
    assert any("is damaged" in words for words in open_clip(path).warnings)


def test_one_packet_of_an_avi_that_is_headed_otherwise_is_missed(tmp_path):
    """Its main header counts one more than some codecs have, so the count does not tell."""
    path = avi(tmp_path, "a.avi")
    data = path.read_bytes()
    assert structure(path).whole
    begin = data.index(b"00dc", data.index(b"movi") + 20)
    path.write_bytes(data[:begin] + b"\0" + data[begin + 1 :])
    assert any("is damaged" in words for words in open_clip(path).warnings)


@pytest.mark.parametrize("box", [b"tfdt", b"tfhd", b"trun", b"stsd", b"mdhd"])
def test_a_box_larger_than_the_one_that_it_is_in_is_damage(tmp_path, box):
    path = fragmented(tmp_path, "a.mp4")
    data = bytearray(path.read_bytes())
    begin = data.rindex(box) - 4
    data[begin + 2] |= 0x10  # 4 KiB more
    path.write_bytes(data)
    assert not structure(path).whole


def test_boxes_in_boxes_without_end_are_damage(tmp_path):
    inner = b""
    for _ in range(2000):
        inner = (len(inner) + 8).to_bytes(4, "big") + b"trak" + inner
    path = tmp_path / "a.mp4"
    path.write_bytes((len(inner) + 8).to_bytes(4, "big") + b"moov" + inner)
    assert not structure(path).whole


def test_info_of_an_animation_reads_its_headers(tmp_path):
    path = animation(tmp_path, "a.gif")
    assert (video_info(path)["fps"], float(video_info(path)["duration"])) == (10, 0.8)


def test_a_palette_without_a_transparent_pixel_is_not_transparent(tmp_path):
    path = clips.make(tmp_path, "a.avi", filters="format=pal8", codec=["-c:v", "rawvideo"], frames=2)
    assert not any("transparency" in words for words in open_clip(path).warnings)


@pytest.mark.parametrize(("name", "codec"), [("a.flv", ["-c:v", "flv1"]), ("a.wmv", ["-c:v", "wmv2"])])
def test_clocks_of_milliseconds_are_of_the_rate_that_was_meant(tmp_path, name, codec):
    clip = open_clip(clips.make(tmp_path, name, codec=codec, rate="30", frames=20))
    assert clip.times.constant and clip.times.fps == 30


def test_the_timecode_of_a_mov_is_not_said_to_be_lost(tmp_path):
    path = clips.make(tmp_path, "a.mov", "-timecode", "01:00:00:00", frames=4)
    _, said = clips.copy(path, tmp_path / "b.mov")
    assert said == [] and "01:00:00:00" in clips.report(tmp_path / "b.mov")


def test_frames_of_a_gif_that_ffmpeg_does_not_see_are_no_damage(tmp_path):
    """Nothing says of any how long it is shown: GIF87a, as Pillow writes it of some pictures without durations."""
    data = animation(tmp_path, "a.gif").read_bytes()
    control = re.compile(rb"!\xf9\x04.{4}\0", re.DOTALL)
    (tmp_path / "a.gif").write_bytes(control.sub(b"", data))
    (said,) = open_clip(tmp_path / "a.gif").warnings
    assert "ffmpeg finds 1 of the 8 frames" in said and "damaged" not in said


def test_info_of_what_is_damaged_counts_what_decodes(tmp_path):
    path = animation(tmp_path, "a.gif")
    path.write_bytes(path.read_bytes()[:4000])
    assert 0 < video_info(path)["frames"] < FRAMES
    path = clips.make(tmp_path, "a.avi", codec=["-c:v", "mpeg4"], frames=FRAMES, size="64x48")
    data = bytearray(path.read_bytes())
    begin = data.index(b"00dc", data.index(b"movi"))
    data[begin : begin + 200] = bytes(200)
    path.write_bytes(data)
    assert video_info(path)["frames"] == open_clip(path).frames < FRAMES
    assert not any("0x" in words for words in clips.copy(path, tmp_path / "b.mp4")[1])
