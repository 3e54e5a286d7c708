"""Whose warnings reach the person."""

import warnings

from vldm_cli.runs import remarks


def test_vldms_own_and_nothing_that_python_says_of_its_code():
    with warnings.catch_warnings(record=True) as said:
        remarks.only_ours()
        for module in ("vldm_cli.align.fast.ops", "diffusers.utils"):
            for category in (UserWarning, ResourceWarning, DeprecationWarning, FutureWarning):
                warnings.warn_explicit(f"{category.__name__} of {module}", category, "a.py", 1, module)
    assert [str(one.message) for one in said] == ["UserWarning of vldm_cli.align.fast.ops"]


def test_a_worker_keeps_them(monkeypatch):
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with warnings.catch_warnings():
        remarks.keep()
        warnings.warn_explicit("a kernel\n is left out", UserWarning, "a.py", 1, "vldm_cli.stages.models")
        assert remarks.kept() == ("a kernel is left out",) and remarks.kept() == ()
