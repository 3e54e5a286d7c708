"""Numbers from outside are looked at before they are computed with."""

from fractions import Fraction

import numpy as np
import pytest

from vldm_cli.errors import RequestError
from vldm_cli.video.numbers import choice, rate_of, real, real_of, whole, whole_of


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("24", 24),
        ("23.976", Fraction(2997, 125)),
        ("24000/1001", Fraction(24000, 1001)),
        (" 24 ", 24),
        ("24.", 24),
        (".5", Fraction(1, 2)),
        (24, 24),
        (12.5, Fraction(25, 2)),
        (Fraction(30000, 1001), Fraction(30000, 1001)),
        (np.float64(12.5), Fraction(25, 2)),
        (np.int64(24), 24),
    ],
)
def test_rates_are_exact(text, rate):
    assert rate_of(text) == rate


HUGE = ["1e1000000000", "1E9", "1e-100000000", "9" * 5000, "1/" + "9" * 5000, "0." + "0" * 5000 + "1"]
WRONG = [
    "",
    "x",
    "nan",
    "inf",
    "-24",
    "+24",
    "1/0",
    "0",
    "0/1",
    "1_000",
    "1000.5",
    "2²",
    "٢٤",
    "1/2/3",
    "24\0",
]


@pytest.mark.parametrize(
    "value",
    [
        *(*HUGE, *WRONG, None, True, [24], {"a": 1}, 24j),
        *(float("nan"), float("inf"), 1e300, Fraction(10**5000), Fraction(1, 10**5000), -1, 0.0),
    ],
)
def test_anything_else_is_refused_at_once(value):
    refused(value)


def test_a_number_of_5000_digits_is_refused_at_once():  # which has no name as a parameter
    refused(10**5000)


def refused(value):
    with pytest.raises(ValueError, match="is no frame rate"):
        rate_of(value)


def test_whole_numbers_have_bounds_and_are_of_no_other_type():
    assert whole_of(5, 0, 51) == 5
    assert [whole_of(value, 0, 51) for value in (52, -1, True, 5.0, "5", None, 10**400)] == [None] * 7
    assert type(whole_of(np.int64(5), 0, 51)) is int


def test_numbers_are_finite_and_of_no_other_type():
    assert [real_of(value, -1, 1) for value in (1, 0.5, np.float32(0.5), Fraction(1, 4))] == [
        1,
        0.5,
        0.5,
        0.25,
    ]
    bad = (1.1, float("nan"), float("inf"), True, "1", None, 10**5000, Fraction(10**5000), 1j, [1])
    assert [real_of(value, -1, 1) for value in bad] == [None] * len(bad)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: whole("--frames", 10**5000, 1, 9),
            "--frames a number of more than 20 digits is no whole number",
        ),
        (lambda: whole("--seed", 2**63, 0, 2**63 - 1), "from 0 to 2.63 − 1"),
        (lambda: whole("--steps", "8", 1, 9), "--steps 8 is no whole number from 1 to 9"),
        (lambda: real("--noise", 1.0, 0, 1, below=True), "--noise 1.0 is no number from 0 to below 1"),
        (lambda: real("--lr", 0, 0, 1, above=True), "--lr 0 is no number above 0 to 1"),
        (lambda: real("--lr", float("nan"), 0, 1), "--lr nan is no number"),
        (lambda: choice("--scale", 2.0, (2, 4)), "--scale 2.0 is none of 2, 4"),
        (lambda: choice("--scale", 3, (2, 4)), "--scale 3 is none of 2, 4"),
    ],
)
def test_an_option_that_is_none_is_one_sentence(call, words):
    with pytest.raises(RequestError, match=words):
        call()
