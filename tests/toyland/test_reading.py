"""Plain English is read to the last word or not at all, and said again as captions say it."""

import itertools

import numpy as np
import pytest

from vldm_cli.measure.probe.english import english
from vldm_cli.toyland import captions, plain
from vldm_cli.toyland.reading.doubt import doubted
from vldm_cli.toyland.reading.reader import read, rewritten
from vldm_cli.toyland.reading.usual import is_usual
from vldm_cli.toyland.scene import sample_scenes
from vldm_cli.toyland.world import INVERSE

# What is typed, and what it says: none of these sentences is among those that are measured.
SENTENCES = """
show me a tiny violet globe in a meadow | a small purple ball stands on grass
I'd like to see a spinning torus, green, please | a green ring spins
cone, orange, shiny, on the beach at dusk | a shiny orange cone stands on sand at sunset
an enormous box which is striped and white | a large striped white cube stands
the pyramid is brown. The pyramid rotates slowly. | a brown pyramid spins
a barrel that is pink rolls to the right across a lawn | a pink cylinder rolls right on grass
A purpel pyramid on the sea | a purple pyramid stands on water
yelow sphere, snwo | a yellow ball stands on snow
it's midnight and a chequered brick hops | a checkered cube jumps at night
Let us zoom in on a shiny red drum | a shiny red cylinder stands, the camera zooms in
the camera pans slowly towards the left, one black cone | a black cone stands, the camera pans left
a cube of pink colour, it shrinks | a pink cube shrinks
a globe in blue, at noon | a blue ball stands by day
one big ring with stripes, coloured red | a large striped red ring stands
draw a metallic emerald ball gliding left over the ice-free lake |
a donut, the donut is orange and it floats up | an orange ring rises
The sky is cloudy. A little white box drops down. | a small white cube falls under an overcast sky
a scene where the ground is wooden and a yellow tube stands | a yellow cylinder stands still on a wooden floor
under the stars, on black and white tiles, a lime hoop | a green ring stands on a checkered floor at night
a crimson orb gets larger and larger | a red ball grows
a shiny cube, red, and a matte ball, green | a shiny red cube and a matte green ball
the cone is black and the ring is pink | a black cone and a pink ring
a cylinder and a pyramid, brown and yellow | a brown cylinder and a yellow pyramid
green hoop (left), white box (right) | a green ring is left of a white cube
on the right a purple cube, on the left a red cone | a red cone is left of a purple cube
behind the orange pyramid there stands a black ring | a black ring is behind an orange pyramid
a small red ball with a big blue cube in front of it | a large blue cube is in front of a small red ball
yellow cone; to its right a pink ball | a pink ball is right of a yellow cone
A blue ball orbits around a red pyramid on the snow | a blue ball orbits a red pyramid on snow
the white ball spins while the black cube jumps |
two drums, one orange, the other green | an orange cylinder and a green cylinder
two pyramids. One is blue, the other one is white. | a blue pyramid and a white pyramid
a yellow and a purple ring next to each other | a yellow ring and a purple ring
a brown cube next to a pink cone | a brown cube is left of a pink cone
a ring and a pyramid that are both brown | a brown ring and a brown pyramid
two cones and a ring that are all white | two white cones and a white ring
a pink ball and a black cube that slide right | a pink ball slides right and a black cube slides right
a pink ball and a black cube that slides right | a black cube slides right and a pink ball
a black ring beside a pink ball, which slide left |
two rings, one green and one white, jump | a green ring jumps and a white ring jumps
two pyramids, one pink and one blue, spinning on sand | a pink pyramid spins and a blue pyramid spins on sand
a black ball slides right and a pink ring does too | a black ball slides right and a pink ring slides right
a green cone shrinks, an orange one as well | a green cone shrinks and an orange cone shrinks
a white ball also jumps | a white ball jumps
a purple cylinder slides left, a green one right | a purple cylinder slides left and a green cylinder slides right
a white cone on sand. The camera isn't moving. | a white cone stands on sand, the camera is still
a cone that isn't white |
a pyramid made of snow |
a cylinder of wood |
a ring and a cube the same size |
both a red ring and a green ball bounce | a red ring bounces and a green ball bounces
a red ball and a blue cube. Both spin. | a red ball spins and a blue cube spins
a red box and a white one in the snow | a red cube and a white cube on snow
the left ball is red |
there are two things on the lawn: a pink ball and a black cone | a pink ball and a black cone on grass
a pink block in the foreground, a green cone in the background | a green cone is behind a pink cube
2 shiny golden balls | two shiny yellow balls
a pair of black cones on a lake | two black cones on water
three small green cubes spinning at sunset | three small green cubes spin at sunset
three cones: red, blue and white | \
a red cone is left of a blue cone and a white cone is right of the blue cone
3 balls, one pink, one brown and one black | \
a pink ball is left of a brown ball and a black ball is right of the brown ball
two checkered cubes, both orange | two checkered orange cubes
There are three rings. They are white, red and purple. | \
a white ring is left of a red ring and a purple ring is right of the red ring
a red, a yellow and a blue cone by day | \
a red cone is left of a yellow cone and a blue cone is right of the yellow cone by day
a cone, a cube and a ball, red, green and blue | \
a red cone is left of a green cube and a blue ball is right of the green cube
red ring, green cube and two blue balls |
a red ball between a blue cube and a pink cone | \
a blue cube is left of a red ball and a pink cone is right of the red ball
a red cube, a green cone behind it, and a blue ball in front of it | \
a green cone is behind a red cube and a blue ball is in front of the red cube
three balls jump, the camera rises | three balls jump. the camera rises
2 red cubes plus a blue ball | two red cubes and a blue ball
a yellow pyramid is on the left of the ring. The ring is black and it bounces. | \
a black ring bounces right of a yellow pyramid
I want a blue box. Behind it put a red ball. Both are shiny. | a shiny red ball is behind a shiny blue cube
A blue box, and a red ball behind it. The ball bounces. | a red ball bounces behind a blue cube
a green ball, a yellow cone to its left and a blue ring to its right | \
a yellow cone is left of a green ball and a blue ring is right of the green ball
Could you show two cones side by side? The first is red, the second one blue. | a red cone and a blue cone
It's evening. A small drum turns round on the lawn. Its colour is purple. | \
a small purple cylinder spins on grass at sunset
A pink ball hops and a brown pyramid sits on its right. | a pink ball jumps left of a brown pyramid
the camera circles around three balls: white, black and pink | \
a white ball is left of a black ball and a pink ball is right of the black ball, the camera orbits
What does a rolling box look like |
a ball that is not red |
a red or blue ball |
a red and blue ball |
a red ball on top of a cube |
a red ball as a cube |
a white hoop rolls right as the camera pans left | a white ring rolls right, the camera pans left
a blue cone and a red ball. The cone spins as it grows. |
a red ball like a cube |
a ball as big as a red cube |
a ball that looks like a red cube |
a ball made of a red cube |
a red ball behind a blue cube spinning |
a tin can |
each ball is red |
a ball left of a cube left of a cone | a ball is left of a cube and a cone is right of the cube
What does a tiny jumping yellow box look like? | a small yellow cube jumps
a red ball on a blue cube |
a dark green cone |
a ball rolls |
a red ball bounces and spins |
a bell on grass |
a snow ball |
a stone cube |
first a ball bounces, then it spins |
a ball without stripes |
some red balls |
five cones |
two red balls, one jumps, one spins |
a cat on the beach |
a grey cube |
an empty beach at night |
it is yellow |
the ball is left of the ball |
a car drives along an empty road at night |
"""
PAIRS = [
    [part.strip() for part in line.split("|")] for line in SENTENCES.replace("\\\n", "").strip().splitlines()
]


