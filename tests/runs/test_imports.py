"""How a process of vldm's own imports what is large."""

import gc
import sys

import pytest

from vldm_cli.runs.imports import bring, uncollected


@pytest.fixture
def thawed():
    yield
    gc.unfreeze()


def test_nothing_is_collected_within_and_everything_is_kept(thawed):
    before = gc.get_freeze_count()
    with uncollected():
        assert not gc.isenabled()
        many = [[] for _ in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() - before >= len(many)


def test_it_collects_again_after_an_error(thawed):
    with pytest.raises(ValueError), uncollected():
        raise ValueError
    assert gc.isenabled()


def test_who_collects_nothing_goes_on_so(thawed):
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_module_is_brought_once(thawed, monkeypatch, tmp_path):
    (tmp_path / "large_one.py").write_text("import gc\ncollects = gc.isenabled()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "large_one", raising=False)
    bring("large_one")
    assert not sys.modules["large_one"].collects and gc.get_freeze_count() > 0
    gc.unfreeze()
    bring("large_one")
    assert gc.get_freeze_count() == 0
    del sys.modules["large_one"]
