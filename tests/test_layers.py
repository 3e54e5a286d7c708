"""Imports only run downwards and nowhere in a circle, as the contracts in pyproject.toml and the drawings say."""

import importlib
import re
import tomllib
from pathlib import Path

import pytest
from importlinter.application.use_cases import lint_imports
from importlinter.cli import configuration

ROOT = Path(__file__).parents[1]
PYPROJECT = ROOT / "pyproject.toml"
ROOMS = {path.parent.name for path in (ROOT / "vldm_cli").glob("*/__init__.py")}

configuration.configure()


def layers() -> list[str]:
    """The contract's layers from above, one entry for each room; rooms of one row stand beside each other."""
    contracts = tomllib.loads(PYPROJECT.read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = (contract for contract in contracts if contract["id"] == "layers")
    return [name.strip(" ()") for row in contract["layers"] for name in row.split("|")]


def kept(config: Path) -> bool:
    return lint_imports(str(config), cache_dir=None, no_logo=True, is_debug_mode=True)


def test_imports_run_downwards_and_not_in_circles(capsys):
    assert kept(PYPROJECT), capsys.readouterr().out


@pytest.mark.parametrize(
    "name, imports, wanted",
    [
        ("downwards", {"commands.a": "stages.a", "stages.a": "motion.a"}, True),
        ("upwards", {"motion.a": "stages.a"}, False),
        ("upwards_in_a_function", {"stages.a": "commands.a", "commands.a": "errors"}, False),
        ("sideways", {"packs.a": "runs.a"}, False),
        ("circle_of_files", {"train.a": "train.b", "train.b": "train.a"}, False),
        ("circle_of_folders", {"train.data.a": "train.loop.a", "train.loop.b": "train.data.b"}, False),
        ("new_room", {"cellar.a": "errors"}, False),
    ],
)
def test_the_contracts_notice(name, imports, wanted, tmp_path, monkeypatch):
    """The same contracts over a made-up package."""
    package = f"made_up_{name}"
    modules = {*imports, *imports.values(), *(f"{room}.a" for room in ROOMS), "errors"}
    for module in sorted(modules):
        path = tmp_path.joinpath(package, *module.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        line = f"import {package}.{imports[module]}\n" if module in imports else ""
        path.write_text(f"def late():\n    {line}" if line and name.endswith("function") else line)
    for folder in (tmp_path / package).rglob("*"):
        if folder.is_dir():
            (folder / "__init__.py").touch()
    for file in ("__init__", "__main__"):
        (tmp_path / package / f"{file}.py").touch()
    table = PYPROJECT.read_text().partition("[tool.importlinter]")
    config = tmp_path / "pyproject.toml"
    config.write_text((table[1] + table[2]).replace("vldm_cli", package))
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    assert kept(config) is wanted


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_drawings_of_the_tree_agree(page):
    """Every room is there, and from above in the order in which imports run."""
    words = (ROOT / page).read_text()
    drawn = re.findall(r"^ {4,8}(?:├─ )?(\w+)/ +\S", words.partition("vldm_cli/\n")[2], re.MULTILINE)
    rooms = [name for name in layers() if name != "errors"]  # that one is a file
    assert [name for name in drawn if name in rooms] == rooms
