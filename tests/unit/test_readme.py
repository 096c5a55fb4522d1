"""The documents say what is so."""

import re
from pathlib import Path

import pytest

from tests.process import ROOT
from uptimehunt import __version__, checks
from uptimehunt.settings import Option, options

README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [*sorted(ROOT.glob("*.md")), ROOT / "packaging" / "README.md"]


def row(option: Option) -> str:
    """What the README says of a setting."""
    flag, variable = f"`{option.flag}`", f"`{option.variable}`"
    if option.secret:  # Never on a command line, which every user of the machine can read.
        flag, variable = "", f"{variable} or `{option.variable}_FILE`"
    default = f"`{option.shown_default}`" if option.shown_default else ""
    return f"| {flag} | {variable} | {default} | {option.help} |"


def test_the_readme_has_exactly_one_row_a_setting() -> None:
    rows = [line for line in README.splitlines() if "| `UPTIMEHUNT_" in line]

    assert rows == [row(option) for option in options()]


def test_the_readme_has_exactly_one_row_a_service_type() -> None:
    section = README.partition("## What it can watch")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]

    kinds = checks.REGISTRY.values()
    assert rows == [f"| `{kind.type}` | {kind.name} | {kind.description} |" for kind in kinds]
    assert f"* {len(rows)} ways to watch a service" in README


def test_the_changelog_knows_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert re.search(r"^## (\S+)", changelog, re.MULTILINE)[1] == __version__  # type: ignore[index]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file(document: Path) -> None:
    text = document.read_text(encoding="utf-8")

    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_script_that_is_named_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")

    scripts = re.findall(r"\bsh (packaging/[\w.]+)", text)
    assert [script for script in scripts if not (ROOT / script).is_file()] == []
