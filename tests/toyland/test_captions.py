"""Captions: in the vocabulary, short enough, and true."""

import numpy as np

from vldm_cli.toyland import road_words, words
from vldm_cli.toyland.captions import MAX_WORDS, SYNONYMS, caption, captions, tokens, vocabulary
from vldm_cli.toyland.scene import sample_scenes

SIMPLE = [
    "a red ball bounces on green grass",
    "a large shiny blue cube spins on sand at sunset",
    "driving on an empty road at night past trees, the road bends left",
    "the camera pans left",
    "two pink rings and a black pyramid on white snow under a grey sky",
]


def sampled(n=1500, seed=0, **kw):
    scenes = sample_scenes(n, np.random.default_rng(seed), **kw)
    return scenes, captions(scenes, np.random.default_rng(seed))


def test_words_are_in_the_vocabulary():
    known = set(vocabulary())
    assert vocabulary() == sorted(known) and len(known) < 700
    _, texts = sampled()
    for text in [*texts, *SIMPLE]:
        assert set(tokens(text)) <= known, text
    assert max(len(tokens(text)) for text in texts) <= MAX_WORDS


def test_reproducible_and_varied():
    assert sampled(40)[1] == sampled(40)[1]
    scene = sample_scenes(1, np.random.default_rng(0), family="objects", objects=1).describe(0)
    rng = np.random.default_rng(0)
    assert len({caption(scene, rng) for _ in range(100)}) > 60


def phrases(table, name):
    entries = table[name]
    return [p.replace(" {b}", "") for e in entries for p in (e if isinstance(e, tuple) else (e,))]


def says(text, table, name):
    return any(f" {p} " in f" {' '.join(tokens(text))} " for p in phrases(table, name))


def test_one_object_captions_name_the_right_things():
    scenes, texts = sampled(family="objects", objects=1)
    told = {"ground": 0, "sky": 0, "camera": 0, "material": 0, "motion": 0}
    for i, text in enumerate(texts):
        d = scenes.describe(i)
        thing = d["objects"][0]
        named = {SYNONYMS[word] for word in tokens(text) if word in SYNONYMS}
        assert {thing["colour"], thing["shape"]} <= named, text
        # No size but its own ("gets bigger" and "smaller" are motions).
        assert not named & ({"small", "large"} - {thing["size"]}), text
        told["ground"] += says(text, words.GROUND_PLACES, d["ground"])
        told["sky"] += says(text, words.SKY_PLACES, d["sky"])
        told["camera"] += says(text, words.CAMERA_WORDS, d["camera"])
        told["motion"] += says(text, words.MOTION_WORDS, thing["motion"])
        told["material"] += says(text, words.MATERIAL_WORDS, thing["material"])
        if thing["motion"] != "stands still":
            assert says(text, words.MOTION_WORDS, thing["motion"]), text
        for table, key in ((words.SKY_PLACES, d["sky"]), (words.GROUND_PLACES, d["ground"])):
            assert not any(says(text, table, other) for other in table if other != key), text
    shares = {key: count / len(texts) for key, count in told.items()}
    assert all(0.4 < share < 0.97 for share in shares.values()), shares


def test_driving_captions_name_the_right_things():
    scenes, texts = sampled(family="driving")
    tables = {
        "time": road_words.TIME_WORDS,
        "traffic": road_words.TRAFFIC_ROADS,
        "roadside": road_words.ROADSIDE_WORDS,
        "weather": road_words.WEATHER_WORDS,
        "course": road_words.COURSE_WORDS,
    }
    for i, text in enumerate(texts):
        d = scenes.describe(i)
        for key, table in tables.items():
            for other in table:
                assert other == d[key] or not says(text, table, other), (text, key, other)
    for key, table in tables.items():
        for name in table:
            assert any(
                scenes.describe(i)[key] == name and says(t, table, name) for i, t in enumerate(texts)
            ), name


def test_every_synonym_is_used():
    _, texts = sampled(4000)
    seen = {token for text in texts for token in tokens(text)}
    assert set(SYNONYMS) <= seen


def test_relations_are_told():
    scenes, texts = sampled(family="objects", objects=2)
    told = total = 0
    for i, text in enumerate(texts):
        for _, relation, _ in scenes.describe(i)["relations"]:
            total += 1
            told += says(text, words.RELATION_WORDS, relation)
    assert told / total > 0.75
