"""Means of what was measured clip by clip."""

import math

import torch

from vldm_cli.measure import reconstruction
from vldm_cli.measure.reconstruction import Means


def test_clips_in_which_nothing_is_visible_twice_are_left_out_of_the_mean(monkeypatch):
    errors = iter([2.0, math.nan, 4.0, math.nan])
    monkeypatch.setattr(reconstruction, "warping_error", lambda x_TCHW: next(errors))
    means, x_TCHW = Means(), torch.zeros(2, 3, 4, 4)
    for variant in ("temporal", "temporal", "temporal", "image"):
        means.add(variant, x_TCHW, x_TCHW)
    assert means.table() == {"temporal": {"warping error": 3.0}, "image": {"warping error": None}}
