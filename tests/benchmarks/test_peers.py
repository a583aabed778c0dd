"""The comparison with other tools: its table and plot are what its results say, and a lost record shows."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.docs.pages import ROOT

FOLDER = ROOT / "benchmarks"
RUN = {
    "tool": "dlt",
    "round": 1,
    "ended": "well",
    "wall_seconds": 16.0,
    "cpu_seconds": 1.0,
    "peak_mb": 100,
    "records": 20_000,
    "missing": 0,
    "surplus": 0,
    "requests": 200,
    "most_in_flight": 12,
    "before_a_pause_had_ended": 0,
}
MACHINE = {"cores": 2, "memory_gib": 24, "processor": "P", "system": "S", "python": "3", "load_before": 0.1}


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of the folder, imported as its scripts do."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    return load


def result(*runs: dict[str, Any]) -> dict[str, Any]:
    job = {"name": "A", "title": "200 pages", "faults": {}, "ideal_seconds": 8.0}
    about = {"date": "2026-11-29", "machine": MACHINE, "versions": {"dlt": "1.31.0", "haulier": "abc"}}
    return about | {"job": job, "runs": [RUN | run for run in runs]}


def test_the_table_and_the_plot_are_what_the_results_say(benchmark: Any) -> None:
    """`python benchmarks/peers.py --report` would change neither."""
    report = benchmark("peer_report")
    assert report.TABLE.read_text() == report.table(report.read())
    assert report.PLOT.read_text() == report.plot(report.read())


def test_results_hold_the_machine_the_versions_and_every_count(benchmark: Any) -> None:
    """Whoever doubts a figure finds what it was measured with, and of a job every tool that takes part in it."""
    tools, found = benchmark("peer_jobs").TOOLS, benchmark("peer_report").read()
    assert found
    for each in found:
        assert each["machine"].keys() == MACHINE.keys()
        assert {run["tool"] for run in each["runs"]} <= tools.keys()
        assert all(run.keys() == RUN.keys() for run in each["runs"])
        peers = {run["tool"] for run in each["runs"] if tools[run["tool"]].package}
        assert peers < each["versions"].keys()


def test_rounds_are_shown_by_their_median(benchmark: Any) -> None:
    """One disturbed round of three does not count."""
    disturbed = {"round": 3, "wall_seconds": 99.0}
    table = benchmark("peer_report").table([result({}, {"round": 2}, disturbed)])
    assert "| dlt, parallelized | 16.0 | 2.00 | 1.0 | 100 | 200 | 12 | all 20,000 |" in table
    assert "3 rounds" in table


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ({"records": 19_999, "missing": 1}, "19,999: 1 missing"),
        ({"records": 20_000, "missing": 1, "surplus": 1}, "20,000: 1 missing, 1 too many"),
        ({"ended": "not in 80 s", "records": 5, "missing": 19_995}, "5: ended not in 80 s, 19,995 missing"),
    ],
)
def test_a_lost_record_shows(benchmark: Any, run: dict[str, Any], said: str) -> None:
    """In the table and in the plot, even where another round was complete."""
    report = benchmark("peer_report")
    found = [result({}, run | {"round": 2})]
    assert said in report.table(found)
    assert "not all records" in report.plot(found)


def test_a_lost_record_is_not_hidden_by_a_doubled_one(benchmark: Any, tmp_path: Path) -> None:
    """Records are counted by their ids: as many as wanted is not enough."""
    job = benchmark("peer_jobs").JOBS["A"]
    (tmp_path / "0.ndjson").write_bytes(b"".join(b'{"id":%d}\n' % id for id in [1, 1, *range(3, 101)]))
    found, wanted = benchmark("peer_run").count_records(tmp_path, "*.ndjson"), job.wanted()
    assert found.total() == 100
    assert wanted.total() == job.pages * 100
    page = Counter(dict.fromkeys(range(1, 101), 1))
    assert (page - found, found - page) == (Counter([2]), Counter([1]))


def test_messages_that_are_no_records_are_not_counted(benchmark: Any, tmp_path: Path) -> None:
    """Airbyte's file has states and logs between its records."""
    lines = ['{"type":"STATE","state":{"id":7}}', '{"type":"RECORD","record":{"stream":"blobs","data":{"id":5,"x":1}}}']
    (tmp_path / "messages.jsonl").write_text("\n".join(lines) + "\n")
    assert benchmark("peer_run").count_records(tmp_path, "*.jsonl") == Counter([5])


