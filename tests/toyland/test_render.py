"""Rendering: ranges, determinism, windows of a frame, and that things look like what they are called."""

import numpy as np
import pytest
import torch

from vldm_cli.toyland import render as render_module
from vldm_cli.toyland import world
from vldm_cli.toyland.looks import spotted
from vldm_cli.toyland.render import render
from vldm_cli.toyland.scene import from_attributes, sample_scenes

SMALL = (40, 64)


def one(motion="stands still", seed=0, **thing):
    base = {"colour": "red", "shape": "ball", "material": "matte", "size": "large", "motion": motion} | thing
    return {"objects": [base], "ground": "snow", "sky": "day", "camera": "still"}


def frames(dicts, times=(0.0,), size=SMALL, seed=0, **kw):
    # The same dice for every scene, so that only the attributes differ.
    scenes = from_attributes(dicts, np.random.default_rng(seed))
    scenes.dice_BD[:] = scenes.dice_BD[:1]
    scenes.seed_B[:] = scenes.seed_B[:1]
    return render(scenes, np.broadcast_to(times, (len(dicts), len(times))), size, **kw)


def test_shape_range_and_determinism():
    scenes = sample_scenes(12, np.random.default_rng(0))
    times = np.linspace(-1, 700, 24).reshape(12, 2)
    a = render(scenes, times, SMALL)
    assert a.shape == (12, 2, 3, *SMALL) and a.dtype == torch.float32
    assert a.min() >= 0 and a.max() <= 1 and a.isfinite().all()
    assert torch.equal(a, render(scenes, torch.as_tensor(times), SMALL))
    assert (a.flatten(2).std(-1) > 0.02).all()


def test_batch_and_chunks_do_not_matter(monkeypatch):
    scenes = sample_scenes(10, np.random.default_rng(1))
    times = np.tile([0.2, 2.0], (10, 1))
    whole = render(scenes, times, SMALL)
    monkeypatch.setattr(render_module, "RAYS_CPU", 3000)
    torch.testing.assert_close(render(scenes, times, SMALL), whole, atol=1e-5, rtol=0)
    torch.testing.assert_close(render(scenes[4:5], times[4:5], SMALL), whole[4:5], atol=1e-5, rtol=0)


def test_a_core_with_blocks_draws_the_same():
    """`compiled_core` gives every call the same number of frames; the fillers leave no trace."""
    scenes = sample_scenes(2, np.random.default_rng(6), family="driving")
    times = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
    blocks = render_module.Core(block=4)
    assert torch.equal(render(scenes, times, SMALL, core=blocks), render(scenes, times, SMALL))
    objects = sample_scenes(5, np.random.default_rng(6), family="objects")
    times = np.linspace(0, 4, 5)[:, None]
    torch.testing.assert_close(
        render(objects, times, SMALL, core=blocks), render(objects, times, SMALL), atol=1e-5, rtol=0
    )


def test_it_is_compiled_in_inference_mode_as_well():
    """There a number of numpy's broke it: the guard on it failed where it was made."""
    scenes = sample_scenes(1, np.random.default_rng(6), family="driving")
    times = np.array([[0.0, 1.0]])
    with torch.inference_mode():
        core = render_module.compiled_core(block=2, backend="eager")
        made = render(scenes, times, SMALL, core=core)
    torch.testing.assert_close(made, render(scenes, times, SMALL), atol=1e-5, rtol=0)


def test_crop_is_a_window_of_the_frame():
    scenes = sample_scenes(8, np.random.default_rng(2))
    assert set(scenes.family_B) == {0, 1}
    times = np.linspace(0, 3, 16).reshape(8, 2)
    y0, x0 = np.arange(8), 2 * np.arange(8)
    whole, part = render(scenes, times, SMALL), render(scenes, times, SMALL, (y0, x0, 24, 32))
    cut = torch.stack([whole[i, :, :, y0[i] : y0[i] + 24, x0[i] : x0[i] + 32] for i in range(8)])
    torch.testing.assert_close(part, cut, atol=1e-6, rtol=0)


def test_size_changes_resolution_only():
    scenes = sample_scenes(6, np.random.default_rng(3))
    times = np.full((6, 1), 1.0)
    large = render(scenes, times, (160, 256)).flatten(0, 1)
    small = render(scenes, times, SMALL).flatten(0, 1)
    assert (torch.nn.functional.avg_pool2d(large, 4) - small).abs().mean() < 0.02


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("shape", world.SHAPES),
        ("material", world.MATERIALS),
        ("size", world.SIZES),
        ("colour", list(world.COLOURS)),
    ],
)
def test_each_looks_different(key, values):
    x = frames([one(**{key: v}) for v in values])
    assert_all_differ(x)


