import numpy as np
import pytest
import torch

from vldm_cli.measure.continuation import displacement, measure_continuation, object_mask
from vldm_cli.toyland.render import render
from vldm_cli.toyland.scene import from_attributes

SIZE = (80, 128)


@pytest.fixture(scope="module")
def rolling():
    thing = {
        "colour": "red",
        "shape": "ball",
        "material": "matte",
        "size": "large",
        "motion": "rolls right",
    }
    scene = {"family": "objects", "objects": [thing], "ground": "grass", "sky": "day", "camera": "still"}
    return from_attributes([scene], np.random.default_rng(1))


def test_the_mask_is_the_object(rolling):
    mask = object_mask(rolling, np.zeros((1, 1)), SIZE, "cpu")
    frame = render(rolling, np.zeros((1, 1)), SIZE)[0, 0]
    redness = frame[0] - frame[1:].amax(0)
    assert 0.005 < mask.mean() < 0.4 and redness[mask > 0].mean() > redness[mask == 0].mean() + 0.1


@pytest.mark.parametrize("shift", [(0, 0), (3, -5), (-4, 12)])
def test_a_moved_frame_is_off_by_its_move(rolling, shift):
    frame = render(rolling, np.zeros((1, 1)), SIZE)[0, 0]
    mask = object_mask(rolling, np.zeros((1, 1)), SIZE, "cpu")
    noisy = torch.roll(frame, shift, (1, 2)) + 0.02 * torch.randn(frame.shape)
    assert displacement(frame, mask, noisy, 40) == shift


def test_what_has_moved_is_found_where_it_was(rolling):
    before, after = render(rolling, np.array([[0.0, 1.0]]), SIZE)[0]
    mask = object_mask(rolling, np.ones((1, 1)), SIZE, "cpu")
    dy, dx = displacement(after, mask, before, 40)
    assert dx < -4 and abs(dy) <= 4, (dy, dx)


def test_a_pack_is_measured(tiny_pack):
    table = measure_continuation(tiny_pack, "cpu", "float32", clips=2, frames=4)
    assert table["clips"] == 2 and table["frames"] == 4
    assert 0 <= table["extended"]["median"] <= 1 and 0 <= table["standing still"]["median"] < 0.3
    moving = table["moving"]
    assert 0 <= moving["clips"] <= 2
    assert moving["standing still"]["within 5 %"] == (0.0 if moving["clips"] else None)
    assert measure_continuation(tiny_pack, "cpu", "float32", clips=2, frames=4) == table


def test_the_command(tiny_pack, capfd):
    from vldm_cli.commands.app import app
    from vldm_cli.commands.failures import run

    given = ["measure", "extend", "--pack", str(tiny_pack.folder), "--device", "cpu", "--dtype", "float32"]
    assert run(app, [*given, "--clips", "1", "--frames", "2"]) == 0
    assert "object off by" in capfd.readouterr().out
    assert run(app, [*given, "--clips", "0"]) == 2 and "--clips 0" in capfd.readouterr().err
