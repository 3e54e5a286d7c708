import pytest
import torch

from tests.align.pictures import moving, picture
from vldm_cli.motion.flow import flow, visible, warp

assert picture  # a fixture


@pytest.mark.parametrize("dx, dy", [(0, 0), (1, 1), (4, -2)])
def test_flow_of_a_moving_picture(picture, dx, dy):
    a, b = moving(picture, dx, dy, 2).split(1)
    middle = flow(a, b)[0, :, 8:-8, 8:-8]
    assert (middle - torch.tensor([dx, dy], dtype=torch.float)[:, None, None]).abs().mean() < 0.15


def test_warp_fetches_from_where_the_flow_points(picture):
    a, b = moving(picture, 3, 0, 2).split(1)
    known = torch.zeros(1, 2, 48, 80)
    known[:, 0] = 3
    assert torch.allclose(warp(b, known)[..., :-3], a[..., :-3], atol=1e-5)
    assert visible(known, -known)[0, 0, :, :-3].all()
    assert not visible(known, -known)[0, 0, :, -3:].any()
    assert not visible(known, known).any()
