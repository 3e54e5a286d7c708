"""What a process holds on to of what takes much memory."""

import weakref

import pytest

from vldm_cli.runs.recent import MOST, Recent


class Thing:
    """Holds on to itself, as modules with hooks do."""

    def __init__(self):
        self.itself = self


def test_the_one_goes_that_nobody_has_asked_for_for_longest():
    gone, things = [], Recent(lambda: gone.append(True))
    first, *_ = made = [things.once(number, Thing) for number in range(MOST)]
    assert things.once(0, Thing) is first and gone == []
    things.once(MOST, Thing)
    assert gone == [True] and things.once(0, Thing) is first and things.once(1, Thing) not in made


def test_what_has_gone_is_freed_at_once():
    things = Recent()
    first = weakref.ref(things.once("first", Thing))
    for number in range(MOST):
        things.once(number, Thing)
    assert first() is None


def test_what_cannot_be_made_leaves_all_as_it_was():
    things = Recent()
    before = [things.once(number, Thing) for number in range(MOST)]
    with pytest.raises(ZeroDivisionError):
        things.once("none", lambda: 1 / 0)
    assert [things.once(number, Thing) for number in range(MOST)] == before
