"""The table and the picture of a run's measurements."""

import math

import numpy as np

from vldm_cli.train.curve import Curve


def curve(folder, *losses):
    made = Curve(folder)
    for step, loss in enumerate(losses):
        made.add({"step": step, "loss": loss})
    return made


def test_losses_that_are_not_finite_are_in_the_table_and_not_in_the_picture(tmp_path):
    broken = curve(tmp_path, 2.0, math.inf, math.nan, -math.inf, 1.0)
    broken.write()
    again = Curve(tmp_path)
    again.load(4)
    assert [row["loss"] for row in again.rows][:2] == [2.0, math.inf]
    again.write()
    finite = Curve(tmp_path)
    finite.rows = [{"step": 0, "loss": 2.0}, {"step": 4, "loss": 1.0}]
    assert np.array_equal(np.asarray(again.picture()), np.asarray(finite.picture()))


def test_a_run_without_a_finite_loss_has_an_empty_picture(tmp_path):
    assert curve(tmp_path, math.inf, math.nan).picture().getcolors() == [(960 * 540, (255, 255, 255))]
