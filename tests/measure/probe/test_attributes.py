import numpy as np
import torch

from vldm_cli.measure.probe.attributes import COLOUR_NAMES, OBJECT, SCENE, encode, mirror
from vldm_cli.toyland.scene import sample_scenes


def thing(colour, shape="ball", motion="bounces"):
    return {"colour": colour, "shape": shape, "material": "striped", "size": "large", "motion": motion}


SCENERY = {"family": "objects", "ground": "sand", "sky": "night", "camera": "panning left"}


def test_objects_are_asked_for_by_colour():
    scene, objects = encode([{**SCENERY, "objects": [thing("green", "cone"), thing("red")]}])
    names = list(SCENE)
    assert scene[0, names.index("ground")] == SCENE["ground"].index("sand")
    assert scene[0, names.index("traffic")] == -1
    there = [COLOUR_NAMES[k] for k in objects[0, :, 0].nonzero()[:, 0]]
    assert sorted(there) == ["green", "red"]
    green = objects[0, COLOUR_NAMES.index("green")]
    assert green.tolist() == [1, OBJECT["shape"].index("cone"), 2, 1, OBJECT["motion"].index("bounces")]
    assert objects[0, COLOUR_NAMES.index("blue")].tolist() == [0, -1, -1, -1, -1]


def test_two_objects_of_one_colour_have_a_single_answer_where_they_are_alike():
    _, objects = encode(
        [{**SCENERY, "objects": [thing("red", "cone"), thing("red", "ball"), thing("blue", "cube")]}]
    )
    bounces = OBJECT["motion"].index("bounces")
    assert objects[0, COLOUR_NAMES.index("red")].tolist() == [1, -1, 2, 1, bounces]
    assert objects[0, COLOUR_NAMES.index("blue")].tolist() == [
        1,
        OBJECT["shape"].index("cube"),
        2,
        1,
        bounces,
    ]


def test_mirror_exchanges_left_and_right_and_nothing_else():
    scene, objects = encode(
        [{**SCENERY, "objects": [thing("red", motion="rolls left"), thing("blue", "cube")]}]
    )
    other_scene, other_objects = mirror(scene, objects)
    expected = encode(
        [
            {
                **SCENERY,
                "camera": "panning right",
                "objects": [thing("red", motion="rolls right"), thing("blue", "cube")],
            }
        ]
    )
    assert torch.equal(other_scene, expected[0])
    assert torch.equal(other_objects, expected[1])


def test_every_scene_can_be_encoded():
    scenes = sample_scenes(40, np.random.default_rng(0))
    scene, objects = encode([scenes.describe(i) for i in range(40)])
    assert (scene[:, 0] == torch.as_tensor(scenes.family_B)).all()
    assert ((objects[:, :, 0].sum(1) > 0) == (scene[:, 0] == 0)).all()
