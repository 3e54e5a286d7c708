"""The command to go on with is the one that was given, whatever is in it."""

import json
import os
import random
import shlex
import shutil
import subprocess

import pytest

from vldm_cli.api.recipe import recipe
from vldm_cli.runs.command_line import typed

LETTERS = "ab é映😀'\"\\$`!#&|;<>*?[]{}()~=%-\n\r\t\x0b\x1b\x7f\u2028 \udce9\udcff"


def texts(count, letters=LETTERS):
    chance = random.Random(3)
    fixed = ["", "two  spaces", "a line\nend", "-dash", "--out", "it's", " lead and trail ", "\x85", "\u2028"]
    return fixed + ["".join(chance.choices(letters, k=chance.randrange(1, 12))) for _ in range(count)]


def test_a_line_is_read_as_the_words_that_it_was_made_of():
    plain = texts(300, LETTERS.replace("\udce9\udcff", ""))
    assert shlex.split(typed(["vldm", *plain])) == ["vldm", *plain]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
def test_bash_reads_it_so_too_in_letters_that_a_narrow_terminal_has(encoding):
    words = texts(200)
    line = typed(["printf", "%s\\0", *words], encoding)
    line.encode(encoding)
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    said = subprocess.run(["bash", "-c", line], capture_output=True, check=True, env=env).stdout
    assert said.split(b"\0")[:-1] == [os.fsencode(word) for word in words]


@pytest.mark.parametrize("name", ["-dash.mp4", "two  spaces.mp4", "new\nline.mp4"])
def test_the_command_that_info_prints(vldm, name):
    made = {"command": "interpolate", "clip": name, "seed": None, "pack": None, "settings": {"factor": 4}}
    words = shlex.split(recipe(made, name))
    again = shlex.split(recipe({**made, "command": "upscale"}, name))
    assert words[words.index("-o") + 1] == name and name in words[2:]
    assert ("--" in words and words[-2:] == ["--", name]) if name[0] == "-" else words[2] == name
    assert again[:2] == ["vldm", "upscale"]


def test_what_is_printed_when_it_breaks_is_what_was_given(vldm, base, monkeypatch):
    def broken(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vldm_cli.pipelines.generate.making.encode_segment", broken)
    for prompt in ("a red  ball\n on   grass ", "-a ball"):
        words = ["generate", *map(str, base), "--frames", "2", "-q", "-o", "two  spaces.mp4", "--", prompt]
        code, _, err = vldm(*words)
        assert code == 1 and shlex.split(err.partition("go on with: ")[2]) == ["vldm", *words]


def test_the_command_of_a_stopped_run_is_kept_with_it(vldm, base, monkeypatch, tmp_path):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("vldm_cli.commands.console.SilentProgress.finished", stop)
        words = ["generate", "a red  ball", *map(str, base), "--frames", "30", "-q", "-o", "a.mp4"]
        code, _, err = vldm(*words)
    assert code == 130 and "of 30 frames of a.mp4 are saved" in err
    assert json.loads((tmp_path / ".a.mp4.vldm" / "command.json").read_text())["words"] == ["vldm", *words]
