"""`haulier status`: one look, and looks until the run is closed."""

import contextlib
import dataclasses
import io
import json
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import structs
from rich.console import Console

from haulier.api.scope.failures import Failures
from haulier.cli.api_state import ApiState
from haulier.cli.orders import HoldFacts, LimitFacts
from haulier.cli.pace import RunRate, TimeLeft
from haulier.cli.status.facts import LatencyFacts, OtherRun, QueueFacts, StatusFacts
from haulier.cli.status.screen import draw
from haulier.cli.status.worker_facts import WorkerFacts
from haulier.queues.seam import Holder
from haulier.runs.state import RunState
from haulier.runs.status import RunStatus
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import RECORDS, Place
from tests.cli.terminal import terminal
from tests.docs.pages import ROOT

SLOW = SandboxSettings(records=RECORDS, latency_seconds=0.15)
TYPES: dict[str, type | tuple[type, ...]] = {
    "text": str,
    "whole number": int,
    "number": (int, float),
    "yes or no": bool,
    "time": str,
    "list": list,
    "object": dict,
}


def test_a_person_watches_a_run_on_a_terminal(place: Place) -> None:
    """In place, to the end of the run: how far, how fast, how long yet, how the API answers, why it is asked again, and
    who works."""
    with SandboxProcess(SLOW) as api, contextlib.ExitStack() as ending:
        place.write(api.url, in_flight="in_flight = 2", step="step = 5")
        assert place.run("enqueue").code == 0
        api.change(error_rate_500=0.1)
        working = place.start("work")
        ending.callback(working.communicate)
        ending.callback(working.kill)
        with terminal(place.folder, "status", str(place.toml), "--watch", columns=80) as seen:
            seen.until(r"full-[0-9TZ]+: open, for [0-9]")
            seen.until(r"━+.* [1-9][0-9]* %, [0-9]+ of 200")
            seen.until(r"rate +[0-9,]+ records/s, [0-9.]+ items/s in the last ")
            seen.until(r"left +(about|some seconds)")
            seen.until(r"answers +half within [1-9][0-9]+ ms, 95 of 100 within ")
            seen.until(r"retries +[1-9][0-9]*: [0-9]+ status 500")
            seen.until(r"API +[12] of at most 2 in flight, bears 2 so far")
            worker = seen.until(r"worker +(\S+): [0-9]+ of [0-9]+ items?, [12] of 2 in flight, seen \S+ m?s ago")[1]
            api.change(error_rate_500=0.0, latency_seconds=0.0)
            seen.until(r"complete, took [0-9]")
            assert seen.end() == 0, seen.drawn
        assert working.wait(timeout=60) == 0
    assert f"-{working.pid}-" in worker
    assert max(len(line) for line in re.split(r"[\r\n]+", seen.drawn)) <= 80


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_a_look_fits_any_terminal(columns: int) -> None:
    """Nothing is cut but the newest failure, which is one line; of many workers those in trouble stay in sight."""
    many = [structs.replace(WORKER, name=f"vm-{number}-ab12cd34", is_silent=number == 33) for number in range(10, 60)]
    facts = dataclasses.replace(full_facts(), workers=tuple(many), failures=FAILED)
    console = Console(width=columns, height=60, file=io.StringIO(), color_system=None)
    console.print(draw(facts, columns))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= columns
    text = " ".join(" ".join(lines).split())
    assert "10 of 40" in text
    assert "about 12 min (9 min to 16 min)" in text
    assert text.index("vm-33-ab12cd34: 8 of 9 items, 6 of 6 in flight, silent, was seen 300 ms ago") < text.index(
        "vm-10-"
    )
    assert "and 40 more workers" in text
    (failure,) = [line for line in lines if line.startswith("failure")]
    assert "10:00:00Z, " in failure


@pytest.mark.parametrize("state", ["held", "paused", "down"])
def test_what_holds_a_run_back_is_not_cut(state: str) -> None:
    """On a terminal of eight rows: it stands before rate and retries."""
    facts = full_facts()
    assert facts.api is not None
    moment = facts.status.snapshot_time
    times = {"paused": {"until": moment, "reason": "status 429"}, "down": {"since": moment, "reason": "status 503"}}
    api = structs.replace(
        facts.api, state=state, held=facts.api.held if state == "held" else None, **times.get(state, {})
    )
    console = Console(width=80, file=io.StringIO(), color_system=None)
    console.print(draw(dataclasses.replace(facts, api=api), 80))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert re.match("API +(paused by ann|all requests are paused|down since)", lines[4]), lines
    assert "To " in " ".join(lines[5:8])
    assert lines.index(next(line for line in lines if line.startswith("rate"))) > 5


