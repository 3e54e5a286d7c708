from dataclasses import replace

import pytest
import torch

from vldm_cli.measure.faithfulness import Reading, Tally, Verdict, counts, identity, judge, matched, readings
from vldm_cli.measure.probe.attributes import COLOUR_NAMES, OBJECT, SCENE
from vldm_cli.measure.probe.probe import Answers
from vldm_cli.measure.probe.prompts import DRIVING, TWO, Prompt
from vldm_cli.toyland.world import RELATIONS

RED_CUBE_BLUE_BALL = Prompt(
    "a red cube spins left of a blue ball on sand",
    TWO,
    (("ground", "sand"),),
    (("red", (("shape", "cube"), ("motion", "spins"))), ("blue", (("shape", "ball"),))),
)


def reading(ground="sand", **objects):
    """A reading of a clip with these objects, surest first; each "shape motion"."""
    certainty = dict.fromkeys(COLOUR_NAMES, -5.0)
    shown = {colour: {"shape": "ring", "motion": "falls"} for colour in COLOUR_NAMES}
    for k, (colour, words) in enumerate(objects.items()):
        certainty[colour] = 5.0 - k
        shape, motion = words.split()
        shown[colour] = {"shape": shape, "motion": motion}
    return Reading({"ground": ground}, certainty, shown)


def judged(prompt, read):
    return [(verdict.attribute, verdict.right) for verdict in judge(prompt, read)]


def test_all_right():
    assert judged(RED_CUBE_BLUE_BALL, reading(red="cube spins", blue="ball bounces")) == [
        ("ground", True),
        ("colour", True),
        ("shape", True),
        ("motion", True),
        ("colour", True),
        ("shape", True),
    ]


def test_a_wrong_colour_is_wrong_in_the_colour_alone():
    read = reading(red="cube spins", green="ball bounces")
    assert matched(RED_CUBE_BLUE_BALL, read) == {"red": "red", "blue": "green"}
    assert [right for _, right in judged(RED_CUBE_BLUE_BALL, read)] == [True, True, True, True, False, True]


def test_exchanged_shapes_are_not_forgiven():
    read = reading(red="ball spins", blue="cube bounces", ground="snow")
    assert [right for _, right in judged(RED_CUBE_BLUE_BALL, read)] == [False, True, False, True, True, False]


def test_a_missing_object_is_wrong_in_everything():
    read = reading(red="cube spins")
    assert matched(RED_CUBE_BLUE_BALL, read)["blue"] is None
    assert [right for _, right in judged(RED_CUBE_BLUE_BALL, read)] == [True, True, True, True, False, False]


def test_a_verdict_says_what_was_read_instead():
    verdicts = list(judge(RED_CUBE_BLUE_BALL, reading(red="cube falls", ground="snow")))
    assert [v for v in verdicts if not v.right] == [
        Verdict("ground", "sand", "snow"),
        Verdict("motion", "spins", "falls"),
        Verdict("colour", "blue", None),
        Verdict("shape", "ball", None),
    ]


def test_two_wrong_colours_are_paired_by_shape():
    read = reading(green="ball bounces", pink="cube spins")
    assert matched(RED_CUBE_BLUE_BALL, read) == {"red": "pink", "blue": "green"}


def test_no_more_objects_are_looked_at_than_were_asked_for():
    read = reading(pink="cube spins", green="ball bounces", red="cube spins")
    assert "red" not in matched(RED_CUBE_BLUE_BALL, read).values()


def test_the_tally_counts():
    total = Tally()
    for read in (reading(red="cube spins", blue="ball falls"), reading()):
        for verdict in judge(RED_CUBE_BLUE_BALL, read):
            total.add(TWO, verdict)
    assert total.share(TWO, "ground") == 1
    assert total.share(TWO, "colour") == 0.5
    assert total.share(TWO, "sky") is None
    assert total.table()[TWO]["shape"] == {"share": 0.5, "asked": 4}
    assert total.overall() == pytest.approx(7 / 12)
    assert Tally().overall() is None


def test_relations_need_both_objects_where_they_were_asked_for():
    prompt = replace(RED_CUBE_BLUE_BALL, relations=(("red", "left of", "blue"),))
    for relation, right in (("left of", True), ("right of", False)):
        read = replace(
            reading(red="cube spins", green="ball bounces"), relations={("red", "green"): relation}
        )
        # the green ball is taken for the blue one
        assert judged(prompt, read)[-1] == ("relation", right)
    alone = replace(reading(red="cube spins"), relations={("red", "blue"): "left of"})
    assert judged(prompt, alone)[-1] == ("relation", False)


def test_relations_are_read_both_ways():
    K, V = len(COLOUR_NAMES), len(RELATIONS)
    logits = torch.zeros(1, K, K, V)
    logits[0, 0, 1, RELATIONS.index("behind")] = 1.0
    logits[0, 1, 0, RELATIONS.index("left of")] = 3.0
    answers = Answers(
        torch.zeros(1, K), {n: torch.zeros(1, K, len(v)) for n, v in OBJECT.items()},
        {n: torch.zeros(1, len(v)) for n, v in SCENE.items()}, logits,
        *[torch.zeros(0)] * 5, torch.full((1, 1, K, 2, 2), -1.0), *[torch.zeros(0)] * 2,
    )  # fmt: skip
    (read,) = readings(answers)
    one, other = COLOUR_NAMES[:2]
    assert read.relations[one, other] == "right of" and read.relations[other, one] == "left of"
    assert read.objects[one]["count"] == "0"
    # a probe from before cannot count, and so is right about no count
    (read,) = readings(replace(answers, middles_BTKHW=None))
    assert read.objects[one]["count"] == ""


def test_objects_of_one_colour_are_counted():
    middles = torch.full((1, 4, 3, 6, 8), -2.0)
    middles[:, :, 0, 2:4, 1:3] = middles[:, 1:, 0, 2:4, 5:7] = 3.0  # two, of which one comes later
    middles[:, :, 0, 2:4, 3:5] = 2.0  # and what joins them, of which the probe is not as sure
    middles[:, 2:, 1, 0, 0] = 3.0
    middles[:, :, 2] = 0.5  # sure of nothing
    assert counts(middles) == [[2, 1, 0]]


def test_roads_have_no_objects():
    road = Prompt("a road by day", DRIVING, (("ground", "sand"),), ())
    assert judged(road, reading()) == [("ground", True)]


def test_identity_is_the_share_of_frames_with_colour_and_shape():
    presence = torch.full((4, 10), -3.0)
    shape = torch.zeros(4, 10, 6)
    red, cube = COLOUR_NAMES.index("red"), 1
    presence[:3, red] = 3.0
    shape[:, red, cube] = 1.0
    shape[0, red, 2] = 2.0  # one of the three frames shows something else
    read = reading(red="cube spins")
    assert identity(RED_CUBE_BLUE_BALL, read, presence, shape) == [0.5]
