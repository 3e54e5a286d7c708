"""Plain English: in the vocabulary, short enough, true, and counting what is alike."""

import numpy as np

from vldm_cli.toyland.captions import MAX_WORDS, captions, tokens, vocabulary
from vldm_cli.toyland.plain import alike, sentence
from vldm_cli.toyland.scene import is_withheld, sample_scenes


def sampled(n=1200, seed=0, plain=1.0, **kw):
    scenes = sample_scenes(n, np.random.default_rng(seed), **kw)
    return scenes, captions(scenes, np.random.default_rng(seed), plain)


def test_words_are_in_the_vocabulary_and_few_enough():
    known = set(vocabulary())
    _, texts = sampled(repeated=0.5)
    assert {word for text in texts for word in tokens(text)} <= known
    assert max(len(tokens(text)) for text in texts) <= MAX_WORDS


def test_many_ways():
    scene = sample_scenes(1, np.random.default_rng(0), family="objects", objects=2).describe(0)
    rng = np.random.default_rng(0)
    texts = {sentence(scene, rng) for _ in range(200)}
    assert len(texts) > 190
    assert any(text.startswith("there are") for text in texts) and any(". " in text for text in texts)


def test_none_plain_is_what_it_was():
    assert sampled(60, plain=0.0)[1] == captions(
        sample_scenes(60, np.random.default_rng(0)), np.random.default_rng(0)
    )
    _, mixed = sampled(400, plain=0.5)
    wishes = sum(
        text.startswith(("there are", "show", "imagine", "give", "i want", "here")) for text in mixed
    )
    assert 10 < wishes < 200


def test_things_that_are_alike_are_counted_and_never_told_apart():
    scenes, texts = sampled(family="objects", objects=2, repeated=1.0, plain=0.01)
    counted = 0
    for i, text in enumerate(texts):
        d = scenes.describe(i)
        things = d["objects"]
        assert not any(is_withheld(t["colour"], t["shape"], t["motion"]) for t in things)
        if alike(d):
            words = tokens(text)
            assert {"two", "2", "pair", "couple"} & set(words), text
            assert not {"left of", "right of"} & {" ".join(words[k : k + 2]) for k in range(len(words))}, text
            counted += 1
    assert counted > 300


def test_colours_of_a_counted_kind_are_all_there():
    scenes, texts = sampled(family="objects", objects=3, repeated=1.0)
    colons = [(scenes.describe(i), text) for i, text in enumerate(texts) if ": " in text]
    assert len(colons) > 50
    for d, text in colons:
        assert {t["colour"] for t in d["objects"]} <= set(tokens(text)), text
        assert len({t["shape"] for t in d["objects"]}) == 1
