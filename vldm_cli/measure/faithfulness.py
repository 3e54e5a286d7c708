"""Faithfulness: the share of the attributes a prompt names that the probe reads off the clip as asked.

Which object is which: the probe says which colours are there. As many of them as the prompt has objects are taken,
the surest first. An object whose colour is among these is that one; what is left over on both sides is paired by shape,
so that a cube of the wrong colour is a cube all the same. An object that nothing is left for is wrong in everything,
and so is what it was said to be to another.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from vldm_cli.measure.components import pieces
from vldm_cli.measure.probe.attributes import COLOUR_NAMES, OBJECT, SCENE
from vldm_cli.measure.probe.probe import Answers
from vldm_cli.measure.probe.prompts import Prompt
from vldm_cli.toyland.world import INVERSE, RELATIONS

ORDER = ("colour", "count", *OBJECT, "relation", *SCENE)
MOST = 9  # objects that are counted
SURE = 1.0  # a logit: cells below it are nobody's middle
# Codes of what each relation is the other way round.
TURNED = [RELATIONS.index(INVERSE[name]) for name in RELATIONS]


@dataclass(frozen=True)
class Reading:
    """What the probe reads off one clip: the scene's attributes, and for each colour its certainty (the logit of its
    presence, > 0: there) with the object's attributes and how many there are of it ("count"); relations: two colours →
    what the first is to the second."""

    scene: dict[str, str]
    certainty: dict[str, float]
    objects: dict[str, dict[str, str]]
    relations: dict[tuple[str | None, str | None], str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What a prompt asks of one attribute, and what the probe reads; None where there is nothing to read it off."""

    attribute: str
    asked: str
    read: str | None

    @property
    def right(self) -> bool:
        return self.read == self.asked


@dataclass
class Tally:
    """Right answers and questions by (group, attribute)."""

    right: dict[tuple[str, str], int] = field(default_factory=dict)
    asked: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, group: str, verdict: Verdict) -> None:
        key = (group, verdict.attribute)
        self.right[key] = self.right.get(key, 0) + verdict.right
        self.asked[key] = self.asked.get(key, 0) + 1

    def share(self, group: str, attribute: str) -> float | None:
        """The share of right answers; None where nothing was asked."""
        asked = self.asked.get((group, attribute))
        return self.right[group, attribute] / asked if asked else None

    def overall(self) -> float | None:
        """The share over all attributes and groups."""
        asked = sum(self.asked.values())
        return sum(self.right.values()) / asked if asked else None

    def table(self) -> dict[str, dict[str, dict[str, float | int]]]:
        """group → attribute → {share, asked}, in a fixed order."""
        groups = dict.fromkeys(group for group, _ in self.asked)
        return {
            group: {
                name: {
                    "share": round(cast(float, self.share(group, name)), 4),
                    "asked": self.asked[group, name],
                }
                for name in ORDER
                if (group, name) in self.asked
            }
            for group in groups
        }


def readings(answers: Answers) -> Iterator[Reading]:
    """One Reading a clip of the batch."""
    scene = {name: _values(logits, SCENE[name]) for name, logits in answers.scene.items()}
    objects = {name: _values(logits, OBJECT[name]) for name, logits in answers.object.items()}
    # both ways of asking count
    both = answers.relation_BKKV + answers.relation_BKKV.transpose(1, 2)[..., TURNED]
    relations = _values(both.flatten(1, 2), RELATIONS)
    pairs: list[tuple[str | None, str | None]] = [(a, b) for a in COLOUR_NAMES for b in COLOUR_NAMES]
    middles = answers.middles_BTKHW
    count_BK = None if middles is None else counts(middles)
    for i, certainty in enumerate(answers.presence_BK.float().cpu().tolist()):
        yield Reading(
            {name: values[i] for name, values in scene.items()},
            dict(zip(COLOUR_NAMES, certainty, strict=True)),
            {
                colour: {
                    **{name: values[i][k] for name, values in objects.items()},
                    "count": "" if count_BK is None else str(count_BK[i][k]),
                }
                for k, colour in enumerate(COLOUR_NAMES)
            },
            dict(zip(pairs, relations[i], strict=True)),
        )


def counts(middles_BTKHW: Tensor) -> list[list[int]]:
    """How many objects of each colour there are in each clip: in how many places the probe is surest of the middle of
    one, in most of the frames in which it sees any. Places, not pieces, for where one hides another they touch."""
    B, T, K = middles_BTKHW.shape[:3]
    cells = middles_BTKHW.flatten(0, 2).float()
    surest = (cells == F.max_pool2d(cells[:, None], 3, 1, 1)[:, 0]) & (cells > SURE)
    seen_BTK = pieces(surest).view(B, T, K)  # neighbours that are as sure as each other are one
    often = torch.stack([(seen_BTK == n).sum(1) for n in range(1, MOST + 1)])
    return torch.where(often.amax(0) > 0, often.argmax(0) + 1, 0).tolist()


def judge(prompt: Prompt, reading: Reading) -> Iterator[Verdict]:
    """A verdict on everything the prompt names."""
    for name, value in prompt.scene:
        yield Verdict(name, value, reading.scene[name])
    seen = matched(prompt, reading)
    for colour, named in prompt.objects:
        found = seen[colour]
        yield Verdict("colour", colour, found)
        for name, value in named:
            yield Verdict(name, value, None if found is None else reading.objects[found][name])
    for one, name, other in prompt.relations:
        yield Verdict("relation", name, reading.relations.get((seen[one], seen[other])))


def matched(prompt: Prompt, reading: Reading) -> dict[str, str | None]:
    """Colour asked for → colour of the object in the clip that is taken for it, None where there is none."""
    asked = [colour for colour, _ in prompt.objects]
    shapes = {colour: dict(named).get("shape") for colour, named in prompt.objects}
    surest = sorted(COLOUR_NAMES, key=lambda colour: -reading.certainty[colour])
    there = [colour for colour in surest if reading.certainty[colour] > 0][: len(asked)]
    found: dict[str, str | None] = {colour: colour for colour in asked if colour in there}
    rest = [colour for colour in there if colour not in found]
    for colour in (c for c in asked if c not in found):
        fitting = [other for other in rest if reading.objects[other]["shape"] == shapes[colour]]
        taken = next(iter(fitting or rest), None)
        found[colour] = taken
        if taken is not None:
            rest.remove(taken)
    return found


def identity(prompt: Prompt, reading: Reading, presence_TK: Tensor, shape_TKV: Tensor) -> list[float]:
    """For each object that was found in the clip, the share of frames that by themselves show an object of its colour
    with the shape that it has in the clip. Logits of single frames: presence_TK, shape_TKV."""
    shares = []
    for colour in filter(None, matched(prompt, reading).values()):
        k = COLOUR_NAMES.index(colour)
        same = shape_TKV[:, k].argmax(-1) == OBJECT["shape"].index(reading.objects[colour]["shape"])
        shares.append(float((same & (presence_TK[:, k] > 0)).float().mean()))
    return shares


def _values(logits: Tensor, values: tuple[str, ...]):
    """Names of the largest logits, nested lists like the leading axes."""
    codes = torch.as_tensor(logits).argmax(-1).tolist()
    return [[values[c] for c in code] if isinstance(code, list) else values[code] for code in codes]
