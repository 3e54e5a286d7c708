"""Folders of videos and images."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from vldm_cli.errors import RequestError
from vldm_cli.train.data import files


def test_a_report_that_cannot_be_understood_names_its_file(monkeypatch):
    def broken(path):
        raise ValueError("invalid literal")

    monkeypatch.setattr(files, "inspect", broken)
    with pytest.raises(RequestError, match=r"a\.mp4 is no readable video"):
        files.probe(Path("a.mp4"))


def test_a_clock_is_no_rate(monkeypatch):
    report = SimpleNamespace(rate="90k", seconds=2, height=4, width=6, rotation=90)
    monkeypatch.setattr(files, "inspect", lambda path: report)
    assert files.probe(Path("a.mp4")) == ((6, 4), 2, files.USUAL_FPS)
