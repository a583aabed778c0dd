"""``HAULIER_LOG=json``: standard error of a container, read by a program."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from haulier.cli.json_stream import JsonStream
from haulier.cli.logs import JsonLines
from haulier.runs.verdict_log import EVENT as CLOSED
from haulier.telemetry.log_names import attribute_of
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.commands.test_poison import SOURCE
from tests.cli.conftest import Place
from tests.cli.terminal import terminal

JSON = {"HAULIER_LOG": "json"}
RUN = attribute_of("run_id")


def end(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    _, err = process.communicate(timeout=120)
    return [json.loads(line) for line in err.splitlines()]


@pytest.mark.parametrize("words", [("--json", "--verbose"), ("--workers", "2")])
def test_a_run_writes_nothing_but_json_lines_that_say_of_what_they_are(place: Place, words: tuple[str, ...]) -> None:
    """Also what is said to people, and by children. One error line tells of a partial run, with the reasons counted."""
    place.name = "numbers.py"
    with SandboxProcess(SandboxSettings(records=1)) as api:
        place.toml.write_text(SOURCE.format(url=api.url))
        running = place.start("run", *words, env=JSON)
        lines = end(running)
    assert running.returncode == 3
    run_id = lines[0][RUN]
    assert [line for line in lines if (line["haulier.source"], line[RUN]) != ("numbers", run_id)] == []
    (closed,) = [line for line in lines if line["event"] == CLOSED]
    assert (closed["level"], closed["verdict"], closed["reasons"]) == ("error", "partial", {"poison": 2})
    assert (closed["totals"]["done"], closed["totals"]["poisoned"]) == (3, 2)
    said = "\n".join(line["text"] for line in lines if line["event"] == "said")
    assert f"Run {run_id} is partial: " in said


def test_a_complete_run_is_told_of_at_info(shop: Place) -> None:
    file = shop.folder / "log"
    assert shop.run("run", "--log-file", str(file)).code == 0
    (closed,) = [line for line in map(json.loads, file.read_text().splitlines()) if line["event"] == CLOSED]
    assert (closed["level"], closed["verdict"], closed["reasons"]) == ("info", "complete", {})
    assert (closed["totals"]["records"], closed["haulier.source"]) == (1_000, "shop")
    assert 0 < closed["seconds"] < 60


def test_what_ends_a_command_is_a_line_too(place: Place) -> None:
    place.name = "broken.py"
    place.toml.write_text("from haulier import App\nraise SystemError('no')\n")
    lines = end(place.start("run", env=JSON)) + end(place.start("run", "--nix", env=JSON))
    assert {line["event"] for line in lines} == {"said"}
    faults = [line["text"].partition("\n")[0] for line in lines if line["level"] == "error"]
    assert [fault.partition(":")[0] for fault in faults] == ["haulier", "Error"], lines


def test_an_exception_that_nobody_expected_is_one_line() -> None:
    """With its traceback, of a thread too."""
    code = (
        "import threading\nfrom haulier.cli.standard_streams import patient_streams\n"
        "with patient_streams():\n    thread = threading.Thread(target=lambda: 1 / 0)\n    thread.start()\n"
        "    thread.join()\n    raise KeyError('gone')\n"
    )
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, env=JSON, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [(line["level"], line["traceback"].splitlines()[-1]) for line in lines] == [
        ("critical", "ZeroDivisionError: division by zero"),
        ("critical", "KeyError: 'gone'"),
    ]


def test_what_is_written_in_pieces_is_one_line() -> None:
    """Nothing is lost, and what is JSON already passes as it is."""
    raw = io.BytesIO()
    stream = JsonStream(io.BufferedWriter(raw))
    print("a", "b", file=stream)
    stream.write('first\nsecond\n{"event":"x"}\n{no json}\n')
    stream.write("without an end")
    assert b"without" not in raw.getvalue()
    stream.write_held()
    lines = [json.loads(line) for line in raw.getvalue().splitlines()]
    assert [line.get("text", line["event"]) for line in lines] == [
        "a b",
        "first\nsecond",
        "x",
        "{no json}",
        "without an end",
    ]


def test_a_line_keeps_its_own_beside_what_has_no_end() -> None:
    """The alert of a run that is partial, beside the bar of another package."""
    raw = io.BytesIO()
    stream = JsonStream(io.BufferedWriter(raw))
    stream.write("\r 10%|###")
    stream.write('{"event":"a run was closed"}\n')
    stream.write("\r 20%|######")
    stream.write_held()
    lines = [json.loads(line) for line in raw.getvalue().splitlines()]
    assert [line.get("text", line["event"]) for line in lines] == [
        "\r 10%|###",
        "a run was closed",
        "\r 20%|######",
    ]


def test_a_name_that_is_no_text_breaks_no_line() -> None:
    """A file name of bytes that are no UTF-8 has half characters in Python, which JSON in UTF-8 cannot hold."""
    record = logging.makeLogRecord({"msg": "a file", "path": "\udcff.toml", "at": Path("x")})
    line = json.loads(JsonLines().format(record))
    assert (line["path"], line["at"]) == ("\udcff.toml", "x")


def test_lines_for_people_may_be_asked_for(shop: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """And JSON on a terminal, without a bar. Another word is refused."""
    monkeypatch.setenv("HAULIER_LOG", "text")
    said = shop.run("run")
    assert (said.code, '{"' in said.err) == (0, False), said.err
    assert "info    a run was closed run_id=full-" in said.err
    monkeypatch.setenv("HAULIER_LOG", "yaml")
    refused = shop.run("status")
    assert (refused.code, refused.err) == (
        2,
        "haulier: The variable HAULIER_LOG has to be json or text, found 'yaml'.\n",
    )
    monkeypatch.setenv("HAULIER_LOG", "json")
    with terminal(shop.folder, "run", str(shop.toml)) as seen:
        assert seen.end() == 0
    assert {json.loads(line)["haulier.source"] for line in seen.drawn.splitlines()} == {"shop"}
