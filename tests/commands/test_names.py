"""Names of every kind, and places that are gone."""

import os
import re
import subprocess
import sys

import pytest

from tests.video import clips
from vldm_cli.video.clip import open_clip

CPU = ("--device", "cpu")
LONG = "\U00010400" * 60  # four bytes each: 240 are a name that a file can have, and no more goes behind it
CONTROL = ["\x1b[2Jwiped.mp4", "a\x07bell.mp4", "\x9b31mred.mp4", "tab\tnew\nline.mp4", "\x7f.mp4"]


def test_a_prompt_of_the_longest_letters_has_a_name(vldm, here, base):
    assert vldm("generate", LONG, *base, "--frames", "1", "--seed", "1")[0] == 0
    (made,) = here()
    assert made.endswith(".mp4") and len(os.fsencode(made)) < 200
    assert vldm("generate", LONG, *base, "--frames", "1", "--variations", "2", "--seed", "1")[0] == 0
    assert len(here()) == 3


def test_a_clip_of_the_longest_name_needs_none(vldm, here, tmp_path):
    clips.make(tmp_path, f"{LONG}.mp4", frames=2)
    assert vldm("interpolate", f"{LONG}.mp4", *CPU)[0] == 0
    assert len(here()) == 2
    code, _, err = vldm("interpolate", f"{LONG}.mp4", "-o", f"{LONG}-x.mp4", *CPU)
    assert code == 2 and "is too long for a file" in err and err.count("\n") == 1 and len(here()) == 2


@pytest.mark.parametrize("name", CONTROL)
def test_what_would_steer_a_terminal_never_reaches_it(vldm, tmp_path, name):
    """A clip's name and an output's, in results, warnings and refusals."""
    made = clips.make(tmp_path, "a.mkv", filters="format=yuva420p", codec=["-c:v", "ffv1"], frames=2)
    (tmp_path / name).write_bytes(made.read_bytes())
    (tmp_path / f"none{name}").write_text("no video")
    for words in (
        ["info", name],
        ["info", f"none{name}"],
        ["info", f"gone{name}"],
        ["interpolate", name, "-o", f"out{name}", *CPU],
        ["interpolate", name, "-o", f"out{name}", *CPU],
        ["interpolate", f"none{name}", *CPU],
        ["upscale", name, "--pack", name],
        ["generate", "a ball", "--pack", name],
        ["generate", "a ball", "--image", f"gone{name}"],
        ["generate", "a ball", "--preview", name],
        ["packs", "show", name],
    ):
        code, out, err = vldm(*words)
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", out + err), words
        assert "unexpected" not in err and code in (0, 2), words
    assert open_clip(tmp_path / f"out{name}").frames == 4


@pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be removed there")
@pytest.mark.parametrize("words", [["info", "a.mp4"], ["generate", "a ball"], ["--version"]])
def test_a_working_folder_that_is_gone_is_one_sentence(tmp_path, words):
    gone = tmp_path / "gone"
    gone.mkdir()
    code = "import os, sys; os.rmdir(os.getcwd()); from vldm_cli.__main__ import main; main()"
    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=gone, env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "is gone; change to another one" in done.stderr
