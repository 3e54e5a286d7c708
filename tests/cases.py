"""Cases of a parametrised test: what the usual run shows, and what only `pytest -m long` does."""

import pytest


def some(cases, shown):
    """All cases, as `parametrize` takes them; those that are not in `shown` are marked as long."""
    marks = {True: [], False: [pytest.mark.long]}
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=marks[case in shown])
        for case in cases
    ]
