"""Log lines: more of them where a person asks, and all of them in a file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from haulier.runs.verdict_log import EVENT as CLOSED
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.commands.test_poison import SOURCE
from tests.cli.conftest import Place
from tests.cli.terminal import terminal

EVENT = "an item was poisoned"


@pytest.fixture
def numbers(place: Place) -> object:
    """A Python source of six items, two of which fail."""
    with SandboxProcess(SandboxSettings(records=1)) as api:
        place.name = "numbers.py"
        place.toml.write_text(SOURCE.format(url=api.url))
        yield place


def lines_of(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize("words", [(), ("--workers", "2"), ("--json",)])
def test_a_log_file_holds_the_lines_of_all_processes(numbers: Place, words: tuple[str, ...]) -> None:
    """As JSON, whatever standard error shows; a second run adds to it."""
    file = numbers.folder / "haulier.log"
    said = numbers.run("run", "--log-file", str(file), *words)
    assert said.code == 3, said.err
    poisoned = [line for line in lines_of(file) if line["event"] == EVENT]
    assert sorted(str(line["haulier.item.key"]) for line in poisoned) == ["number-2", "number-4"]
    assert all(line["level"] == "error" and "404" in str(line["haulier.error.text"]) for line in poisoned)
    (closed,) = [line for line in lines_of(file) if line["event"] == CLOSED]
    assert (closed["level"], closed["verdict"], closed["reasons"]) == ("error", "partial", {"poison": 2})
    numbers.run("run", "--new", "--log-file", str(file), *words)
    assert len([line for line in lines_of(file) if line["event"] == EVENT]) == 4


@pytest.mark.parametrize("workers", [(), ("--workers", "1")])
def test_a_person_may_ask_for_more_on_the_terminal(place: Place, workers: tuple[str, ...]) -> None:
    """A short line for each item that fails, above the bar, which stays; without -v there is the bar alone."""
    place.name = "mine.py"
    place.toml.write_text(
        SOURCE.format(url="http://127.0.0.1:9").replace('await ctx.api.json("/no/such/path")', "1 / 0")
    )
    with terminal(place.folder, "run", str(place.toml), "-v", *workers) as seen:
        seen.until(r"[0-9:]{8} info +an item failed and is retried item_key=number-[24]")
        seen.until(r"error_type=ZeroDivisionError")
        assert '{"time"' not in seen.drawn
    place.run("clear")
    with terminal(place.folder, "run", str(place.toml), "--new", *workers) as seen:
        seen.until(r"newest failure: ZeroDivisionError: division by zero")
        assert "is retried" not in seen.drawn


def test_a_log_file_that_cannot_be_written_is_refused_in_words(shop: Place) -> None:
    said = shop.run("run", "--log-file", str(shop.folder / "no" / "haulier.log"))
    assert said.code == 2
    assert "haulier: The log file " in said.err
    assert "cannot be written: No such file or directory. Name another one." in said.err
    assert not shop.lake.exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full on this machine")
def test_a_log_file_without_room_ends_no_run(numbers: Place) -> None:
    """It is said once; what counts is in the lake."""
    said = numbers.run("run", "--log-file", "/dev/full")
    assert said.code == 3
    problem = "The log file /dev/full cannot be written: No space left on device. The command goes on without it."
    assert said.err.count(problem) == 1
