import json
import os
import subprocess
import sys

import pytest
import torch

from vldm_cli.errors import RequestError, RunError
from vldm_cli.runs import command_line
from vldm_cli.runs import journal as journals
from vldm_cli.runs.folder import COMMAND, PLAN, is_delivered, remove, run_folder, stored_plan
from vldm_cli.runs.journal import Journal

THIS = {"seed": 1, "sizes": [1, 2]}


@pytest.fixture
def folder(tmp_path):
    return run_folder(tmp_path / "ball.mp4")


def unit(value=1.0):
    return {"z": torch.full((3, 2), value)}


def never():
    raise AssertionError("a finished unit was made again")


def test_a_unit_is_made_once_and_comes_back_to_the_bit(folder):
    z = torch.randn(4, 3, 2)
    with Journal(folder, THIS) as journal:
        assert not journal.resumed
        journal.unit("keyframes", 0, lambda: {"z": z})
        assert torch.equal(journal.unit("keyframes", 0, never)["z"], z)
    with Journal(folder, THIS) as journal:
        assert journal.resumed
        assert torch.equal(journal.unit("keyframes", 0, never)["z"], z)
        assert journal.load("keyframes", 1) is None and journal.load("interpolate4", 0) is None


def test_the_folder_is_hidden_beside_the_output(tmp_path):
    assert run_folder(tmp_path / "a b.mp4") == tmp_path / ".a b.mp4.vldm"


@pytest.mark.parametrize("identity", [{"seed": 2}, THIS])
def test_a_fresh_run_starts_over(folder, identity):
    with Journal(folder, THIS) as journal:
        journal.save("keyframes", 0, unit())
        journal.make_segment(0, lambda path: path.write_bytes(b"video"))
    with Journal(folder, identity, resume=False) as journal:
        assert not journal.resumed
        assert journal.load("keyframes", 0) is None and not journal.has_segment(0)
    assert stored_plan(folder) == identity


def test_a_run_that_goes_on_by_other_code_says_so(folder, monkeypatch):
    """From then on, for what it keeps is of both; where nothing was finished, all of it is of the last."""

    def told(own):
        monkeypatch.setattr(journals, "code", lambda: own)
        with Journal(folder, THIS) as journal:
            assert journal.resumed == (own != "first")
            return journal

    assert not told("first").recoded and not told("second").recoded
    told("third").save("keyframes", 0, unit())
    assert not told("third").recoded
    assert told("fourth").recoded and told("third").recoded and told("fourth").recoded
    assert not told(None).recoded, "of sources that cannot be read nobody knows"
    assert json.loads((folder / COMMAND).read_text())["code"] == ["third", "fourth"]
    for damaged in ('{"code": 3}', '{"code": [3]}', "[", ""):
        (folder / COMMAND).write_text(damaged)
        assert not told("fifth").recoded


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b"", lambda b: b[:9] + b"?" + b[10:], lambda b: b[:2]]
)
def test_a_damaged_unit_is_made_again(folder, damage):
    with Journal(folder, THIS) as journal:
        journal.save("keyframes", 0, unit())
        (path,) = folder.glob("keyframes*")
        path.write_bytes(damage(path.read_bytes()))
        assert journal.load("keyframes", 0) is None
        assert journal.unit("keyframes", 0, lambda: unit(2.0))["z"].eq(2).all()
        assert journal.load("keyframes", 0)["z"].eq(2).all()