@pytest.mark.parametrize(("key", "values"), [("ground", world.GROUNDS), ("sky", world.SKIES)])
def test_each_place_looks_different(key, values):
    assert_all_differ(frames([one() | {key: v} for v in values]), 0.03)


def test_each_motion_and_camera_looks_different():
    times = (0.5, 2.0, 4.0)
    moves = [one(m, shape="cube") for m in world.MOTIONS if m != "orbits"]
    partner = {"colour": "blue", "shape": "cone"}
    moves.append({**one("orbits"), "objects": [*one("orbits")["objects"], partner]})
    assert_all_differ(frames(moves, times), 0.004)
    assert_all_differ(frames([one(shape="cube") | {"camera": c} for c in world.CAMERAS], times), 0.004)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("time", world.TIMES),
        ("traffic", world.TRAFFIC),
        ("roadside", world.ROADSIDES),
        ("weather", world.WEATHERS),
        ("course", world.COURSES),
    ],
)
def test_each_road_looks_different(key, values):
    base = dict(
        family="driving", time="day", traffic="light", roadside="trees", weather="clear", course="straight"
    )
    x = frames([base | {key: v} for v in values], (0.0, 1.3, 2.9), (80, 128))
    assert_all_differ(x, 0.003)
    assert (x[:, 0] - x[:, 1]).abs().mean() > 0.01  # and it moves


def assert_all_differ(x, least=0.008):
    for i in range(len(x)):
        for j in range(i):
            assert (x[i] - x[j]).abs().mean() > least, (i, j)


@pytest.mark.parametrize("sky", ["day", "overcast"])
def test_colours_are_near_their_names(sky):
    """The middle of a matte ball has the hue of its name: its own colour is the nearest of all ten."""
    palette = torch.tensor(list(world.COLOURS.values()))
    scenes = from_attributes([one(colour=c) | {"sky": sky} for c in world.COLOURS], np.random.default_rng(0))
    scenes.dice_BD[:] = 0.5  # no spots
    x = render(scenes, np.zeros((10, 1)), (80, 128))[:, 0]
    seen = x[:, :, 36:44, 60:68].mean((-1, -2))
    assert torch.equal(torch.cdist(seen, palette).argmin(1), torch.arange(10))


def test_plain_round_things_wear_spots_where_they_turn_and_nowhere_else():
    """What turns has spots, so that it can be seen; some that rests or slides has them too, or spots would tell."""
    scenes = sample_scenes(4000, np.random.default_rng(0), family="objects")
    worn, there = spotted(scenes), np.arange(3) < scenes.count_B[:, None]
    named = {name: i for i, name in enumerate(world.MOTIONS)}
    motion, shape, material = scenes.motion_BK, scenes.shape_BK, scenes.material_BK
    cornered = np.isin(shape, [world.SHAPES.index(s) for s in ("cube", "pyramid")])
    assert not worn[cornered | (material > 1)].any()
    plain = there & ~cornered & (material < 2)
    shares = {m: worn[plain & (motion == named[m])].mean() for m in world.MOTIONS}
    assert shares["spins"] == shares["rolls left"] == shares["rolls right"] == 1
    assert 0.4 < shares["slides left"] < 0.6 and 0.2 < shares["stands still"] < 0.4
    assert shares["bounces"] == shares["orbits"] == shares["grows"] == 0
    # a red ball that spins is partly white now and then; one that has grown in the same place is not
    x = frames([one(motion=m) for m in ("spins", "grows")], times=20 + np.arange(8) / 2, size=(80, 128))
    white = (x[0, :, 1] - x[1, :, 1] > 0.3).sum((1, 2))
    assert white.max() > 100 and white.min() < 5


def test_a_ring_has_a_hole_and_a_ball_has_none():
    x = frames([one(colour="red", shape=s) for s in ("ring", "ball")], size=(80, 128))[:, 0]
    redness = x[:, 0] - x[:, 1]
    middle = redness[:, 38:43, 62:67].mean((-1, -2))
    assert middle[0] < 0.1 and middle[1] > 0.4


def test_shadow_falls_beside_the_object():
    x = frames([one(motion="falls")], times=(0.0, 50.0), size=(80, 128))[0]
    assert ((x[0] - x[1]).abs().sum(0) > 0.3).sum() > 200  # it moved, and its shadow with it


def test_wrong_times_are_refused():
    with pytest.raises(ValueError, match="times_BT"):
        render(sample_scenes(2, np.random.default_rng(0)), np.zeros((3, 1)))
