from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from vldm_cli.video import ffmpeg
from vldm_cli.video.look import Look, Raw

SMOOTH = np.stack(
    [*np.meshgrid(np.linspace(0.1, 0.9, 12), np.linspace(0.2, 0.8, 8)), np.full((8, 12), 0.4)], -1
)


@pytest.mark.parametrize("pixels", ["rgb24", "rgb48le", "yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", "bt2020nc"])
@pytest.mark.parametrize("span", ["tv", "pc"])
def test_from_rgb_and_back(pixels, matrix, span):
    look, raw = replace(Look(), matrix=matrix, range=span), Raw(pixels, 8, 12)
    frame = look.from_rgb(raw, SMOOTH)
    assert len(frame) == raw.bytes
    assert np.abs(look.to_rgb(raw, frame) - 255 * SMOOTH).max() < (
        2.5 if pixels in ("rgb24", "yuv444p") else 25
    )
    grey = look.from_rgb(raw, np.full((8, 12, 3), 0.5))
    assert np.abs(look.to_rgb(raw, grey).astype(int) - 128).max() <= 1


MATRICES = [None, "bt709", "bt470bg", "smpte170m", "smpte240m", "fcc", "bt2020nc", "bt2020c", "gbr"]


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("span", ["tv", "pc"])
@pytest.mark.parametrize("bits", [8, 10])
def test_colours_are_coded_as_ffmpeg_codes_them(matrix, span, bits):
    look = replace(Look(), matrix=matrix, range=span, bits=bits, chroma="444")
    colours = np.repeat(np.array(list(product((0.0, 1.0), repeat=3))), 16, 0)
    image = np.tile(colours, (8, 1, 1))
    height, width, _ = image.shape
    rgb, raw = Raw("rgb48le", height, width), Raw(look.coded, height, width)
    given = ["-f", "rawvideo", "-pix_fmt", rgb.pixels, "-s", f"{width}x{height}", "-i", "pipe:0"]
    taken = ["-vf", look.encode(rgb.pixels), "-f", "rawvideo", "pipe:1"]
    theirs = ffmpeg.run([*given, *taken], "coding colours", [rgb.pack([image * rgb.peak])])
    ours = look.from_rgb(raw, image)
    for one, other in zip(raw.planes(theirs), raw.planes(ours), strict=True):
        # in the middle of each colour, where swscale's filters see no other; it rounds by up to four of 1023
        assert np.abs(one[4, 8::16].astype(int) - other[4, 8::16]).max() <= (1 if bits == 8 else 4)
    assert np.abs(look.to_rgb(raw, theirs)[4, 8::16] - 255 * image[4, 8::16]).max() <= 2


def test_white_of_the_full_range_is_the_largest_sample():
    raw, look = Raw("yuv444p10le", 2, 2), replace(Look(), range="pc")
    y, u, v = raw.planes(look.from_rgb(raw, np.ones((2, 2, 3))))
    assert (y == 1023).all() and (u == 512).all() and (v == 512).all()
    assert (look.to_rgb(raw, raw.pack([y, u, v])) == 255).all()


def test_odd_sizes_and_what_is_beyond_the_limits():
    raw = Raw("yuv420p", 7, 11)
    frame = Look().from_rgb(raw, np.ones((7, 11, 3)))
    y, u, v = raw.planes(frame)
    assert (y == 235).all() and (u == 128).all() and u.shape == v.shape == (4, 6)
