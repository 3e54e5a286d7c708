"""Numbers from outside are looked at before they are computed with."""

from fractions import Fraction

import pytest

from vldm_cli.numbers import rate_of, whole_of


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
    "value", [*HUGE, *WRONG, None, True, [24], {"a": 1}, float("nan"), float("inf"), 1e300]
)
def test_anything_else_is_refused_at_once(value):
    with pytest.raises(ValueError, match="is no frame rate"):
        rate_of(value)


def test_whole_numbers_have_bounds_and_are_of_no_other_type():
    assert whole_of(5, 0, 51) == 5
    assert [whole_of(value, 0, 51) for value in (52, -1, True, 5.0, "5", None, 10**400)] == [None] * 7
