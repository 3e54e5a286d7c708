from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.video import clips
from vldm_cli.errors import RequestError
from vldm_cli.video import ffmpeg
from vldm_cli.video.clip import open_clip
from vldm_cli.video.probe import inspect
from vldm_cli.video.read import read_image, video_info


def test_image_is_cut_about_its_centre_not_squeezed(tmp_path):
    picture = np.zeros((40, 100, 3), np.uint8)
    picture[:, 30:70] = (200, 100, 50)
    Image.fromarray(picture).save(tmp_path / "a.png")
    got = read_image(tmp_path / "a.png", (20, 20))
    assert got.shape == (20, 20, 3) and got.dtype == np.uint8
    assert np.abs(got[:, 1:-1].astype(int) - (200, 100, 50)).max() <= 3


def test_image_is_turned_upright_and_laid_on_white(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held a quarter turn to the left
    picture = Image.new("RGB", (40, 20), "blue")
    picture.paste("red", (0, 0, 20, 20))
    picture.save(tmp_path / "a.jpg", exif=exif, quality=95)
    got = read_image(tmp_path / "a.jpg", (40, 20)).astype(int)
    assert got[5, 10, 0] > 200 and got[35, 10, 2] > 200
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "b.png")
    assert (read_image(tmp_path / "b.png", (8, 8)) == 255).all()


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\x89PNG\r\n\x1a\n" + b"\0" * 30])
def test_what_is_no_image_is_refused(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(RequestError, match=r"no readable image"):
        read_image(tmp_path / "a.png", (8, 8))


def test_a_missing_or_truncated_image_is_refused(tmp_path):
    with pytest.raises(RequestError, match="there is no image"):
        read_image(tmp_path / "gone.png", (8, 8))
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(RequestError, match="no readable image"):
        read_image(tmp_path / "a.png", (8, 8))


def test_what_is_no_video_is_refused(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"not a video")
    for path, words in (("a.mp4", "holds no video"), ("gone.mp4", "cannot read"), (".", "no pictures")):
        with pytest.raises(RequestError, match=words):
            video_info(tmp_path / path)


@pytest.mark.parametrize("name", ["a%03d.mp4", "-i a.mp4", "concat:a|b.mp4", "фильм 'x' [y].mp4"])
def test_info_takes_any_name(tmp_path, monkeypatch, name):
    clips.make(tmp_path, name)
    monkeypatch.chdir(tmp_path)
    assert video_info(Path(name))["frames"] == 12


@pytest.mark.parametrize("kind", ["variable times", "b-frames", "29.97 in mkv", "transport stream"])
def test_info_of_any_clip_tells_its_frames_and_duration(tmp_path, kind):
    path = clips.KINDS[kind](tmp_path)
    found, clip = video_info(path), open_clip(path)
    assert (found["frames"], found["fps"], found["duration"]) == (
        clip.frames,
        clip.times.fps,
        clip.times.seconds,
    )


def cropped(path, width, height):
    """The MP4 gets a clean aperture of that size (ISO 14496-12, `clap`), as of recorders that code whole blocks."""
    data = bytearray(path.read_bytes())
    numbers = [width, 1, height, 1, 0, 1, 0, 1]
    box = (40).to_bytes(4, "big") + b"clap" + b"".join(n.to_bytes(4, "big") for n in numbers)
    at, outer = 0, [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"]
    assert data.index(b"mdat") < data.index(b"moov")  # so that no offset changes
    for kind in outer:
        at = data.index(kind, at) - 4
        size = int.from_bytes(data[at : at + 4], "big")
        data[at : at + 4] = (size + len(box)).to_bytes(4, "big")
        at += 8
    end = at - 8 + size
    data[end:end] = box
    path.write_bytes(data)


def test_info_and_reading_of_a_cropped_clip_are_of_one_size(tmp_path):
    path = clips.make(tmp_path, "a.mp4")
    cropped(path, 60, 40)
    found, clip = video_info(path), open_clip(path)
    assert (found["width"], found["height"]) == (clip.width, clip.height) == (60, 40)
    assert found["frames"] == clip.frames == 12


@pytest.mark.parametrize(
    "settings", [None, '{"settings": {"fps": "12"}}', '{"settings": {"fps": "1e999"}}', "["]
)
def test_info_of_a_folder(tmp_path, settings):
    for number in (1, 2, 10):
        Image.new("RGB", (20, 12)).save(tmp_path / f"{number}.png")
    Image.new("RGB", (20, 12)).save(tmp_path / "3.jpg")
    if settings:
        (tmp_path / "settings.json").write_text(settings)
    found = video_info(tmp_path)
    rate = 12 if settings and '"12"' in settings else 24
    assert found["fps"] == open_clip(tmp_path).times.fps, "what the commands on clips take"
    assert (found["frames"], found["width"], found["height"], found["fps"]) == (4, 20, 12, rate)
    assert found["streams"] == ["JPG and PNG frames, 20x12"] and found["metadata"] is None
    assert found["duration"] == Fraction(4, rate)
    one = video_info(tmp_path / "1.png")
    assert (one["frames"], one["width"], one["height"], one["fps"]) == (1, 20, 12, rate)
    assert one["duration"] == open_clip(tmp_path / "1.png").times.seconds == Fraction(1, rate)
    assert one["streams"] == ["PNG picture, 20x12"] and one["metadata"] is None


def test_info_of_a_picture_that_is_turned_or_damaged(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 12)).save(tmp_path / "a.jpg", exif=exif)
    found, clip = video_info(tmp_path / "a.jpg"), open_clip(tmp_path / "a.jpg")
    assert (found["width"], found["height"]) == (clip.width, clip.height) == (12, 20)
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(RequestError, match="damaged picture"):
        video_info(tmp_path / "a.png")


def test_info_of_a_narrow_clip(tmp_path):
    path = clips.make(tmp_path, "a.mp4", filters="scale=8:16")
    assert (video_info(path)["width"], video_info(path)["height"]) == (8, 16)


def test_what_vldm_stored_is_found_beside_a_comment_of_another(tmp_path):
    path = clips.full(tmp_path)
    for name in ("out.mp4", "out.mkv", "out.webm", "out.mov"):
        clips.copy(path, tmp_path / name)
        assert video_info(tmp_path / name)["metadata"] == {"vldm": "0"}
    clips.copy(tmp_path / "out.mp4", tmp_path / "again.mp4")
    tags = inspect(tmp_path / "again.mp4").metadata
    assert [tag for tag, text in tags.items() if '"vldm"' in text] == ["description"], "one place, not two"


def test_frames_that_an_edit_list_hides_are_not_counted(tmp_path):
    """Copied from the midst on: what comes before is there for the decoder alone."""
    path = clips.make(tmp_path, "a.mp4", "-g", "5", "-bf", "0", frames=10, rate="25")
    begin = ["-ss", "0.16", "-i", f"file:{path}", "-c", "copy"]
    ffmpeg.run([*begin, f"file:{tmp_path / 'b.mp4'}"], "cutting")
    found = video_info(tmp_path / "b.mp4")
    assert (found["frames"], float(found["duration"])) == (6, 0.24)
    assert open_clip(tmp_path / "b.mp4").frames == 6
