"""The clip that the upscaler's speed is measured on."""

import numpy as np

from vldm_cli.measure.upscaled import moving


def test_it_moves_and_has_detail_of_every_size():
    first, second, third = moving(3, 40, 64)
    assert first.shape == (40, 64, 3) and first.dtype == np.uint8
    assert (second == np.roll(first, (1, 3), (0, 1))).all() and (third != second).mean() > 0.5
    spread = [first[::n, ::n].std() for n in (1, 8)]
    fine = np.abs(np.diff(first.astype(int), axis=1)).mean()
    assert min(spread) > 20 and fine > 2
    assert np.array_equal([*moving(3, 40, 64)], [first, second, third])
