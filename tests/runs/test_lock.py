"""One process at a time, also where the file system has no locks."""

import errno
import json
import os
import subprocess
import sys
import time

import pytest

from vldm_cli.errors import RequestError
from vldm_cli.runs.folder import LOCK, OWNER
from vldm_cli.runs.lock import Lock

fcntl = pytest.importorskip("fcntl")


@pytest.fixture(params=[errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL])
def no_locks(request, monkeypatch):
    def none(*_):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", none)


def test_without_locks_a_file_tells_whose_it_is(tmp_path, no_locks):
    lock = Lock(tmp_path / "run")
    owner = json.loads((tmp_path / "run" / OWNER).read_text())
    assert owner["pid"] == os.getpid() and owner["host"]
    with pytest.raises(RequestError, match=f"another vldm .*process {os.getpid()}"):
        Lock(tmp_path / "run")
    lock.close()
    assert not (tmp_path / "run" / OWNER).exists()
    Lock(tmp_path / "run").close()


def left(folder, **changes):
    """The file of a process of this machine that has ended."""
    code = "import os, sys, json; from vldm_cli.runs.owner import _of; print(json.dumps(_of(os.getpid())))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    folder.mkdir()
    (folder / OWNER).write_text(json.dumps({**json.loads(said), **changes}))


@pytest.mark.parametrize(
    "changes", [{}, {"pid": os.getpid()}, {"boot": "another"}, {"pid": "x"}, {"pid": -1}]
)
def test_a_stale_one_is_taken_away(tmp_path, no_locks, changes):
    left(tmp_path / "run", **changes)
    lock = Lock(tmp_path / "run")
    assert json.loads((tmp_path / "run" / OWNER).read_text())["pid"] == os.getpid()
    lock.close()
    assert os.listdir(tmp_path / "run") == [LOCK]


def test_one_of_another_machine_is_not(tmp_path, no_locks):
    left(tmp_path / "run", host="elsewhere")
    with pytest.raises(RequestError, match=r"on elsewhere.*remove .*lock\.owner if"):
        Lock(tmp_path / "run")


def test_one_that_is_just_written_is_not_stale_and_an_old_empty_one_is(tmp_path, no_locks):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / OWNER).touch()
    with pytest.raises(RequestError, match="another vldm"):
        Lock(tmp_path / "run")
    os.utime(tmp_path / "run" / OWNER, (time.time() - 3600,) * 2)
    Lock(tmp_path / "run").close()


def test_held_and_unsupported_are_told_apart(tmp_path):
    held = Lock(tmp_path / "run")
    with pytest.raises(RequestError, match="another vldm"):
        Lock(tmp_path / "run")
    assert not (tmp_path / "run" / OWNER).exists()
    held.close()


@pytest.mark.parametrize("thing", ["file", "link", "dangling link", "lock folder", "lock pipe", "lock link"])
def test_other_things_in_its_place_are_named_and_left_alone(tmp_path, thing):
    run, mine = tmp_path / "run", tmp_path / "mine"
    mine.mkdir()
    (mine / "photo.jpg").write_text("precious")
    if thing == "file":
        run.write_text("x")
    elif "link" in thing and "lock" not in thing:
        run.symlink_to("mine" if thing == "link" else "nowhere")
    else:
        run.mkdir()
        if thing == "lock folder":
            (run / LOCK).mkdir()
        elif thing == "lock pipe":
            os.mkfifo(run / LOCK)
        else:
            (run / LOCK).symlink_to(mine / "photo.jpg")
    with pytest.raises(RequestError, match=r"take .*away"):
        Lock(run)
    assert (mine / "photo.jpg").read_text() == "precious" and os.listdir(mine) == ["photo.jpg"]
