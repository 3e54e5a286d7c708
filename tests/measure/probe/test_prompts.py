from vldm_cli.measure.probe.prompts import (
    DRIVING,
    ONE,
    TWO,
    everything,
    fixed_prompts,
    withheld_prompts,
)
from vldm_cli.toyland import road_words as rw
from vldm_cli.toyland import words as w
from vldm_cli.toyland.captions import tokens, vocabulary
from vldm_cli.toyland.world import is_withheld


def phrases(attribute, value):
    """Every way the prompt may say it."""
    table = {
        "shape": w.SHAPE_WORDS, "material": w.MATERIAL_WORDS, "size": w.SIZE_WORDS, "ground": w.GROUND_PLACES,
        "sky": w.SKY_PLACES, "time": rw.TIME_WORDS, "traffic": rw.TRAFFIC_ROADS, "roadside": rw.ROADSIDE_WORDS,
        "weather": rw.WEATHER_WORDS, "course": rw.COURSE_WORDS,
    }  # fmt: skip
    if attribute == "motion":
        return [form[0].replace(" {b}", "") for form in w.MOTION_WORDS[value]]
    if attribute == "camera":
        return [form[0] for form in w.CAMERA_WORDS[value]]
    return table[attribute][value]


def test_prompts_are_the_same_every_time():
    assert [p.text for p in fixed_prompts(40).prompts] == [p.text for p in fixed_prompts(40).prompts]
    assert len({p.text for p in fixed_prompts(256).prompts}) > 250


def test_groups_and_words():
    asked = fixed_prompts(50)
    groups = [p.group for p in asked.prompts]
    assert [groups.count(g) for g in (ONE, TWO, DRIVING)] == [20, 20, 10]
    known = set(vocabulary())
    for prompt in asked.prompts:
        assert set(tokens(prompt.text)) <= known
        assert len(tokens(prompt.text)) <= 44


def test_what_is_named_is_in_the_text_and_in_the_scene():
    asked = fixed_prompts(60)
    for i, prompt in enumerate(asked.prompts):
        shown = asked.scenes.describe(i)
        for name, value in prompt.scene:
            assert shown[name] == value
            assert any(phrase in prompt.text for phrase in phrases(name, value))
        objects = {thing["colour"]: thing for thing in shown.get("objects", [])}
        assert set(objects) == {colour for colour, _ in prompt.objects}
        for colour, named in prompt.objects:
            assert any(word in prompt.text for word in w.COLOUR_WORDS[colour])
            for name, value in named:
                assert objects[colour][name] == value
                assert any(phrase in prompt.text for phrase in phrases(name, value))


def test_only_the_withheld_prompts_have_withheld_triples():
    for asked, expected in ((fixed_prompts(40), False), (withheld_prompts(40), True)):
        for i in range(40):
            first = asked.scenes.describe(i).get("objects", [None])[0]
            if first:
                assert is_withheld(first["colour"], first["shape"], first["motion"]) is expected


def test_everything_names_everything():
    asked = everything(3)
    assert [p.group for p in asked.prompts] == [ONE] * 3 + [TWO] * 3 + [DRIVING] * 3
    assert dict(asked.prompts[0].scene) == {
        k: asked.scenes.describe(0)[k] for k in ("ground", "sky", "camera")
    }
    assert [len(named) for _, named in asked.prompts[4].objects] == [4, 4]


def test_relations_that_the_text_tells_are_asked_for():
    asked = fixed_prompts(120)
    told = 0
    for i, prompt in enumerate(asked.prompts):
        relations = asked.scenes.describe(i).get("relations", [])
        assert len(prompt.relations) == len(relations)
        for one, name, other in prompt.relations:
            told += 1
            assert any(phrase in prompt.text for phrase in w.RELATION_WORDS[name])
            assert [c for c, _ in prompt.objects] == [one, other]
    assert told > 30
