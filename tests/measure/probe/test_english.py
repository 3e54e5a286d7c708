from collections import Counter

from vldm_cli.measure.probe.attributes import OBJECT
from vldm_cli.measure.probe.english import COUNT, THREE, english, english_prompts
from vldm_cli.measure.probe.prompts import ONE, TWO
from vldm_cli.toyland.world import INVERSE


def test_two_hundred_sentences_each_once():
    prompts = english()
    assert len({prompt.text for prompt in prompts}) == len(prompts) == 200
    assert Counter(prompt.group for prompt in prompts) == {ONE: 80, TWO: 70, THREE: 50}
    # every kind of thing that can be asked for is
    named = Counter(name for prompt in prompts for _, things in prompt.objects for name, _ in things)
    assert set(named) == {*OBJECT, COUNT} and min(named.values()) >= 15
    told = Counter(name for prompt in prompts for name, _ in prompt.scene)
    assert set(told) == {"ground", "sky", "camera"} and sum(len(p.relations) for p in prompts) >= 10


def test_what_a_sentence_asks_for():
    by_text = {prompt.text: prompt for prompt in english()}
    small = by_text["In front of a white cylinder is a small pink ball"]
    assert small.objects == (
        ("white", (("shape", "cylinder"),)),
        ("pink", (("shape", "ball"), ("size", "small"))),
    )
    assert small.relations == (("pink", "in front of", "white"),) and small.scene == ()
    two = by_text["two shiny black balls at noon"]
    assert two.objects == (("black", ((COUNT, "2"), ("shape", "ball"), ("material", "shiny"))),)
    assert two.scene == (("sky", "day"),) and two.group == THREE


def test_scenes_show_what_is_asked_for():
    asked = english_prompts(67)
    assert [p.text for p in asked.prompts] == [p.text for p in english_prompts(67).prompts]
    for i, prompt in enumerate(asked.prompts):
        shown = asked.scenes.describe(i)
        assert all(shown[name] == value for name, value in prompt.scene)
        colours = [thing["colour"] for thing in shown["objects"]]
        assert len(colours) == sum(int(dict(named).get(COUNT, 1)) for _, named in prompt.objects)
        for colour, named in prompt.objects:
            mine = [thing for thing in shown["objects"] if thing["colour"] == colour]
            assert len(mine) == int(dict(named).get(COUNT, 1))
            assert all(thing[k] == value for thing in mine for k, value in named if k != COUNT)
        told = {(colours[a], colours[b]): name for a, name, b in shown["relations"]}
        told |= {(b, a): INVERSE[name] for (a, b), name in told.items()}
        assert all(told[one, other] == name for one, name, other in prompt.relations)