def test_a_segment_counts_when_it_is_whole(folder):
    def interrupted(path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with Journal(folder, THIS) as journal:
        with pytest.raises(KeyboardInterrupt):
            journal.make_segment(0, interrupted)
        assert not journal.has_segment(0)
        journal.make_segment(0, lambda path: path.write_bytes(b"whole"))
        assert journal.has_segment(0)
        journal.segment(0).write_bytes(b"whol")
        assert not journal.has_segment(0)


def test_an_unreadable_plan_starts_over(folder):
    with Journal(folder, THIS) as journal:
        journal.save("keyframes", 0, unit())
    (folder / PLAN).write_text("{")
    assert stored_plan(folder) is None
    with Journal(folder, THIS) as journal:
        assert not journal.resumed and journal.load("keyframes", 0) is None


def test_two_processes_do_not_work_in_one_folder(folder):
    code = (
        "import sys; from pathlib import Path; from vldm_cli.runs.journal import Journal\n"
        "from vldm_cli.errors import RequestError\n"
        "try: Journal(Path(sys.argv[1]), {'seed': 2})\n"
        "except RequestError as error: print(error)\n"
    )
    with Journal(folder, THIS) as journal:
        journal.save("keyframes", 0, unit())
        said = subprocess.run(
            [sys.executable, "-c", code, folder], capture_output=True, text=True, check=True
        ).stdout
        assert "another vldm is making this video" in said
        with pytest.raises(RequestError, match="another vldm"):
            Journal(folder, THIS)
        assert journal.load("keyframes", 0) is not None


def test_the_lock_of_a_killed_process_is_free(folder):
    code = (
        "import os, sys; from pathlib import Path; from vldm_cli.runs.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1]), {'seed': 1, 'sizes': [1, 2]}); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, folder], check=False).returncode == 9
    with Journal(folder, THIS) as journal:
        assert journal.resumed


def test_no_folder_can_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match="--out"):
        Journal(tmp_path / "file" / ".a.vldm", THIS)


def test_a_full_disk_is_a_run_error(folder, monkeypatch):
    def full(fd):
        raise OSError(28, "No space left on device")

    with Journal(folder, THIS) as journal:
        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(RunError, match="No space left"):
            journal.save("keyframes", 0, unit())
        assert journal.load("keyframes", 0) is None


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_delivery(folder, tmp_path, kind):
    out = tmp_path / "ball"
    with Journal(folder, THIS) as journal:
        joined = journal.joined("")
        if kind == "file":
            joined.write_bytes(b"video")
        else:
            joined.mkdir()
            (joined / "0.png").write_bytes(b"frame")
            out.mkdir()
            (out / "old.png").write_bytes(b"old")
        assert not is_delivered(folder, out)
        journal.deliver(joined, out, force=kind == "folder")
        assert is_delivered(folder, out)
        assert out.is_file() if kind == "file" else [p.name for p in out.iterdir()] == ["0.png"]
        journal.remove()
    assert list(tmp_path.iterdir()) == [out]


def saved(folder, identity=THIS, words=("vldm", "generate", "a  ball")):
    with command_line.told(words[1:]), Journal(folder, identity) as journal:
        journal.save("keyframes", 0, unit())


def test_saved_work_of_another_command_is_refused_and_kept(folder):
    saved(folder)
    with pytest.raises(RequestError, match=r"keeps what another command has finished.*--fresh") as refused:
        Journal(folder, {"seed": 2})
    assert refused.value.again == ("vldm", "generate", "a  ball")
    with Journal(folder, THIS) as journal:
        assert journal.resumed and journal.load("keyframes", 0) is not None
    with Journal(folder, {"seed": 2}, resume=False) as journal:
        assert not journal.resumed and journal.load("keyframes", 0) is None


def test_what_has_finished_nothing_makes_room(folder):
    Journal(folder, THIS).close()
    with Journal(folder, {"seed": 2}) as journal:
        assert not journal.resumed
    assert stored_plan(folder) == {"seed": 2}


@pytest.mark.parametrize("thing", ["folder", "pipe", "deep", "link", "long", "seal"])
def test_odd_things_are_as_good_as_nothing(folder, thing, tmp_path):
    """In the place of a plan, a unit, a segment and its seal. "seal": another table of the folder's."""
    (tmp_path / "mine").write_text("precious")

    def plant(path):
        remove(path)
        if thing == "folder":
            path.mkdir()
            (path / "x").touch()
        elif thing == "pipe":
            os.mkfifo(path)
        elif thing == "link":
            path.symlink_to(tmp_path / "mine")
        else:
            path.write_text({"deep": "[" * 100_000, "seal": '{"": 1}'}.get(thing, "9" * 10_000))

    with Journal(folder, THIS) as journal:
        journal.save("keyframes", 0, unit())
        journal.make_segment(0, lambda path: path.write_bytes(b"video"))
        for path in (journal.segment(0), folder / "segment-000000.video.json", next(folder.glob("keyf*"))):
            plant(path)
        assert journal.load("keyframes", 0) is None and not journal.has_segment(0)
        journal.unit("keyframes", 0, unit)
        journal.make_segment(0, lambda path: path.write_bytes(b"video"))
        assert journal.load("keyframes", 0) is not None and journal.has_segment(0)
    plant(folder / PLAN)
    assert stored_plan(folder) is None
    with Journal(folder, THIS) as journal:
        assert not journal.resumed
    assert stored_plan(folder) == THIS and (tmp_path / "mine").read_text() == "precious"
