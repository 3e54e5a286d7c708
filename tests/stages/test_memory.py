import ctypes

import pytest

from vldm_cli.stages.memory import keep_freed_memory


def test_freed_memory_is_kept_where_the_c_library_can(monkeypatch):
    told = []
    library = type("C", (), {"mallopt": staticmethod(lambda *words: told.append(words) or 1)})
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: library)
    assert keep_freed_memory()
    assert told == [(-4, 0), (-1, 2**31 - 1)]


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])
def test_other_c_libraries_are_left_alone(monkeypatch, error):
    def none(_name):
        raise error

    monkeypatch.setattr(ctypes, "CDLL", none)
    assert not keep_freed_memory()
