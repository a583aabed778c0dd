"""docs/cost.md: its example is typed, its prices are the shipped ones, and its fields are those of the document."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from haulier.cli.main import main
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.docs.pages import ROOT, blocks_of

PAGE = ROOT / "docs/cost.md"
TIMED = ("time ", "in flight", "lake writes", "containers", "in all")
"""Lines that depend on how long a request took."""


def plain(line: str) -> str:
    """A line without what is another one each time."""
    return re.sub(r"[\d.,]+", "#", line) if any(words in line for words in TIMED) else line


def test_the_example_is_what_plan_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (source,) = (block.text for block in blocks_of(PAGE) if block.language == "toml")
    (shown,) = (
        block.text.splitlines()[1:]
        for block in blocks_of(PAGE)
        if block.language == "console" and block.text.startswith("$ haulier plan pages.toml\n")
    )
    file = tmp_path / "pages.toml"
    file.write_text(source)
    with SandboxProcess(SandboxSettings(latency_seconds=0.5)) as api:
        monkeypatch.setenv("SANDBOX_URL", api.url)
        assert main(["plan", str(file)]) == 0
        assert api.counters().requests == 1
        said = capsys.readouterr().out.splitlines()
        assert [plain(line) for line in said] == [plain(line) for line in shown]
        assert main(["plan", str(file), "--json", "--max-items", "50"]) == 0
        document = json.loads(capsys.readouterr().out)
    named = re.search(r"`--json` prints `state`.*?null", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert named is not None
    names = set(re.findall(r"`([a-z_]+)`", named[0])) - {"planned"}
    assert {"low", "likely", "high"} <= names
    assert names - {"low", "likely", "high"} <= document.keys()
    assert document["requests"].keys() == {"low", "likely", "high"}


def test_the_prices_of_the_page_are_those_of_the_program() -> None:
    shipped = files("haulier.cli.plan").joinpath("prices.toml").read_text(encoding="utf-8")
    assert shipped in {block.text for block in blocks_of(PAGE)}
