"""The finished video gets its name, and nothing of anybody else's is lost by it."""

import contextlib
import errno
import os

import pytest

from vldm_cli.errors import RequestError, RunError
from vldm_cli.runs.attempt import attempt, check_out, tidy
from vldm_cli.runs.deliver import put, recover
from vldm_cli.runs.folder import DELIVERED, REPLACED, is_bare, is_delivered, run_folder
from vldm_cli.runs.journal import Journal
from vldm_cli.runs.progress import Clock

THIS = {"seed": 1}


def make(path, kind, words=b"new"):
    if kind == "folder":
        path.mkdir()
        path = path / "0.png"
    path.write_bytes(words)


def read(path):
    return (path / "0.png" if path.is_dir() else path).read_bytes()


@pytest.fixture
def place(tmp_path):
    """(what is put together, its name, the run's folder)"""
    folder = run_folder(tmp_path / "out")
    folder.mkdir()
    return folder / "joined", tmp_path / "out", folder


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("there", ["file", "folder", "link", "dangling link"])
def test_what_came_under_the_name_meanwhile_is_somebody_elses(place, tmp_path, kind, there):
    joined, out, folder = place
    make(joined, kind)
    make(tmp_path / "theirs", "file", b"theirs")
    if "link" in there:
        out.symlink_to("theirs" if there == "link" else "nowhere")
    else:
        make(out, there, b"theirs")
    with pytest.raises(RunError, match=r"somebody else meanwhile.*--force"):
        put(joined, out, folder, force=False)
    assert read(joined) == b"new" and read(tmp_path / "theirs") == b"theirs"
    assert out.is_symlink() if "link" in there else read(out) == b"theirs"


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_where_the_file_system_has_no_links(place, monkeypatch, kind, number):
    def none(*_, **__):
        raise OSError(number, os.strerror(number))

    joined, out, folder = place
    monkeypatch.setattr(os, "link", none)
    make(joined, kind)
    put(joined, out, folder, force=False)
    assert read(out) == b"new" and not joined.exists()
    make(joined, kind)
    with pytest.raises(RunError, match="somebody else"):
        put(joined, out, folder, force=False)


@pytest.mark.parametrize("there", ["file", "folder", "link to a folder", "nothing"])
def test_with_force_the_old_one_goes_whole_or_stays_whole(place, tmp_path, monkeypatch, there):
    joined, out, folder = place
    make(joined, "file" if there == "file" else "folder")
    make(tmp_path / "theirs", "folder", b"theirs")
    if there == "link to a folder":
        out.symlink_to("theirs")
    elif there != "nothing":
        make(out, there, b"old")
    put(joined, out, folder, force=True)
    assert read(out) == b"new" and not out.is_symlink() and read(tmp_path / "theirs") == b"theirs"
    recover(out, folder)
    assert read(out) == b"new" and not (folder / REPLACED).exists()


def test_killed_between_two_steps_the_old_folder_comes_back(place, monkeypatch):
    joined, out, folder = place
    make(joined, "folder")
    make(out, "folder", b"old")
    real, calls = os.rename, []

    def killed(*words):
        calls.append(words)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(*words)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            put(joined, out, folder, force=True)
    assert not out.exists() and read(folder / REPLACED) == b"old"
    with Journal(folder, {"another": 1}, resume=False, out=out):
        assert read(out) == b"old"


def work(journal, out):
    joined = journal.joined("")
    joined.write_bytes(b"new")
    journal.deliver(joined, out)
    return "made"


def tried(out, resume=True, force=False, metadata=None, identity=THIS):
    import torch

    return attempt(
        out,
        identity,
        lambda journal: work(journal, out),
        resume=resume,
        force=force,
        metadata=metadata,
        device=torch.device("cpu"),
        clock=Clock(),
        remedy="less",
    )


def finished(out, monkeypatch, at):
    """A run of which the last removals, from number `at` on, did not happen; how many there are."""
    count = [0]

    def removal(real):
        def remove(path, *words, **more):
            count[0] += 1
            if at is not None and count[0] > at:
                raise SystemExit("killed")
            return real(path, *words, **more)

        return remove

    with monkeypatch.context() as patched:
        for name in ("unlink", "rmdir"):
            patched.setattr(os, name, removal(getattr(os, name)))
        with contextlib.suppress(SystemExit):
            assert tried(out) == "made"
    return count[0]


@pytest.mark.parametrize("last", range(1, 6))
def test_a_finished_run_is_known_however_far_its_tidying_came(tmp_path, monkeypatch, last):
    monkeypatch.setattr("vldm_cli.runs.attempt.holds", lambda out, metadata: metadata == {"a": 1})
    count = finished(tmp_path / "first", monkeypatch, None)
    out = tmp_path / "out"
    finished(out, monkeypatch, count - last)
    folder = run_folder(out)
    assert folder.exists() and (is_delivered(folder, out) or is_bare(folder))
    check_out(out, True, False, {"a": 1})
    assert tried(out, metadata={"a": 1}) is None
    assert sorted(p.name for p in tmp_path.iterdir()) == ["first", "out"]


@pytest.mark.parametrize("bare", [[], ["lock"]])
def test_a_bare_folder_beside_another_file_proves_nothing(tmp_path, bare):
    out = tmp_path / "out.mp4"
    out.write_bytes(b"theirs")
    run_folder(out).mkdir()
    for name in bare:
        (run_folder(out) / name).touch()
    with pytest.raises(RequestError, match="exists"):
        check_out(out, True, False, {"a": 1})
    tidy(out)
    assert list(tmp_path.iterdir()) == [out] and out.read_bytes() == b"theirs"


def test_only_what_is_delivered_is_tidied_up(tmp_path):
    out = tmp_path / "out"
    with Journal(run_folder(out), THIS) as journal:
        journal.make_segment(0, lambda path: path.write_bytes(b"video"))
    out.write_bytes(b"theirs")
    tidy(out)
    assert run_folder(out).exists() and out.read_bytes() == b"theirs"


def test_delivered_by_an_earlier_vldm(tmp_path):
    """Whose mark held the checksums alone."""
    import json
    import zlib

    out = tmp_path / "out"
    out.write_bytes(b"new")
    run_folder(out).mkdir()
    (run_folder(out) / DELIVERED).write_text(json.dumps({"": zlib.crc32(b"new")}))
    assert is_delivered(run_folder(out), out)
    tidy(out)
    assert list(tmp_path.iterdir()) == [out]
