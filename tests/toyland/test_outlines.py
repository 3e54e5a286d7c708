"""Outlines in cells, against the rendered picture."""

import numpy as np
import torch

from vldm_cli.toyland.outlines import outlines
from vldm_cli.toyland.render import render
from vldm_cli.toyland.scene import from_attributes, sample_scenes

SIZE = (80, 128)


def scene(shape: str, colour: str = "red", motion: str = "stands still", **more):
    thing = {"colour": colour, "shape": shape, "material": "matte", "size": "large", "motion": motion}
    given = {"objects": [thing], "ground": "snow", "sky": "day", "camera": "still", **more}
    return from_attributes([given], np.random.default_rng(0))


def test_a_ball_has_an_outline_and_no_other_edges():
    scenes, times = scene("ball"), np.zeros((1, 1))
    found = outlines(scenes, times, SIZE, 8)[0, 0]
    frame = render(scenes, times, SIZE)[0, 0]
    red = (frame[0] > 2 * frame[1] + 0.05) & (frame[0] > 2 * frame[2] + 0.05)
    share = torch.nn.functional.avg_pool2d(red[None].float(), 8)[0]
    assert found.shape == share.shape == (10, 16)
    inside, outside = share > 0.999, share == 0
    # a ray's width on either side of the outline counts too
    assert found[(share > 0.2) & (share < 0.8)].all()
    assert not found[inside].all() and found.float().mean() < 0.3
    assert inside.any() and (found & outside).sum() < found.sum() / 2


def test_the_rims_of_spots_count_as_edges():
    """A plain ball shows in nothing else that it turns, and the image LDM left them out."""
    times = np.arange(8.0)[None] / 3
    spins, rests = (outlines(scene("ball", motion=m), times, SIZE, 4) for m in ("spins", "stands still"))
    assert spins.sum(dim=(2, 3)).float().std() > 1  # spots come and go
    assert spins.float().mean() > 1.1 * rests.float().mean()


def test_faces_of_a_cube_meet_in_edges_too():
    times = np.zeros((1, 1))
    ball, cube = (outlines(scene(s), times, SIZE, 4)[0, 0].sum() for s in ("ball", "cube"))
    assert cube > 1.2 * ball


def test_roads_have_none_and_every_scene_of_objects_has_some():
    rng = np.random.default_rng(1)
    scenes = sample_scenes(12, rng)
    found = outlines(scenes, np.tile(np.arange(2.0), (12, 1)), SIZE, 8)
    assert found.shape == (12, 2, 10, 16) and found.dtype == torch.bool
    road = torch.from_numpy(scenes.family_B == 1)
    assert road.any() and not found[road].any()
    assert found[~road].flatten(2).any(-1).float().mean() > 0.9
