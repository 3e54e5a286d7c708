"""What a signal does, by what the program is at. In processes of their own, which it ends."""

import subprocess
import sys

import pytest

HEAD = """
import os, signal, sys
from vldm_cli.runs import interrupt
def kill(name): os.kill(os.getpid(), getattr(signal, name))
interrupt.listen(lambda: os.write(1, b"ended what it had started\\n"))
"""


def run(code):
    done = subprocess.run([sys.executable, "-c", HEAD + code], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


SAID = (130, "ended what it had started\n")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_it_ends_with_what_is_to_be_said(name):
    assert run(f"kill('{name}')") == (*SAID, "vldm: interrupted\n")
    code = f"""
with interrupt.saying(lambda: "4 of 8 are saved"):
    try:
        kill('{name}')
    except BaseException:
        print("caught")
    finally:
        print("went on")
"""
    assert run(code) == (*SAID, "4 of 8 are saved\n")


def test_work_that_puts_something_away_gets_an_exception_once():
    code = """
try:
    with interrupt.raising():
        kill('SIGINT')
except KeyboardInterrupt:
    print("put away", flush=True)
kill('SIGTERM')
"""
    assert run(code) == (130, "put away\nended what it had started\n", "vldm: interrupted\n")
    code = """
with interrupt.raising():
    try:
        kill('SIGINT')
    except KeyboardInterrupt:
        kill('SIGINT')
    print("went on")
"""
    assert run(code) == (*SAID, "vldm: interrupted\n")


def test_once_a_video_is_delivered_it_waits_for_other_work():
    code = "interrupt.hold(); kill('SIGINT'); kill('SIGTERM'); print('done', flush=True)\n"
    assert run(code) == (0, "done\n", "")
    assert run(code + "interrupt.release(); print('went on')") == (
        130,
        "done\nended what it had started\n",
        "vldm: interrupted\n",
    )


def test_with_nobody_to_read_it_still_ends():
    assert run("os.close(2); kill('SIGHUP')")[:2] == SAID
    assert run("os.dup2(os.open('/dev/full', os.O_WRONLY), 2); kill('SIGTERM')")[:2] == SAID


def test_what_it_was_started_to_ignore_stays_ignored():
    code = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + HEAD + "kill('SIGHUP'); print('on')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "on\n")
