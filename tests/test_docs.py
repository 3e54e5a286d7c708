"""The pages name what there is: files and names of the code, sentences that it says, every command and option."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest
from typer.main import get_command

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CODE = {path: path.read_text() for path in (ROOT / "vldm_cli").rglob("*.py")}


def said() -> str:
    """Every string of the code, what is filled in left out as on the page."""
    found = []
    for text in CODE.values():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(v.value if isinstance(v, ast.Constant) else "…" for v in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_files_that_are_named_are_there(page):
    named = re.findall(r"\b(?:vldm_cli|weights|tests|examples)/[\w./]+\.\w+", (DOCS / page).read_text())
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_names_of_the_method_are_those_of_the_code():
    words = (DOCS / "method.md").read_text()
    names = set(re.findall(r"`([A-Z]\w+|[a-z]+_[a-z_]+|sample|guided)`", words))
    everything = "\n".join(CODE.values())
    missing = [name for name in names if not re.search(rf"(def|class) {name}\b|\b{name} = ", everything)]
    assert len(names) > 10 and missing == []


def test_what_goes_wrong_is_said_so():
    """Each sentence of the page between its gaps."""
    strings = said()
    sentences = re.findall(
        r"^`([^`]+)`(?: and `([^`]+)`)?$", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE
    )
    parts = [part.strip(" ;:,.()") for pair in sentences for one in pair for part in one.split("…")]
    parts = [part for part in parts if len(part) > 3]
    assert len(sentences) > 20
    assert [part for part in parts if part not in strings] == []


def test_every_command_and_option_has_its_place():
    pytest.importorskip("mkdocs", reason="the extra docs is not installed")
    spec = importlib.util.spec_from_file_location("pages", DOCS / "commands.py")
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)

    def check(page: str, command) -> None:
        for one in command.params:
            for name in [*one.opts, *one.secondary_opts] if one.param_type_name == "option" else []:
                assert f"`{name}" in page, name
        for name, one in getattr(command, "commands", {}).items():
            assert name in page
            check(page, one)

    for name, command in get_command(hook.app).commands.items():
        check(hook.page(f"vldm {name}", command), command)
