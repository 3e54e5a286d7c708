"""Streams that are closed, full or narrow, and signals while Python imports."""

import os
import subprocess
import sys

import pytest

from tests.video import clips

PROGRAM = [sys.executable, "-m", "vldm_cli"]
NAME = "映é.mp4"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a clip whose name not every encoding has."""
    folder = tmp_path_factory.mktemp("place")
    clips.make(folder, NAME, frames=2, size="16x16")
    return folder


def vldm(place, *words, **how):
    env = {**os.environ, "PYTHONPATH": os.getcwd(), **how.pop("env", {})}
    return subprocess.run([*PROGRAM, *words], cwd=place, env=env, check=False, **how)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_what_a_stream_cannot_show_is_escaped(place, encoding):
    env = {"PYTHONIOENCODING": encoding}
    done = vldm(place, "info", NAME, env=env, capture_output=True)
    assert done.returncode == 0 and done.stderr == b"" and rb"\u6620" in done.stdout
    done = vldm(place, "info", NAME, "--json", env=env, capture_output=True)
    import json

    assert done.returncode == 0 and json.loads(done.stdout)["file"] == NAME
    done = vldm(place, "info", "出.mp4", env=env, capture_output=True)
    assert done.returncode == 2 and rb"\u51fa.mp4" in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="descriptors are closed by number")
@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_streams(tmp_path, place, closed):
    out = tmp_path / "o.mp4"
    words = [*PROGRAM, "interpolate", NAME, "-o", str(out), "--device", "cpu", "--engine", "motion"]

    def close():
        for number in closed:
            os.close(number)

    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(words, cwd=place, env=env, preexec_fn=close, check=False)
    assert done.returncode == 0
    from vldm_cli.video.clip import open_clip

    assert open_clip(out).frames == 4, "and nothing that was printed is in it"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_full_stdout_is_one_sentence(place, more):
    with open("/dev/full", "w") as full:
        done = vldm(place, "info", NAME, *more, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and b"cannot write to stdout" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("kind", ["full", "left"])
def test_a_log_that_takes_no_more_is_no_reason_to_lose_the_video(tmp_path, place, kind):
    words = ["-o", str(tmp_path / "o.mp4"), "--device", "cpu", "--engine", "motion", "-v"]
    several = [NAME, NAME, "-o", str(tmp_path / "{index}.mp4"), *words[2:]]
    if kind == "full":
        log = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, log = os.pipe()
        os.close(reader)
    try:
        done = vldm(place, "interpolate", NAME, *words, stdout=subprocess.PIPE, stderr=log)
        assert done.returncode == 0 and b"o.mp4" in done.stdout
        done = vldm(place, "interpolate", *several, stdout=subprocess.PIPE, stderr=log)
        assert done.returncode == 0 and done.stdout.count(b"\n") == 2
        assert vldm(place, "info", "none.mp4", "-v", stdout=subprocess.PIPE, stderr=log).returncode == 2
    finally:
        os.close(log)
    assert len(os.listdir(tmp_path)) == 3


EARLY = """
import builtins, os, signal, sys
real = builtins.__import__
def watched(name, *rest):
    if name.startswith({module!r}) and name not in sys.modules:
        os.kill(os.getpid(), signal.{signal})
    return real(name, *rest)
builtins.__import__ = watched
from vldm_cli.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("module", "signal"),
    [("typer", "SIGINT"), ("vldm_cli.commands", "SIGTERM"), ("torch", "SIGINT"), ("numpy", "SIGHUP")],
)
def test_a_signal_while_python_imports(place, module, signal):
    code = EARLY.format(module=module, signal=signal)
    words = [sys.executable, "-c", code, "interpolate", NAME, "-o", "o.mp4", "--device", "cpu"]
    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(words, cwd=place, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "vldm: interrupted\n")
    assert os.listdir(place) == [NAME]


def test_before_it_listens_to_signals_nothing_is_imported():
    """A hundredth of a second, in which Ctrl-C was a traceback."""
    code = f"import os, sys; sys.path.append({os.getcwd()!r}); before = set(sys.modules)\n"
    code += "import vldm_cli.__main__; print(*sorted(set(sys.modules) - before))"
    words = [sys.executable, "-I", "-S", "-c", code]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["vldm_cli", "vldm_cli.__main__"]


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGHUP")
def test_what_it_was_started_to_ignore_it_ignores(place):
    code = EARLY.format(module="typer", signal="SIGHUP")
    words = [
        sys.executable,
        "-c",
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + code,
        "--version",
    ]
    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    assert subprocess.run(words, cwd=place, env=env, capture_output=True, check=False).returncode == 0
