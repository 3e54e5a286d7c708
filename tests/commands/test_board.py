"""The progress of many videos, on a terminal and elsewhere."""

import os
import sys
from contextlib import suppress

import pytest

from vldm_cli.commands.board import board
from vldm_cli.commands.console import Console

NAME = "out/[red]\x1b[2J.mp4"


def made(shown):
    """Two of three videos, one of which was made before."""
    with shown:
        share = shown.begin(NAME)
        for stage in ("keyframes", "write"):
            share.start(stage, 10)
        share.advance("keyframes", 10)
        share.finished(6)
        half = (share.done, share.total, share.frames)
        shown.end(NAME, "made in 0:01")
    return half


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals here")
def test_on_a_terminal_a_line_for_the_video_and_one_for_all(monkeypatch):
    ours, theirs = os.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with open(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        assert made(board(Console(), 3, 1)) == (10, 20, 6)
    told = b""
    with suppress(OSError):  # at its end
        while part := os.read(ours, 1 << 16):
            told += part
    os.close(ours)
    told = told.decode()
    assert "1 of 3" in told and "2 of 3" in told
    assert r"out/[red]\x1b[2J.mp4" in told and "\x1b[2J" not in told.replace(r"\x1b[2J", "")


def test_elsewhere_a_line_for_each_that_is_finished(capsys):
    made(board(Console(), 3, 1))
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("2 of 3: out/[red]\\x1b[2J.mp4 made in 0:01, about 0:0")
    made(board(Console(), 2, 1))
    assert capsys.readouterr().err == "2 of 2: out/[red]\\x1b[2J.mp4 made in 0:01\n"


def test_quiet_says_nothing(capsys):
    made(board(Console(quiet=True), 3, 1))
    assert capsys.readouterr() == ("", "")
