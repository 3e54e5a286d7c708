"""Names of pixel formats, against ffmpeg's own list of them."""

import re

import pytest

from vldm_cli.video import ffmpeg
from vldm_cli.video.pixels import chroma, depth, has_alpha, is_rgb


def test_depth_of_every_format_that_ffmpeg_reads():
    listed = ffmpeg.probe(["-pix_fmts"])[0].decode()
    rows = re.findall(r"^I[O.][H.][P.][B.] (\w+) +\d +\d+ +([\d-]+)$", listed, re.MULTILINE)
    assert len(rows) > 100
    for name, bits in rows:
        if not name.startswith("bayer"):  # of which it counts what belongs to one pixel
            most = max(map(int, bits.split("-")))
            assert depth(name) == min(16, max(8, most)), name


@pytest.mark.parametrize(
    ("name", "rgb", "alpha", "samples"),
    [
        *(
            ("yuv420p", 0, 0, "420"),
            ("nv12", 0, 0, "420"),
            ("p010le", 0, 0, "420"),
            ("gray16be", 0, 0, "420"),
        ),
        *(
            ("yuyv422", 0, 0, "422"),
            ("uyvy422", 0, 0, "422"),
            ("yuv411p", 0, 0, "422"),
            ("p210le", 0, 0, "422"),
        ),
        *(
            ("yuva444p12le", 0, 1, "444"),
            ("nv24", 0, 0, "444"),
            ("yuv440p", 0, 0, "444"),
            ("ya8", 0, 1, "420"),
        ),
        *(("gbrp10le", 1, 0, ""), ("rgba64be", 1, 1, ""), ("pal8", 1, 1, ""), ("x2rgb10le", 1, 0, "")),
        *(("rgb555le", 1, 0, ""), ("xyz12le", 1, 0, ""), ("gbrap", 1, 1, ""), ("bgr0", 1, 0, "")),
    ],
)
def test_what_a_name_says(name, rgb, alpha, samples):
    assert (is_rgb(name), has_alpha(name)) == (bool(rgb), bool(alpha))
    assert not samples or chroma(name) == samples
