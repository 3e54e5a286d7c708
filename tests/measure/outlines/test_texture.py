"""Patterns on renders: held as they are, and not held where they are drawn anew or moved."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vldm_cli.measure.outlines.contour import contour
from vldm_cli.measure.outlines.fit import fit_all
from vldm_cli.measure.outlines.kind import Kind
from vldm_cli.measure.outlines.texture import held, patterned
from vldm_cli.toyland.render import render
from vldm_cli.toyland.scene import from_attributes
from vldm_cli.toyland.silhouettes import silhouettes

SIZE = (160, 256)
TIMES = np.array([[0.0, 4 / 3]])


@pytest.mark.parametrize(
    ("colour", "shape", "material", "motion", "sky"),
    [
        pytest.param("red", "ball", "striped", "spins", "day", marks=pytest.mark.long),
        ("blue", "cube", "checkered", "spins", "sunset"),
        ("green", "cylinder", "striped", "bounces", "overcast"),
        pytest.param("pink", "ring", "striped", "slides left", "day", marks=pytest.mark.long),
    ],
)
def test_a_pattern_is_held_or_is_not(colour, shape, material, motion, sky):
    thing = {"colour": colour, "shape": shape, "material": material, "motion": motion, "size": "large"}
    given = {"objects": [thing], "sky": sky, "ground": "snow", "camera": "still"}
    scenes = from_attributes([given], np.random.default_rng(3))
    other = replace(scenes, material_BK=np.where(scenes.material_BK == 2, 3, 2))
    x, drawn_anew = ((render(some, TIMES, SIZE)[0] * 255).round() / 127.5 - 1 for some in (scenes, other))
    masks = silhouettes(scenes, TIMES, SIZE)[0, :, 0] > 0.5
    kind = Kind.of(shape, motion)
    fits = fit_all([kind] * len(masks), [contour(mask) for mask in masks], SIZE)
    params = torch.cat([near.params_NJ for near in fits])
    same = held(kind, x, params, colour, sky)
    changed = held(kind, torch.cat([x[:1], drawn_anew[1:]]), params, colour, sky)
    assert same < 0.08 and changed > 0.15 and changed > 4 * same


def test_only_patterns_that_can_be_followed():
    assert patterned("striped", "spins", "still") and not patterned("matte", "spins", "still")
    assert not patterned("checkered", "rolls left", "still")
