"""The checklists for what is added: each has the files that name its example, no more and no fewer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

PAGE = ROOT / "docs/adding.md"

EXAMPLES = {
    "A queue": r"SqliteQueue|queues[./]sqlite|sqlite:///",
    "A lake": r"LocalLake|lake[./]local|file:///",
    "A paging kind": r"\bSeek\b|\{ seek = ",
    "A command": r'haulier clear|commands[./]clear|"clear"',
}
"""By section: how a file names its example."""

SCANNED = (
    *("src", "docs", "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "pyproject.toml", "benchmarks/queues.py"),
    *("tests/queues", "tests/lake", "tests/config/test_source_file.py", "tests/config/test_pages.py"),
    *("tests/docs/typing_public.py", "tests/cli/commands"),
)
"""Where whoever adds one has something to do. Other tests and benchmarks use what is there."""

_SECTION = re.compile(r"^## (?P<name>.+?)\n(?P<text>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_STEP = re.compile(r"^- \[ \] \[[^\]]+\]\((?P<target>[^)]+)\)", re.MULTILINE)


def steps_of(section: str) -> list[Path]:
    """Files and folders that the checklist of a section names."""
    (text,) = [
        match["text"] for match in _SECTION.finditer(PAGE.read_text(encoding="utf-8")) if match["name"] == section
    ]
    targets = [match["target"] for match in _STEP.finditer(text)]
    assert text.count("- [ ]") == len(targets), "a step begins with a link to its file"
    found = [(PAGE.parent / target).resolve() for target in targets]
    # The index of a folder stands for the folder.
    return [path.parent if path.name == "README.md" and path.parent != ROOT else path for path in found]


def naming(pattern: str, places: Iterator[Path]) -> set[Path]:
    """Files that name an example, in these files and folders."""
    files = (file for place in places for file in ([place] if place.is_file() else place.rglob("*.*")))
    kept = (file for file in files if file.suffix in {".py", ".md", ".toml"} and file != PAGE)
    return {file for file in kept if re.search(pattern, file.read_text(encoding="utf-8"))}


def test_the_page_has_these_sections() -> None:
    assert {match["name"] for match in _SECTION.finditer(PAGE.read_text(encoding="utf-8"))} == set(EXAMPLES)


@pytest.mark.parametrize("section", EXAMPLES)
def test_every_file_that_names_the_example_is_a_step(section: str) -> None:
    """Whoever follows the list forgets none of them."""
    steps = steps_of(section)
    named = naming(EXAMPLES[section], (ROOT / place for place in SCANNED))
    forgotten = [file for file in named if not any(file.is_relative_to(step) for step in steps)]
    assert not forgotten, sorted(str(file.relative_to(ROOT)) for file in forgotten)


@pytest.mark.parametrize("section", EXAMPLES)
def test_every_step_is_where_the_example_is(section: str) -> None:
    """No step is left over from another time."""
    idle = [step for step in steps_of(section) if not naming(EXAMPLES[section], iter([step]))]
    assert not idle, [str(step.relative_to(ROOT)) for step in idle]