@pytest.mark.parametrize("text, wanted", PAIRS, ids=[text for text, _ in PAIRS])
def test_sentences_are_said_as_captions_say_them(text, wanted):
    assert (rewritten(text) or "") == wanted


def test_what_is_said_again_is_as_captions_say_it_or_counts():
    for _, wanted in PAIRS:
        if wanted and not wanted.startswith(("two", "three")):
            assert is_usual(wanted), wanted
            assert rewritten(wanted) is None


@pytest.mark.parametrize("seed", range(3))
def test_captions_stay_as_they_are(seed):
    rng = np.random.default_rng(seed)
    for text in captions.captions(sample_scenes(300, rng), rng):
        assert rewritten(text) is None, text


def test_what_is_read_in_captions_is_so():
    rng = np.random.default_rng(5)
    scenes = sample_scenes(400, rng, family="objects")
    known = 0
    for i, text in enumerate(captions.captions(scenes, rng)):
        found = read(text)
        if found:
            known += 1
            assert agrees(found, scenes.describe(i)), text
    assert known > 380


@pytest.mark.parametrize("seed", range(2))
def test_what_is_read_in_plain_sentences_is_so(seed):
    rng = np.random.default_rng(seed)
    scenes = sample_scenes(400, rng, repeated=0.2)
    known = objects = 0
    for i in range(len(scenes)):
        told = scenes.describe(i)
        text = plain.sentence(told, rng)
        found = read(text)
        objects += told["family"] == "objects"
        if found:
            known += 1
            assert told["family"] == "objects" and agrees(found, told), text
    assert known > 0.95 * objects


