"""What the wheel carries: setuptools takes what pyproject.toml names, so the names must be all there are."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def setuptools_table():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_every_package_is_named(setuptools_table):
    there = {
        ".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "vldm_cli").rglob("__init__.py")
    }
    assert set(setuptools_table["packages"]) == there | {"vldm_cli.weights"}


def test_weights_go_into_the_wheel(setuptools_table):
    assert setuptools_table["package-dir"]["vldm_cli.weights"] == "weights"
    assert setuptools_table["package-data"]["vldm_cli.weights"] == ["**/*"]


def test_types_go_into_the_wheel(setuptools_table):
    assert (ROOT / "vldm_cli" / "py.typed").exists()
    assert setuptools_table["package-data"]["vldm_cli"] == ["py.typed"]


@pytest.mark.parametrize("package", ["vldm_cli.packs.clip", "vldm_cli.packs.configs"])
def test_what_public_checkpoints_need_goes_into_the_wheel(setuptools_table, package):
    folder = ROOT.joinpath(*package.split("."))
    listed = {path for name in setuptools_table["package-data"][package] for path in folder.glob(name)}
    assert listed == {path for path in folder.iterdir() if path.is_file() and path.suffix != ".py"}
