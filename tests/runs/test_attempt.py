"""What is said when a run breaks, whichever command it is of."""

import errno
import os

import pytest
import torch

from vldm_cli.errors import RequestError, RunError
from vldm_cli.runs import journal
from vldm_cli.runs.attempt import attempt, check_out, seed_of
from vldm_cli.runs.folder import run_folder
from vldm_cli.runs.preview import ContactSheet
from vldm_cli.runs.progress import Clock


def tried(out, work, resume=True, remarks=None):
    return attempt(
        out,
        {"seed": 5, "what": "this"},
        work,
        resume=resume,
        device=torch.device("cpu"),
        clock=Clock(),
        remedy="a smaller one",
        remarks=remarks,
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RunError("ffmpeg says no"), "ffmpeg says no; what is finished is kept in"),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
            "No space left on device; what is finished is kept in",
        ),
        (OSError(errno.EIO, os.strerror(errno.EIO), "/x/y"), "Input/output error at /x/y; what is finished"),
        (MemoryError(), r"memory ran out on cpu; what is finished .*\(a smaller one\)"),
        (torch.OutOfMemoryError("no more"), "memory ran out on cpu"),
    ],
)
def test_what_breaks_is_one_sentence_and_the_run_is_kept(tmp_path, error, words):
    out = tmp_path / "a.mp4"

    def breaks(journal):
        journal.save("stage", 0, {"x": torch.ones(1)})
        raise error

    with pytest.raises(RunError, match=words):
        tried(out, breaks)
    assert run_folder(out).is_dir()
    assert tried(out, lambda journal: journal.load("stage", 0)["x"].item()) == 1
    assert not run_folder(out).exists()


def test_a_run_that_other_code_goes_on_with_is_told(tmp_path, monkeypatch):
    out, said = tmp_path / "a.mp4", []

    def breaks(journal):
        journal.save("stage", 0, {"x": torch.ones(1)})
        raise RunError("stopped")

    for _ in range(2):
        with pytest.raises(RunError):
            tried(out, breaks, remarks=said)
    assert said == []
    monkeypatch.setattr(journal, "code", lambda: "other")
    assert tried(out, lambda journal: journal.load("stage", 0)["x"].item(), remarks=said) == 1
    (words,) = said
    assert f"code has changed since {out} was begun" in words and "--fresh" in words and "\n" not in words


def test_a_fault_of_ours_is_no_run_error(tmp_path):
    def faulty(journal):
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        tried(tmp_path / "a.mp4", faulty)


def test_a_seed_is_drawn_once_for_a_run(tmp_path):
    out = tmp_path / "a.mp4"

    def breaks(journal):
        journal.save("stage", 0, {"x": torch.ones(1)})
        raise RunError("stopped")

    with pytest.raises(RunError):
        tried(out, breaks)
    same, other = {"seed": 5, "what": "this"}, {"seed": 5, "what": "that"}
    assert seed_of(None, out, True, lambda plan: same) == 5 and seed_of(7, out, True, lambda plan: same) == 7
    assert seed_of(None, out, True, lambda plan: other) != 5 != seed_of(None, out, False, lambda plan: same)


def test_nothing_is_overwritten_unasked(tmp_path):
    out, folder = tmp_path / "a.mp4", tmp_path / "frames"
    out.write_text("precious")
    folder.mkdir()
    (folder / "notes.txt").write_text("precious")
    for path, force, words in (
        (out, False, "exists"),
        (folder, True, "holds more than PNG"),
        ("x/a.mp4", True, "no fol"),
    ):
        with pytest.raises(RequestError, match=words):
            check_out(tmp_path / path, True, force)
    check_out(out, True, True)


@pytest.mark.parametrize("shape", [(2, 3000), (3000, 2), (90, 160)])
def test_a_preview_of_any_shape_stays_small(tmp_path, journal, shape):
    import numpy as np
    from PIL import Image

    sheet = ContactSheet(tmp_path / "p.png", 3, journal)
    for frame in range(3):
        sheet.see(frame, np.full((*shape, 3), 200, np.uint8))
    sheet.write()
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.width == 3 * 256 and picture.height <= 512


def test_a_preview_that_cannot_be_written_says_so(tmp_path, journal):
    import numpy as np

    (tmp_path / "gone").mkdir()
    sheet = ContactSheet(tmp_path / "gone" / "p.png", 1, journal)
    sheet.see(0, np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "gone").rmdir()
    with pytest.raises(RunError, match=r"cannot write --preview .*No such file"):
        sheet.write()


@pytest.mark.parametrize(
    "error", [RequestError("no such layer"), RunError("no"), ValueError("wrong"), OSError(28, "full")]
)
def test_a_run_in_which_nothing_was_finished_leaves_nothing(tmp_path, error):
    def breaks(journal):
        raise error

    with pytest.raises(Exception) as told:
        tried(tmp_path / "a.mp4", breaks)
    assert list(tmp_path.iterdir()) == []
    if isinstance(error, RequestError | ValueError):
        assert told.value is error
    else:
        assert "nothing was finished" in str(told.value)


def test_what_cannot_be_served_any_more_is_a_run_error_that_says_what_is_kept(tmp_path):
    def breaks(journal):
        journal.save("stage", 0, {"x": torch.ones(1)})
        raise RequestError("pack p: unet is missing")

    with pytest.raises(RunError, match=r"unet is missing; what is finished is kept in .*goes on"):
        tried(tmp_path / "a.mp4", breaks)


def pack_error(cause):
    try:
        raise RequestError("pack p: unet cannot be loaded") from cause
    except RequestError as error:
        return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("could not create a primitive"), "memory ran out on cpu"),
        (RuntimeError("can't start new thread"), "memory ran out"),
        (RuntimeError("std::bad_alloc"), "memory ran out"),
        (ImportError("libx.so: failed to map segment from shared object"), "memory ran out"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory ran out"),
        (pack_error(RuntimeError("[enforce fail] can't allocate memory: you tried")), "memory ran out"),
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (pack_error(OSError(errno.ENFILE, "Too many open files in system")), "ulimit -n"),
    ],
)
def test_what_ran_out_is_said_as_that_whoever_met_it(tmp_path, error, words):
    def breaks(journal):
        raise error

    with pytest.raises(RunError, match=words):
        tried(tmp_path / "a.mp4", breaks)


def test_a_preview_that_was_half_written_goes(tmp_path, journal):
    (tmp_path / ".p.png.part").write_text("half")
    ContactSheet(tmp_path / "p.png", 1, journal)
    assert not (tmp_path / ".p.png.part").exists()


def test_what_cannot_fit_is_refused(monkeypatch):
    from vldm_cli.runs import memory

    monkeypatch.setattr(memory, "host_bytes", lambda: 2**30)
    memory.check_fits(2**30, torch.device("cpu"), "less")
    with pytest.raises(RequestError, match=r"about 1,024 GiB of memory and cpu has 1.0; less"):
        memory.check_fits(2**40, torch.device("cpu"), "less")
    monkeypatch.setattr(memory, "host_bytes", lambda: None)
    memory.check_fits(2**40, torch.device("cpu"), "less")
