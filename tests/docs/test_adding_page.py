"""The checklists for what is added: each has the files that name its example, no more and no fewer."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from haulier.config.pages_table import TABLES, WORDS
from tests.docs.pages import ROOT

PAGE = ROOT / "docs/adding.md"

EXAMPLES = {
    "A queue": r"SqliteQueue|SQLite queue|queues[./]sqlite|sqlite:///|``sqlite``|sqlite, memory|`sqlite`",
    "A lake": r"LocalLake|lake[./]local|file:///|SQLite queue and a folder",
    "A paging kind": r"\bSeek\b|\bPageNumber\b|\bseek =|\bby_seek\b|/items_seek\b|`seek`",
    "A command": r'haulier clear|commands[./]clear|"clear"',
}
"""By section: how a file names its example."""

UNNAMED = {
    "src/haulier/api/paging/paginator.py": "has the hooks themselves, which know no kind",
    "src/haulier/api/paging/page_size.py": "is called with the name of a size",
    "src/haulier/api/paging/capped_total.py": "reads attributes by their names",
    "src/haulier/api/paging/inner_pages.py": "reads attributes by their names",
    "src/haulier/sources/record_links.py": "shows the link's own page size to the kind that reads one page",
    "src/haulier/cli/reader_lines.py": "makes commands of whatever a lake says of a place",
    "src/haulier/cli/command_lines.py": "names the commands that differ from the others",
    "tests/docs/test_commands.py": "names the commands that read, and takes the others from the command line",
    "tests/docs/fake_paging.py": "answers as the APIs of products do, by their parameters",
}
"""Steps that concern whoever adds one, although they do not name the example, with the reason."""

USERS = {
    "benchmarks": "measures what is there, but for the steps",
    "findings": "how other software behaves",
    "src/haulier/cli/deploy/compose.py": "puts the queue and the lake of one machine into a volume",
    "src/haulier/testing/azure_queue": "has an operation of the service that is called as the command is",
    "src/haulier/testing/proxy": "the same",
    "src/haulier/api/records/line_reader.py": "advises the kind to whoever pages lines by a token in the body",
    "src/haulier/worker/key_check.py": "advises the kind to whoever has doubled keys",
    "tests/api": "tests of the client, but for those of paging",
    "tests/azure": "whole commands over the backends of Azure",
    "tests/cli": "whole commands over what is there, but for the steps",
    "tests/crash": "processes that are killed over the local backends",
    "tests/divide": "items over the local lake",
    "tests/docs/test_adding_page.py": "this test",
    "tests/docs/test_azure_walk.py": "types the commands of a page",
    "tests/docs/test_flights_example.py": "hauls an example",
    "tests/harness": "wiring over the local backends",
    "tests/outage": "outages over the local lake",
    "tests/queues/azure": "an operation of the service has the same name",
    "tests/runs": "runs over the local lake",
    "tests/sources": "items made by what is there",
    "tests/telemetry": "whole runs over what is there",
    "tests/testing": "takes the sandbox's paths as they are",
    "tests/worker": "workers over the local backends",
}
"""Files and folders that use an example: whoever adds one finds nothing to do there, unless a step says so."""

_PLACES = ("src", "tests", "docs", "benchmarks", "examples", "findings", "*.md", "*.toml", "Makefile")
_TEXT_SUFFIXES = {".py", ".md", ".toml", ".sh", ""}

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
    files = (file for place in places for file in ([place] if place.is_file() else place.rglob("*")))
    kept = (file for file in files if file.suffix in _TEXT_SUFFIXES and file.is_file() and file != PAGE)
    return {file for file in kept if re.search(pattern, file.read_text(encoding="utf-8"))}


def everywhere() -> Iterator[Path]:
    for pattern in _PLACES:
        yield from ROOT.glob(pattern)


def importers(names: set[str]) -> set[Path]:
    """Modules of haulier that import one of these names from the room of paging."""
    found = set()
    for file in (ROOT / "src").rglob("*.py"):
        nodes = [
            node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)
        ]
        ours = [node for node in nodes if (node.module or "").startswith("haulier.api.paging")]
        imported = {each.name for node in ours for each in node.names}
        if imported & names:
            found.add(file)
    return found


def test_the_page_has_these_sections() -> None:
    assert {match["name"] for match in _SECTION.finditer(PAGE.read_text(encoding="utf-8"))} == set(EXAMPLES)


@pytest.mark.parametrize("section", EXAMPLES)
def test_every_file_that_names_the_example_is_a_step(section: str) -> None:
    """Whoever follows the list forgets none of them."""
    known = [*steps_of(section), *(ROOT / user for user in USERS)]
    named = naming(EXAMPLES[section], everywhere())
    forgotten = [file for file in named if not any(file.is_relative_to(each) for each in known)]
    assert not forgotten, sorted(str(file.relative_to(ROOT)) for file in forgotten)


@pytest.mark.parametrize("section", EXAMPLES)
def test_every_step_is_where_the_example_is(section: str) -> None:
    """No step is left over from another time."""
    steps = [step for step in steps_of(section) if str(step.relative_to(ROOT)) not in UNNAMED]
    idle = [step for step in steps if not naming(EXAMPLES[section], iter([step]))]
    assert not idle, [str(step.relative_to(ROOT)) for step in idle]


def test_every_module_that_knows_a_paging_kind_is_a_step() -> None:
    """A module that asks for the type of a kind, or for its attributes, treats a new one as none of those."""
    kinds = {type(kind).__name__ for kind in WORDS.values()} | {table.cls.__name__ for table in TABLES.values()}
    steps = steps_of("A paging kind")
    forgotten = importers(kinds | {"kind_of"}) - {*steps}
    assert not forgotten, sorted(str(file.relative_to(ROOT)) for file in forgotten)


def test_each_exception_is_needed() -> None:
    """Neither list has an entry that excuses nothing."""
    idle = [user for user in USERS if not naming("|".join(EXAMPLES.values()), iter([ROOT / user]))]
    assert idle == []
    assert UNNAMED.keys() <= {str(step.relative_to(ROOT)) for section in EXAMPLES for step in steps_of(section)}
