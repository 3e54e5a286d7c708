from dataclasses import replace

import numpy as np
import pytest

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


def test_odd_sizes_and_what_is_beyond_the_limits():
    raw = Raw("yuv420p", 7, 11)
    frame = Look().from_rgb(raw, np.ones((7, 11, 3)))
    y, u, v = raw.planes(frame)
    assert (y == 235).all() and (u == 128).all() and u.shape == v.shape == (4, 6)
