"""An ffmpeg that is not there, or is none, is found out before anything is made, in one sentence."""

import os

import pytest

from tests.video import clips
from vldm_cli.video import ffmpeg


@pytest.fixture(params=["gone", "not a program", "another program"])
def no_ffmpeg(request, tmp_path, monkeypatch):
    clips.make(tmp_path, "a.mp4", frames=2)
    program = tmp_path / "program"
    if request.param != "gone":
        program.write_text("#!/bin/sh\necho hello\n" if request.param == "another program" else "no")
        program.chmod(0o755 if request.param == "another program" else 0o644)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", os.fspath(program))
    ffmpeg.ffmpeg_exe.cache_clear()
    yield
    ffmpeg.ffmpeg_exe.cache_clear()


def test_every_command_says_so_first(no_ffmpeg, vldm, tiny_pack, tmp_path):
    before = set(tmp_path.iterdir())
    generate = (
        "generate",
        "a ball",
        "--pack",
        tiny_pack.folder,
        "--frames",
        1,
        "--no-upscale",
        "-o",
        "b.mp4",
    )
    on_clip = [(name, "a.mp4", "-o", "b.mp4") for name in ("interpolate", "upscale")]
    for words in (("info", "a.mp4"), generate, *on_clip):
        code, out, err = vldm(*words)
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert "ffmpeg cannot be run" in err and "IMAGEIO_FFMPEG_EXE" in err
    assert set(tmp_path.iterdir()) == before
    code, out, _ = vldm("doctor")
    assert code == 0 and "cannot be run" in out and "IMAGEIO_FFMPEG_EXE" in out
