"""What lies beside the package is true: one version everywhere, links that lead somewhere, a wheel of a fit size."""

import os
import re
import tomllib
from pathlib import Path

import pytest

from vldm_cli import __version__
from vldm_cli.packs.pack import Pack

ROOT = Path(__file__).parents[1]
PAGES = [
    *(path for path in ROOT.glob("*.md")),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "weights").rglob("*.md"),
    *(ROOT / "examples").rglob("*.md"),
]
# What an index takes without being asked for more (100 MB)
WHEEL_BYTES = 100 * 10**6
TOOLS = ("pytest", "ruff", "mypy", "import-linter", "pre-commit")


def test_one_version_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert project["version"] == citation[1] == __version__
    assert re.search(rf"^## \[?{re.escape(__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    """The pages of the commands are made while the others are built; `mkdocs build --strict` looks at those."""
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    local = [target for target in targets if "://" not in target and not target.startswith("commands/")]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_the_wheel_can_be_published():
    """The sum of what goes into it, uncompressed: the wheel is smaller."""
    files = [path for folder in ("vldm_cli", "weights") for path in (ROOT / folder).rglob("*")]
    total = sum(path.stat().st_size for path in files if path.is_file() and "__pycache__" not in path.parts)
    assert 10**7 < total < WHEEL_BYTES


def test_the_model_card_begins_as_the_hub_reads_it():
    card = (ROOT / "weights/toyland/README.md").read_text()
    entries = dict(
        re.findall(r"^(\w+): (.+)$", re.match(r"---\n(.+?)\n---\n", card, re.DOTALL)[1], re.MULTILINE)
    )
    assert entries["license"] == Pack.open("toyland", check=False).manifest.licence.lower()
    assert entries["pipeline_tag"] == "text-to-video"


def test_numbers_of_the_model_card_are_the_reports():
    card = (ROOT / "weights/toyland/README.md").read_text()
    report = (ROOT / "weights/toyland/REPORT.md").read_text()
    rows = re.findall(
        r"^\| all attributes, (?:fixed|withheld|plain).*\| ([\d.]+) % \| ([\d.]+) % \|$", card, re.MULTILINE
    )
    assert rows == re.findall(r"^\| all attributes \| ([\d.]+) % \| ([\d.]+) % \|$", report, re.MULTILINE)


def test_what_runs_before_a_commit_is_there():
    """Each tool comes with an extra, each file that is named exists."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    required = {re.split(r"[^\w-]", word)[0] for words in extras.values() for word in words}
    assert set(TOOLS) <= required
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    named = re.findall(r"tests/[\w/]+\.py", hooks)
    assert named and all((ROOT / name).is_file() for name in named)
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert ".ci/run" in (ROOT / ".github/workflows/ci.yml").read_text()