def test_what_is_said_again_says_the_same():
    rng = np.random.default_rng(9)
    scenes = sample_scenes(300, rng, family="objects")
    for i in range(len(scenes)):
        told = scenes.describe(i)
        plain_text = plain.sentence(told, rng)
        text = rewritten(plain_text)
        if text is None:
            continue
        again, first = read(text), read(plain_text)
        assert again and first
        if not first.relations:
            again.relations = []  # three are put side by side
        assert agrees(again, told, beside=False), text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("four red balls", "more than 3 objects"),
        ("red ball, blue cube, green ring, white cone", "more than 3 objects"),
        ("a ball that is not red", '"not" or not'),
        ("a red ball and no cube", '"no" or not'),
        ("a cube without stripes", '"without" or not'),
        ("a red ball bounces on grass and on snow", "two for one ground: grass and snow"),
        ("a ball at night in daylight", "two for one sky: night and day"),
        ("a ball bounces and slides left", "two for one motion: bounces and slides left"),
    ],
)
def test_what_no_scene_can_have_is_said(text, words):
    assert words in doubted(text)


def test_what_can_be_is_not_doubted():
    rng = np.random.default_rng(8)
    scenes = sample_scenes(200, rng)
    told = [scenes.describe(i) for i in range(len(scenes))]
    texts = [plain.sentence(t, rng) for t in told] + [prompt.text for prompt in english()]
    texts += ["a ball does not move", "a road without cars", "a road with no traffic at night", "a zebra", ""]
    assert [text for text in texts if doubted(text)] == []


@pytest.mark.parametrize(
    "text", ["", " ", ".", "a", "the the", "is is is " * 40, "all " * 90, "\udc80 ball", "x" * 5000]
)
def test_anything_may_be_typed(text):
    assert rewritten(text) is None


def test_random_words_do_no_harm():
    rng = np.random.default_rng(2)
    words = captions.vocabulary()
    for _ in range(2000):
        rewritten(" ".join(rng.choice(words, int(rng.integers(1, 12)))))


def agrees(found, told: dict, beside: bool = True) -> bool:
    """Whether all that was read is so in the scene."""
    if len(found.things) != len(told["objects"]):
        return False
    if any(getattr(found, key) not in (None, told[key]) for key in ("ground", "sky", "camera")):
        return False
    relations = {(a, b): r for a, r, b in told["relations"]} | {
        (b, a): INVERSE[r] for a, r, b in told["relations"]
    }

    def fits(order) -> bool:
        for thing, k in zip(found.things, order, strict=True):
            for key in ("colour", "shape", "material", "size", "motion"):
                if getattr(thing, key) not in (None, told["objects"][k][key]):
                    return False
            if thing.around is not None and order[thing.around] != 1:
                return False
        return all(is_so(relation, relations.get((order[a], order[b]))) for a, relation, b in found.relations)

    def is_so(relation: str, real: str | None) -> bool:
        if not beside and relation in ("left of", "right of"):
            return real in ("left of", "right of")  # "next to" is said again as one of them
        return real == relation or (relation == "beside" and real in ("left of", "right of"))

    return any(fits(order) for order in itertools.permutations(range(len(found.things))))
