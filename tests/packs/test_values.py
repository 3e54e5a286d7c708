"""Numbers in files that anybody wrote."""

import pytest

from vldm_cli.packs.values import Real


@pytest.mark.parametrize("value", [10**400, -(10**400), float("nan"), float("inf"), True, "1", None])
def test_what_is_no_number_of_the_range(value):
    assert not Real(0, 10).fits(value)


@pytest.mark.parametrize("value", [0, 10, 0.5])
def test_numbers_of_the_range(value):
    assert Real(0, 10).fits(value)
