"""The ruler of outlines on renders, whose outlines are known, and on renders that are spoiled on purpose."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vldm_cli.measure.components import components
from vldm_cli.measure.outlines import segment as segment_module
from vldm_cli.measure.outlines.contour import contour
from vldm_cli.measure.outlines.distances import Outlines, look
from vldm_cli.measure.outlines.fit import fit_all
from vldm_cli.measure.outlines.kind import Kind
from vldm_cli.measure.outlines.segment import overlap, palettes, segment
from vldm_cli.toyland.render import render
from vldm_cli.toyland.scene import from_attributes
from vldm_cli.toyland.silhouettes import silhouettes

SIZE = (160, 256)
NAMES = ("colour", "shape", "material", "size", "motion", "ground", "sky")
THINGS = (
    ("red", "ball", "matte", "large", "stands still", "grass", "day"),
    ("blue", "cube", "striped", "large", "spins", "sand", "overcast"),
    ("yellow", "pyramid", "checkered", "large", "rolls right", "stone", "sunset"),
    ("pink", "cone", "shiny", "large", "bounces", "water", "night"),
    ("red", "cylinder", "matte", "large", "rolls left", "snow", "day"),
    ("orange", "ring", "matte", "large", "slides left", "grass", "night"),
)
SECONDS = 1.3
DENTED = (0, 1, 3, 4)


def given_of(thing):
    """What a scene of one thing is made from."""
    values = dict(zip(NAMES, thing, strict=True))
    ground, sky = values.pop("ground"), values.pop("sky")
    return {"objects": [values], "ground": ground, "sky": sky, "camera": "still"}


@pytest.fixture(scope="module")
def scenes():
    return from_attributes([given_of(thing) for thing in THINGS], np.random.default_rng(5))


@pytest.fixture(scope="module")
def kinds():
    return [Kind.of(thing[1], thing[4]) for thing in THINGS]


@pytest.fixture(scope="module")
def frames(scenes):
    x = render(scenes, np.full((len(scenes), 1), SECONDS), SIZE)[:, 0]
    return (x * 255).round() / 127.5 - 1


@pytest.fixture(scope="module")
def truth(scenes):
    return silhouettes(scenes, np.full((len(scenes), 1), SECONDS), SIZE)[:, 0, 0] > 0.5


@pytest.fixture(scope="module")
def colours():
    """The palette of a thing by its number, found when it is asked for."""

    class Found(dict):
        def __missing__(self, number):
            scenes = from_attributes([given_of(THINGS[number])], np.random.default_rng(5))
            (self[number],) = palettes(scenes, SIZE, "cpu")
            return self[number]

    return Found()


@pytest.mark.parametrize(
    "some", [(0, 2, 5), pytest.param(range(len(THINGS)), marks=pytest.mark.long)], ids=["some", "all"]
)
def test_silhouettes_are_found_and_lie_on_renders(frames, truth, colours, kinds, some):
    seen, motions = Outlines(), [THINGS[i][4] for i in some]
    masks, fits = look(frames[[*some]], [colours[i] for i in some], [kinds[i] for i in some], motions, seen)
    distances = seen.distance
    assert None not in fits
    overlaps = overlap(masks, truth[[*some]])
    assert overlaps.min() > 0.97 and overlaps.mean() > 0.98
    # what is left are the pixels
    assert max(distances) < 0.4 and 0.15 < np.mean(distances) < 0.27
    table = seen.table()
    assert table["objects"] == len(some) and table["lost"] == table["cut"] == 0 and table["close"] == 1.0
    assert table["balls"] < 0.25 and table["rolling"] < 0.35


@pytest.mark.long
def test_dents_are_found_in_the_right_amount(frames, colours, kinds, truth):
    dented = {}
    for depth in (1.0, 2.0):
        some = DENTED[:1] if depth == 1 else DENTED
        x = torch.stack([dent(frames[i], truth[i], depth) for i in some])
        seen = Outlines()
        look(x, [colours[i] for i in some], [kinds[i] for i in some], ["spins"] * len(some), seen)
        distances = seen.distance
        # of a ball, whose outline lies square to the way in which it is dented: the mean of |sine| and its root
        # mean square, beside which the pixels' own share is small
        dented[depth] = distances[0]
        assert distances[0] == pytest.approx(depth * 2 / np.pi, rel=0.2)
        assert seen.table()["balls"] == pytest.approx(depth / 2**0.5, rel=0.2)
        # of the others somewhat less: dents go to and fro from the middle
        assert all(0.35 * depth < d < 0.85 * depth for d in distances)
    assert dented[2.0] / dented[1.0] == pytest.approx(2, rel=0.15)


def test_true_silhouettes_fit_their_own_shape_best(truth, kinds):
    points = [contour(mask) for mask in truth]
    own = [float(near.distance_N) for near in fit_all(kinds, points, SIZE)]
    assert max(own) < 0.32 and np.mean(own) < 0.25
    other = [
        Kind.of(name, "stands still") for name in ("cylinder", "ball", "cone", "pyramid", "cube", "ball")
    ]
    wrong = [float(near.distance_N) for near in fit_all(other, points, SIZE)]
    assert min(wrong) > 0.6


def test_objects_of_several_kinds_at_once_are_fitted_as_each_alone(truth, kinds):
    some = (4, 0, 3)  # a ball, which has fewer starts, between others
    points = [contour(truth[i]) for i in some]
    together = fit_all([kinds[i] for i in some], points, SIZE)
    for i, p, near in zip(some, points, together, strict=True):
        alone = fit_all([kinds[i]], [p], SIZE)[0]
        torch.testing.assert_close(near.distance_N, alone.distance_N, atol=1e-4, rtol=0)
        torch.testing.assert_close(near.signed_NP, alone.signed_NP, atol=1e-2, rtol=0, equal_nan=True)


def test_palettes_do_not_depend_on_what_is_rendered_together(scenes, monkeypatch):
    together = palettes(scenes[:2], (40, 64), "cpu")
    monkeypatch.setattr(segment_module, "RENDERED", 1)
    for one, other in zip(palettes(scenes[:2], (40, 64), "cpu"), together, strict=True):
        assert torch.equal(one.object_N3, other.object_N3) and torch.equal(one.other_N3, other.other_N3)


def test_a_ring_without_its_hole_is_far_from_a_ring(truth, kinds):
    mask = truth[5]
    filled = components(~mask[None])[0]
    filled = ~(filled == filled[0, 0])
    assert filled.sum() > mask.sum() + 50
    near, far = fit_all([kinds[5]] * 2, [contour(mask), contour(filled)], SIZE)
    assert float(near.distance_N) < 0.3 and float(far.distance_N) > 3 * float(near.distance_N)


def test_nothing_is_found_where_nothing_is(colours, kinds):
    empty = torch.zeros(1, 3, *SIZE) + colours[0].other_N3[0, :, None, None]
    seen = Outlines()
    masks, fits = look(empty, [colours[0]], kinds[:1], ["stands still"], seen)
    assert not masks.any() and fits == [None]
    assert seen.table() == {
        "distance": None, "90th percentile": None, "close": 0.0, "rolling": None, "balls": None,
        "pattern": None, "patterned clips": 0,
        "objects": 0, "lost": 1, "cut": 0,
    }  # fmt: skip


def test_what_the_frame_cuts_is_not_counted(frames, truth, colours, kinds):
    x = int(torch.nonzero(truth[0].any(0))[:, 0].float().mean())
    moved = frames[:1].roll(SIZE[1] - x, -1)
    seen = Outlines()
    look(moved, [colours[0]], kinds[:1], ["stands still"], seen)
    assert seen.table()["objects"] == 0 and seen.cut == 1


@pytest.mark.long
def test_the_same_frames_in_any_batch(frames, colours, kinds):
    together = segment(frames[[0, 3]], [colours[0], colours[3]], [kinds[0], kinds[3]])
    assert torch.equal(together[1], segment(frames[3:4], [colours[3]], kinds[3:4])[0])


def dent(x_CHW, mask_HW, depth, waves=9):
    """The frame with the outline of what is in the mask moved to and fro from its middle by up to `depth` pixels."""
    H, W = mask_HW.shape
    v, u = torch.nonzero(mask_HW, as_tuple=True)
    cy, cx = float(v.float().mean()) + 0.5, float(u.float().mean()) + 0.5
    y, x = torch.meshgrid(torch.arange(H) + 0.5, torch.arange(W) + 0.5, indexing="ij")
    dy, dx = y - cy, x - cx
    away = (dy * dy + dx * dx).sqrt().clamp_min(1)
    move = depth * torch.sin(waves * torch.atan2(dy, dx)) * (away / 8).clamp_max(1)
    from_x, from_y = x - move * dx / away, y - move * dy / away
    grid = torch.stack([2 * from_x / W - 1, 2 * from_y / H - 1], -1)
    return F.grid_sample(x_CHW[None], grid[None], padding_mode="border", align_corners=False)[0]