def test_a_tool_that_never_ends_is_ended(benchmark: Any, tmp_path: Path) -> None:
    """With all of its children: the next tool has the machine to itself."""
    (tmp_path / "work").mkdir()
    script = "sleep 600 & echo $! >child; wait"
    ended = benchmark("peer_run").run(["sh", "-c", script], tmp_path / "work", {"PATH": "/usr/bin:/bin"}, 0.0)
    assert ended.how == "not in 0 s"
    child = (tmp_path / "work" / "child").read_text().strip()
    state = subprocess.run(["ps", "-o", "stat=", "-p", child], check=False, capture_output=True, text=True).stdout
    assert state.strip()[:1] in ("", "Z")


def test_the_plot_can_be_read_in_light_and_in_dark(benchmark: Any) -> None:
    """It is well-formed, and has a colour for each of its parts in both, its background included."""
    text = benchmark("peer_report").plot([result({}), result({"tool": "haulier"})])
    assert ElementTree.fromstring(text).tag.endswith("svg")
    light, dark = text.partition("prefers-color-scheme: dark")[::2]
    for kind in (".page", "text", ".small", ".peer", ".loop", ".ours", ".ideal"):
        assert f"{kind} {{" in light
        assert f"{kind} {{" in dark


def test_everything_that_is_installed_is_pinned(benchmark: Any) -> None:
    """By version, from no named index; and every tool has its program and its pins."""
    for tool in benchmark("peer_jobs").TOOLS.values():
        assert all(Path(word).exists() for word in tool.program if word.endswith(".py"))
        if tool.environment:
            lines = (FOLDER / "peers" / f"requirements-{tool.environment}.txt").read_text().splitlines()
            pins = [line for line in lines if not line.startswith("#")]
            assert any(pin.startswith(f"{tool.package}==") for pin in pins)
            assert all(re.match(r"[a-z0-9.-]+==\S+( ; .+)?$", pin) for pin in pins)
    azurite = json.loads((FOLDER / "peers/package.json").read_text())["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in azurite.values())


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_it_runs(tmp_path: Path) -> None:
    """A part of a job, with what needs no environment of its own; no result is kept."""
    words = ["--jobs", "B", "--part", "0.005", "--tools", "bare,haulier,haulier-again", "--folder", str(tmp_path)]
    before = {path: path.read_bytes() for path in (FOLDER / "results").iterdir()}
    done = subprocess.run(
        [sys.executable, str(FOLDER / "peers.py"), *words], check=True, capture_output=True, text=True, timeout=170
    )
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "B 1 bare gather loop", "B 1 haulier run", "B 1 haulier run, the second time"
    ]  # fmt: skip
    assert all("1,000 records (0 missing, 0 too many)" in line for line in lines)
    assert {path: path.read_bytes() for path in (FOLDER / "results").iterdir()} == before
    assert not list(tmp_path.iterdir())


def test_a_name_that_there_is_not_is_refused(benchmark: Any) -> None:
    """Before anything is measured, and with the names that there are."""
    module = benchmark("peers")
    assert module.chosen("A,E", module.JOBS) == ["A", "E"]
    with pytest.raises(SystemExit, match=r"No such name: X\. There are: A, B, C, D, E, F, G, H\."):
        module.chosen("A,X", module.JOBS)
