"""docs/testing.md: its files are saved in one folder, and pytest runs the tests among them as a user's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT, blocks_of

PAGE = ROOT / "docs/testing.md"


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    """Each block is saved under its name, and every test of the page is run, with warnings as errors."""
    tests = 0
    for block in blocks_of(PAGE):
        assert block.language in ("python", "toml"), block
        (tmp_path / block.marks[0]).write_text(block.text)
        tests += len(re.findall(r"^(?:async )?def test_", block.text, re.MULTILINE))
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:asyncio", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert f"{tests} passed" in told.stdout
