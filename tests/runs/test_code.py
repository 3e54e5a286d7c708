"""The hash of the package's own sources is the same wherever they lie, and another one when they have changed."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import vldm_cli
from vldm_cli.runs.code import code, hash_of

PACKAGE = Path(vldm_cli.__file__).parent
SAYS = "from vldm_cli.runs.code import code; print(code())"


def said(path):
    """The hash by a package that is imported from there."""
    command = [sys.executable, "-c", SAYS]
    done = subprocess.run(
        command, cwd=path.parent, env={"PYTHONPATH": str(path)}, capture_output=True, text=True
    )
    return done.stdout.strip() or done.stderr


def test_of_a_checkout_of_an_installed_copy_and_of_an_archive(tmp_path):
    copy = tmp_path / "installed"
    shutil.copytree(PACKAGE, copy / "vldm_cli", ignore=shutil.ignore_patterns("__pycache__"))
    archive = tmp_path / "vldm.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for path in sorted(copy.rglob("*")):
            zipped.write(path, path.relative_to(copy).as_posix())
    assert code() == said(copy) == said(archive) and len(code()) == 64
    changed = copy / "vldm_cli" / "errors.py"
    changed.write_text(changed.read_text() + "\n# another line\n")
    assert code() != said(copy) and len(said(copy)) == 64


def test_names_count_and_other_files_do_not(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.py").write_text("1")
    before = hash_of(tmp_path)
    (tmp_path / "weights.bin").write_text("2")
    assert hash_of(tmp_path) == before
    (tmp_path / "a" / "b.py").rename(tmp_path / "a" / "c.py")
    assert hash_of(tmp_path) != before


def test_without_sources_there_is_none(tmp_path):
    (tmp_path / "a.pyc").write_text("1")
    assert hash_of(tmp_path) is None
