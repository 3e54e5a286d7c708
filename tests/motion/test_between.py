"""Motion and the frames made of it, on pictures that move by known amounts."""

import pytest
import torch
from torch.nn import functional as F

from vldm_cli.motion.between import Pair, _carried
from vldm_cli.motion.matching import median, motion, pyramid, warp


def texture(seed=0, size=(96, 128), margin=32):
    """A random picture (1, 1, H + 2m, W + 2m) in [0, 1] with as much of every fineness as photographs have."""
    generator = torch.Generator().manual_seed(seed)
    height, width = size[0] + 2 * margin, size[1] + 2 * margin
    picture = torch.zeros(1, 1, height, width)
    for fine in (4, 8, 16, 32, 64):
        grid = torch.randn(1, 1, height // fine + 3, width // fine + 3, generator=generator)
        picture += fine**0.5 * F.interpolate(grid, size=(height, width), mode="bicubic", align_corners=False)
    return (0.5 + picture / 40).clamp(0, 1)


def seen(world, x, y, size=(96, 128), margin=32):
    """The world through a window moved by (x, y): what it shows moves by (−x, −y)."""
    return world[..., margin + y : margin + y + size[0], margin + x : margin + x + size[1]]


def error(made, true, border=12):
    return (made - true)[..., border:-border, border:-border].abs().mean().item()


@pytest.mark.parametrize("shift", [(0, 0), (4, -2), (-12, 6), (20, 0)])
def test_a_pan_is_found_and_the_frame_half_way_is_the_world_half_way(shift):
    world, (x, y) = texture(), shift
    a, b = seen(world, 0, 0), seen(world, x, y)
    v = motion(pyramid(a), pyramid(b), 0.0)
    inner = v[..., 24:-24, 24:-24].median(-1).values.median(-1).values[0]
    assert torch.allclose(inner, torch.tensor([-float(x), -float(y)]), atol=0.1)
    (made,) = Pair([a], [b]).at(0.5)
    assert error(made, seen(world, x // 2, y // 2), 24) < 0.01
    blend = error((a + b) / 2, seen(world, x // 2, y // 2), 24)
    assert shift == (0, 0) or error(made, seen(world, x // 2, y // 2), 24) < blend / 4


@pytest.mark.parametrize("t", [0.25, 0.75])
def test_times_between_are_followed(t):
    world = texture(1)
    a, b, true = seen(world, 0, 0), seen(world, 8, 4), seen(world, int(8 * t), int(4 * t))
    (made,) = Pair([a], [b]).at(t)
    assert error(made, true) < 0.01


def test_an_object_over_a_still_ground_moves_and_the_ground_stays():
    ground, thing = seen(texture(2), 0, 0), texture(3, (32, 32), 0)

    def at(x):
        frame = ground.clone()
        frame[..., 30:62, x : x + 32] = thing
        return frame

    a, b, true = at(30), at(46), at(38)
    (made,) = Pair([a], [b]).at(0.5)
    assert error(made, true, 2) < 0.25 * error((a + b) / 2, true, 2)
    assert (made - true)[..., 70:, :].abs().max() < 0.02, "far from the object nothing moves"


def test_planes_of_half_the_size_go_along():
    world = texture(4)
    a, b, true = (seen(world, x, 0) for x in (0, 8, 4))
    half = [F.avg_pool2d(x, 2) for x in (a, b, true)]
    made = Pair([a, half[0]], [b, half[1]]).at(0.5)
    assert made[1].shape == half[2].shape and error(made[1], half[2]) < 0.01


def test_rgb_is_followed_by_its_brightness():
    world = torch.cat([texture(s) for s in (5, 6, 7)], 1)
    a, b, true = (seen(world, x, x // 4) for x in (0, 8, 4))
    (made,) = Pair([a], [b]).at(0.5)
    assert made.shape == true.shape and error(made, true) < 0.02


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 50), (24, 25), (47, 63)])
def test_any_size(size):
    a, b = texture(8, size, 0), texture(9, size, 0)
    pair = Pair([a], [b])
    (made,) = pair.at(0.5)
    assert made.shape == a.shape and made.isfinite().all() and made.min() >= 0 and made.max() <= 1
    pair.is_cut()


def test_a_jump_within_a_shot_and_a_flash_are_cuts():
    """The same light and sky before and after, and everything else elsewhere."""
    sky = torch.linspace(0.9, 0.1, 96)[None, None, :, None]
    one, other = (0.75 * sky + 0.25 * seen(texture(seed), 0, 0) for seed in (5, 6))
    assert Pair([one], [other]).is_cut() and not Pair([one], [one * 0.9]).is_cut()
    assert Pair([one], [one * 0 + 0.02]).is_cut() and Pair([one * 0 + 0.98], [one]).is_cut()


def test_cuts_are_found_and_pans_are_none():
    one, other = texture(10), texture(11)
    assert Pair([seen(one, 0, 0)], [seen(other, 0, 0) * 0.5]).is_cut()
    assert Pair([seen(one, 0, 0)], [seen(other, 0, 0)]).is_cut()
    for x, y in ((0, 0), (6, 2), (16, -8)):
        assert not Pair([seen(one, 0, 0)], [seen(one, x, y)]).is_cut()
    flat = torch.full((1, 1, 40, 40), 0.5)
    assert not Pair([flat], [flat]).is_cut() and not Pair([flat], [flat + 0.01]).is_cut()


def test_median_removes_a_lone_pixel_and_keeps_an_edge():
    v = torch.zeros(1, 2, 9, 9)
    v[..., 5:] = 3
    edge = v.clone()
    v[0, :, 4, 2] = 9
    assert torch.equal(median(v), edge)


def test_motion_is_carried_to_where_it_leads():
    v = torch.zeros(1, 2, 20, 40)
    v[0, 0, :, 5:15] = 8
    carried = _carried(v, 0.5)
    assert carried[0, 0, 10, 12] == 8 and carried[0, 0, 10, 30] == 0


def test_warp_fetches_from_where_it_points():
    x = torch.arange(20.0).view(1, 1, 4, 5)
    v = torch.zeros(1, 2, 4, 5)
    v[:, 0] = 1
    torch.testing.assert_close(warp(x, v)[0, 0, :, :4], x[0, 0, :, 1:])
