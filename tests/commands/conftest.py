import shutil

import pytest

from vldm_cli.commands.app import app
from vldm_cli.commands.failures import run


@pytest.fixture
def vldm(tmp_path, monkeypatch, capfd):
    """vldm(*arguments) → (exit code, stdout, stderr), run in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        capfd.readouterr()
        monkeypatch.setattr("sys.argv", ["vldm", *map(str, arguments)])
        code = run(app, [str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture
def here(tmp_path):
    """here() → everything in the folder, hidden files too."""
    return lambda: sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))


@pytest.fixture
def pack_copy(tiny_pack, tmp_path_factory):
    """A copy of the tiny pack that a test may break."""
    return shutil.copytree(tiny_pack.folder, tmp_path_factory.mktemp("copy") / "tiny")


@pytest.fixture
def base(tiny_pack):
    """Options of a small fast video."""
    return ("--pack", tiny_pack.folder, "--device", "cpu", "--dtype", "float32", "--no-upscale")