def test_ctrl_c_ends_a_watch_and_nothing_else(shop: Place) -> None:
    """Exit code 4 while the run is open. Into a file it writes blocks of lines, and no code of a terminal."""
    assert shop.run("enqueue").code == 0
    process = shop.start("status", "--watch")
    assert process.stdout is not None
    block = list(iter(process.stdout.readline, "\n"))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (4, "")
    assert re.fullmatch(r"full-[0-9TZ]+: open\n", block[0])
    assert block[1] == "  items    5 planned: 0 done, 5 unfinished\n"
    assert "\x1b" not in "".join(block)


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_watch_that_nobody_reads_any_more_ends(shop: Place, flags: tuple[str, ...]) -> None:
    """`haulier status SOURCE --watch | head -1` gives the prompt back, though the run goes on and nothing is new."""
    assert shop.run("enqueue").code == 0
    process = shop.start("status", "--watch", *flags)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=30) == 4
    assert process.stderr is not None
    process.stderr.close()


FREE = {"retries_by_cause", "poison_by_reason", "reasons", "unseen", "shapes", "overlaps", "feeds_anew", "removed"}
"""Objects whose names are those of causes, reasons and streams."""


def test_every_key_of_the_document_is_explained(place: Place) -> None:
    """docs/running.md has each name of `status --json`, with its type; `--watch` prints a document for each look."""
    table = re.findall(r"^\| `([a-z_0-9.\[\]]+)` \| ([a-z ]+?)(, or null)? \| ", page_section(), re.MULTILINE)
    explained = {name: (kind, bool(may_be_null)) for name, kind, may_be_null in table}
    with SandboxProcess(SLOW) as api:
        place.write(api.url, in_flight="in_flight = 2", step="step = 50")
        assert place.run("enqueue").code == 0
        api.change(error_rate_500=0.1)
        watching, working = place.start("status", "--watch", "--json"), place.start("work")
        out, err = watching.communicate(timeout=120)
        assert watching.returncode == 0, err
        working.communicate(timeout=60)
        api.change(error_rate_500=0.0)
        assert place.run("enqueue").code == 0
    documents = [json.loads(line) for line in out.splitlines()]
    documents.append(place.run("status", "--json").json)
    documents.append(place.run("status", "--json", "--run", documents[0]["run_id"]).json)
    assert [document["state"] for document in documents[-3:]] == ["complete", "open", "complete"]
    assert documents[0]["rate"] is None
    assert any(document["workers"] and document["rate"] for document in documents)
    assert [other["run_id"] for other in documents[-1]["others"]] == [documents[-2]["run_id"]]

    assert {name for name, _ in leaves(full_facts().document())} == explained.keys()
    for document in documents:
        assert [*document] == [*documents[0]], "every name is there in each state"
        for name, value in leaves(document):
            kind, may_be_null = explained[name]
            assert (value is None and may_be_null) or isinstance(value, TYPES[kind]), (name, kind, value)


def leaves(document: dict[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """Every name with its value; of lists, the first element's names."""
    for name, value in document.items():
        yield f"{place}{name}", value
        inner = value[0] if isinstance(value, list | tuple) and value else value
        if isinstance(inner, dict) and name not in FREE:
            yield from leaves(inner, f"{place}{name}{'' if inner is value else '[]'}.")


WORKER = WorkerFacts(
    name="w", host="h", whereabouts="here", is_silent=False, beat_age_seconds=0.3, share=6, in_flight=6, items=8
)
FAILED = Failures(
    retries=23,
    by_word={"status 500": 20, "status 429": 3},
    newest="GET http://127.0.0.1:8000/items?limit=100&from_id=55901&to_id=56001: status 500",
    at=36_000.0,
)


def full_facts() -> StatusFacts:
    """With all that may be null."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    status = RunStatus(
        run_id="full-20260101T000000Z",
        source="s",
        mode="full",
        snapshot_time=now,
        created_at=now,
        streams=("items",),
        state=RunState.OPEN,
        planned=40,
        done=9,
        poisoned=1,
        missing=30,
    )
    return StatusFacts(
        status=status,
        failures=FAILED,
        queue=QueueFacts(is_exact=True, unsettled=30, ready=1, delayed=0, leased=29),
        leases=tuple(Holder(f"vm-{number}-ab12cd34", "here", 9, 10.0) for number in range(10, 60)),
        api=ApiState(
            state="well",
            workers=50,
            held=HoldFacts(by="ann", since=now, why="a migration"),
            limit=LimitFacts(in_flight=8, by="ann", since=now),
        ),
        workers=(WORKER,),
        latency=LatencyFacts(p50_seconds=0.1, p95_seconds=0.2),
        rate=RunRate(records_per_second=1.0, items_per_second=1.0, over_seconds=60.0),
        eta=TimeLeft(seconds=720.0, low_seconds=540.0, high_seconds=960.0),
        others=(OtherRun(run_id="o", mode="full", state="open", planned=1, ended=0, records=0),),
    )


def page_section() -> str:
    text = (ROOT / "docs/running.md").read_text(encoding="utf-8")
    return text.partition("\n### The keys of `status --json`\n")[2].partition("\n## ")[0]
