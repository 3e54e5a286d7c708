"""How far networks look."""

import pytest
from torch import nn
from torch.nn import functional as F

from vldm_cli.align.receptive import reach


@pytest.mark.parametrize(("side", "layers", "scale"), [(3, 2, 1), (5, 2, 2), (3, 9, 4)])
def test_convolutions_see_as_far_as_they_are_wide(side, layers, scale):
    row = nn.Sequential(*(nn.Conv2d(3, 3, side, 1, side // 2, bias=False) for _ in range(layers)))
    for layer in row:
        nn.init.ones_(layer.weight)
    found = reach(lambda x: F.interpolate(row(x), scale_factor=scale), 3, 1, 1)
    # of many like layers, the outermost pixels say next to nothing
    assert layers * (side // 2) - (layers > 2) * layers // 2 <= found <= layers * (side // 2)


def test_what_looks_at_the_whole_has_no_end():
    assert reach(lambda x: x + x.mean((-1, -2), keepdim=True) * 10_000, 3, 1, 1) is None


def test_sides_are_what_the_network_takes():
    seen = []

    def run(x):
        seen.append(tuple(x.shape[-2:]))
        return x[:, :3]

    assert reach(run, 4, 24, 1) == 0 and set(seen) == {(48, 48)}
