"""What is asked of a clip: what it shows, and nothing else."""

import numpy as np
import torch

from vldm_cli.measure.probe.attributes import COLOUR_NAMES, OBJECT, SCENE
from vldm_cli.measure.probe.truth import CAMERA, MOTION, mirrored, truth
from vldm_cli.toyland.scene import from_attributes, sample_scenes
from vldm_cli.toyland.sight import sight
from vldm_cli.toyland.world import RELATIONS

TIMES = np.arange(8) * 2 / 3


def thing(colour, shape="ball", motion="stands still", size="large"):
    return {"colour": colour, "shape": shape, "material": "matte", "size": size, "motion": motion}


def scene(*things, relation=None, camera="still"):
    given = {"objects": list(things), "ground": "sand", "sky": "day", "camera": camera}
    if relation:
        given["relations"] = [(0, relation, 1)]
    return from_attributes([given], np.random.default_rng(0))


def test_relations_are_told_both_ways_and_agree_with_the_places():
    for relation, sign in (("left of", -1), ("right of", 1)):
        told = truth(scene(thing("red"), thing("blue"), relation=relation), TIMES[None], 1.6)
        red, blue = COLOUR_NAMES.index("red"), COLOUR_NAMES.index("blue")
        other = {"left of": "right of", "right of": "left of"}[relation]
        assert RELATIONS[told["relations"][0, red, blue]] == relation
        assert RELATIONS[told["relations"][0, blue, red]] == other
        assert (told["relations"] >= 0).sum() == 2
        x = told["places"][0, :, :, 0].float()
        assert ((x[:, red] - x[:, blue]) * sign > 0.2).all()
        back = mirrored(told)
        assert RELATIONS[back["relations"][0, red, blue]] == other
        assert torch.equal(back["places"][..., 0], -told["places"][..., 0])


def test_what_is_hidden_is_not_asked_for():
    scenes = scene(thing("red", size="small"), thing("blue", "cube"), relation="behind")
    seen = sight(scenes, TIMES[None], 1.6).visible_BTK[0]
    assert (seen[:, 1] > 0.95).all() and (seen[:, 0] < 0.99).all() and (seen[:, 2] == 0).all()
    # through a slit nothing can be seen
    told = truth(scenes, TIMES[None], 0.02)
    assert (told["objects"][0, COLOUR_NAMES.index("red")] == -1).all()
    assert (told["relations"] == -1).all()


def test_a_motion_needs_time_and_must_not_be_over():
    scenes = scene(thing("red", motion="falls"), camera="zooming in")
    red = COLOUR_NAMES.index("red")
    for times, asked in ((TIMES, True), (TIMES / 4, False), (TIMES + 9, False)):
        told = truth(scenes, times[None], 1.6)
        assert (told["objects"][0, red, MOTION] >= 0) == asked
        assert (told["scene"][0, CAMERA] >= 0) == asked
        assert told["objects"][0, red, 0] == 1 and told["objects"][0, red, 1] == OBJECT["shape"].index("ball")


def test_the_camera_turns_the_way_it_is_called():
    for camera, column, sign in (
        ("panning left", 0, -1),
        ("panning right", 0, 1),
        ("rising", 3, 1),
        ("zooming in", 4, 1),
    ):
        way = truth(scene(thing("red"), camera=camera), TIMES[None], 1.6)["camera"][0, :, column].float()
        assert way[0] == 0 and sign * way[-1] > 0.05


def test_two_objects_of_one_colour_are_not_told_apart_and_roads_have_none():
    told = truth(scene(thing("red"), thing("red", "cube"), relation="left of"), TIMES[None], 1.6)
    assert told["objects"][0, COLOUR_NAMES.index("red")].tolist() == [
        1,
        -1,
        0,
        1,
        0,
    ]  # all but the shape is shared
    assert told["colours"].tolist() == [[COLOUR_NAMES.index("red")] * 2 + [-1]]
    things = told["things"][0].float()
    assert (things[:, 1, 0] - things[:, 0, 0] > 0.2).all() and (things[:, 2, 3] == 0).all()
    assert torch.equal(mirrored(told)["things"][..., 0], -told["things"][..., 0])
    assert (told["places"][0, :, COLOUR_NAMES.index("red"), 3] == -1).all() and (
        told["relations"] == -1
    ).all()
    roads = sample_scenes(3, np.random.default_rng(1), family="driving")
    told = truth(roads, np.tile(TIMES, (3, 1)), 1.6)
    assert (
        (told["objects"][:, :, 0] == 0).all() and (told["places"] == 0).all() and (told["camera"] == 0).all()
    )
    assert (told["scene"][:, list(SCENE).index("course")] >= 0).all()
    assert (told["things"][..., 3] == 0).all() and (told["colours"] == -1).all()
