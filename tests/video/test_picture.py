"""One reader of single pictures: bits, transparency, orientation, kinds; and which files are clips."""

import numpy as np
import pytest
from PIL import Image

from tests.video import clips
from vldm_cli.errors import RequestError
from vldm_cli.train.data.files import Folder
from vldm_cli.video import ffmpeg
from vldm_cli.video.clip import open_clip
from vldm_cli.video.picture import UnreadableError, fitted, look, pixels
from vldm_cli.video.pictures import find
from vldm_cli.video.read import read_image, video_info


def ramp(path, pixel_format="gray16be"):
    """From black on the left to white on the right, 256 wide."""
    ramp = ["-f", "lavfi", "-i", "nullsrc=s=256x8,format=gray16le,geq=lum='X*257'"]
    one = ["-frames:v", "1", "-update", "1", "-pix_fmt", pixel_format]
    ffmpeg.run([*ramp, *one, ffmpeg.local(path)], "making a ramp")
    return path


DEEP = [
    ("a.png", "gray16be"),
    ("a.tif", "gray16le"),
    ("a.png", "rgb48be"),
    ("a.png", "ya16be"),
    ("a.png", "rgba64be"),
]


@pytest.mark.parametrize(("name", "pixel_format"), [*DEEP, ("b.png", "gray"), ("b.bmp", "bgr24")])
def test_a_ramp_is_a_ramp_in_every_depth_for_images_clips_and_training(tmp_path, name, pixel_format):
    path = ramp(tmp_path / name, pixel_format)
    expected = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None], (8, 256, 3))
    folder = Folder(tmp_path, lambda size, video: size)
    (stretch,) = folder.stretches
    for seen in (read_image(path, (8, 256)), folder.frames(stretch)[0]):
        assert np.abs(seen.astype(int) - expected).max() <= 1
    image = pixels(look(path))
    assert image.dtype == (
        np.uint16 if "16" in pixel_format or "48" in pixel_format or "64" in pixel_format else np.uint8
    )
    assert image.shape == (8, 256, 3) and open_clip(path).frames == 1


@pytest.mark.parametrize("other", [".jpg", ".tif", ".bmp", ".png", ".webp"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_deep_picture_is_of_its_kind_whatever_its_name(tmp_path, suffix, other):
    """ffmpeg by itself goes by the suffix: at the first such frame the run broke, and so for ever."""
    path = ramp(tmp_path / f"a{suffix}", "gray16le" if suffix == ".tif" else "gray16be")
    path.replace(tmp_path / f"b{other}")
    ramp(tmp_path / "a.png", "gray16be")
    clip = open_clip(tmp_path)
    one, two = clip.read(0, clip.raw(rgb=True))
    assert one == two


def test_a_deep_picture_that_only_one_of_two_readers_takes_is_refused_at_once(tmp_path):
    """Whole to its last sample and without its end: found out at that frame, the run broke, and so for ever."""
    for number in range(3):
        path = ramp(tmp_path / f"{number}.png", "rgb48be")
    data = path.read_bytes()
    refused = []
    for short in range(13, 200, 11):
        path.write_bytes(data[:-short])
        try:
            clip = open_clip(tmp_path)
        except RequestError as error:
            refused.append(str(error))
        else:
            assert len(list(clip.read(0, clip.raw(rgb=True)))) == 3
    assert refused and all("2.png is no picture that vldm reads" in words for words in refused)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_samples_of_32_bits_are_refused_everywhere(tmp_path, mode):
    Image.new(mode, (16, 8)).save(tmp_path / "a.tif")
    with pytest.raises(RequestError, match="32 bits"):
        read_image(tmp_path / "a.tif", (8, 16))
    with pytest.raises(RequestError, match="32 bits"):
        open_clip(tmp_path / "a.tif")
    with pytest.raises(RequestError, match="32 bits"):
        Folder(tmp_path, lambda size, video: size)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pictures_stand_upright_everywhere(tmp_path, orientation, mode):
    from PIL import ImageOps

    image = Image.fromarray(np.arange(0, 240, 5, dtype=np.uint8).reshape(6, 8)).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.png"
    image.save(path, exif=exif)
    with Image.open(path) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    assert np.array_equal(pixels(look(path)), expected)
    assert (look(path).height, look(path).width) == expected.shape[:2]
    folder = Folder(tmp_path, lambda size, video: size)
    assert np.array_equal(folder.frames(folder.stretches[0])[0], expected)


def test_what_is_transparent_is_white(tmp_path):
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "a.png")
    image = fitted(tmp_path / "a.png", (4, 4))
    assert (image == 255).all()
    assert image.flags.writeable  # or torch warns whoever gives an --image


def test_a_picture_is_never_read_by_another_program_nor_from_another_place(tmp_path):
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n")
    with pytest.raises(UnreadableError):
        look(tmp_path / "a.png")
    with pytest.raises(FileNotFoundError):
        look("imageio:chelsea.png")


def apng(folder, name, frames=4):
    return clips.make(folder, name, "-f", "apng", "-plays", "0", frames=frames, codec=[])


@pytest.mark.parametrize("name", ["a.png", "a%03d.png", "a.apng"])
def test_an_animated_png_is_a_clip_whatever_its_name(tmp_path, name):
    path = apng(tmp_path, "made.png")
    path = path.rename(tmp_path / name)
    assert find(path) == () and open_clip(path).frames == 4 and video_info(path)["frames"] == 4
    folder = Folder(tmp_path, lambda size, video: size)
    assert sum(stretch.frames for stretch in folder.stretches) == 4


def test_of_several_pages_the_first_is_used_and_that_is_said(tmp_path):
    pages = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (10, 20, 30)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    clip = open_clip(tmp_path / "a.tif")
    assert clip.frames == 1 and any(
        "holds 3 pictures, of which the first" in words for words in clip.warnings
    )


def test_names_of_pictures_count_as_people_do(tmp_path):
    for name in ("10.png", "9.png", "1²1.png", "①.png", "a.webp", ".hidden.png", "٣.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    assert [path.name for path in find(tmp_path)] == [
        "1²1.png",
        "٣.png",
        "9.png",
        "10.png",
        "a.webp",
        "①.png",
    ]
    assert open_clip(tmp_path).frames == 6 and video_info(tmp_path)["frames"] == 6


@pytest.mark.parametrize("name", ["a%03d.webp", "shot%02d/a.webp", "s%d.webp"])
def test_a_webp_may_be_called_as_a_series_is(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    first = Image.new("RGB", (8, 8), "red")
    more = (
        [] if name.startswith("s%") else [Image.new("RGB", (8, 8), "blue"), Image.new("RGB", (8, 8), "green")]
    )
    first.save(path, save_all=bool(more), append_images=more, duration=100)
    assert open_clip(path).frames == 1 + len(more)


def test_a_deep_picture_is_the_one_of_that_name(tmp_path):
    ramp(tmp_path / "a1.png")
    Image.fromarray(np.full((8, 256), 65535, np.uint16)).save(tmp_path / "white.png")
    path = (tmp_path / "white.png").rename(tmp_path / "a%d.png")
    assert (pixels(look(path)) == 65535).all()
