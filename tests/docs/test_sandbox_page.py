"""docs/sandbox.md and the sandbox's code name the same settings, paths and counters, and its example is a test."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from haulier.testing.sandbox import SandboxCounters, SandboxProcess, SandboxSettings
from haulier.testing.sandbox.access import TOKEN_TARGET
from haulier.testing.sandbox.answers import PATHS
from haulier.testing.sandbox.command_flags import flag_of, make_parser
from tests.docs.pages import Block, blocks_of
from tests.docs.sandbox_tables import PAGE, fields, refreshed

REFRESH = "python -m tests.docs.sandbox_tables writes the tables anew; look at the words around what changed"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_code() -> None:
    """Settings, types, defaults, meanings, paths and the lines for a source file."""
    assert refreshed(TEXT) == TEXT, REFRESH


def test_every_setting_has_a_meaning() -> None:
    """In the words of a sentence, for the page and the help."""
    for each in dataclasses.fields(SandboxSettings):
        assert each.metadata["meaning"].endswith((".", "...")), each.name


def test_the_faults_to_try_are_settings() -> None:
    """Each row names settings that there are."""
    table = TEXT.partition("## Try a fault")[2].partition("\n\nWith a knee")[0]
    for line in table.splitlines():
        cells = line.split(" | ")
        if len(cells) == 3 and "`" in cells[1]:
            assert set(re.findall(r"`([a-z_0-9]+)`", cells[1])) <= fields(), line


def test_every_counter_is_told() -> None:
    """In the last table, and no other."""
    told = re.findall(r"^\| (`[^|]+`) \|", TEXT.partition("## Counters")[2], re.MULTILINE)
    names = {name for cell in told for name in re.findall(r"`([a-z_]+)`", cell)}
    assert names == {each.name for each in dataclasses.fields(SandboxCounters)}


def test_the_help_has_every_flag_and_path() -> None:
    """`haulier sandbox --help`: a flag with its meaning for each setting, and the table of paths."""
    text = make_parser().format_help()
    joined = " ".join(text.split())
    for each in dataclasses.fields(SandboxSettings):
        assert re.search(rf"^  {flag_of(each.name)}\b", text, re.MULTILINE), each.name
        # Long words are broken where the terminal ends.
        assert " ".join(each.metadata["meaning"].split())[:30].replace(" ", "") in joined.replace(" ", "")
    for path in PATHS:
        assert path.path in text
    assert TOKEN_TARGET.decode() in text


@pytest.mark.slow
def test_the_example_is_a_test_that_passes(tmp_path: Path) -> None:
    """G1: the page's own test, typed as it stands, hauls every record through faults."""
    (tmp_path / "shop.toml").write_text(block("toml").text)
    (tmp_path / "test_shop.py").write_text(block("python").text)
    # The address of the API is the sandbox's, not what another test may have left in the environment.
    environ = {name: value for name, value in os.environ.items() if name != "SHOP_URL"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shop.py"]
    ended = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 passed" in ended.stdout


def test_what_the_page_says_of_a_process_holds() -> None:
    """`change`, `counters` and `get`, as the page types them."""
    with SandboxProcess() as api:
        assert b'"id":5' in api.get("/items?limit=5")
        api.change(is_down=True)
        with pytest.raises(OSError, match="answered with 503"):
            api.get("/items?limit=5")
        assert api.counters().by_status == {200: 1, 503: 1}


def block(language: str) -> Block:
    """The first block of that language."""
    return next(block for block in blocks_of(PAGE) if block.language == language)
