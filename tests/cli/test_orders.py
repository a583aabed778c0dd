"""What a person orders while a source is worked: a pause, another limit, and their end."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import Place
from tests.cli.test_politeness import api_state, stop, until

RECORDS = 12_000
PAGES, FIRST_REQUESTS = 120, 3
"""What it takes when nothing is repeated: four pages for each of thirty items; the last ID, and two counts."""


@pytest.fixture
def slow(place: Place) -> Iterator[SandboxProcess]:
    with SandboxProcess(SandboxSettings(records=RECORDS, latency_seconds=0.1)) as process:
        place.write(process.url, in_flight="in_flight = 4", step="step = 400")
        yield process


def most_in_flight(api: SandboxProcess, seconds: float) -> int:
    """As the API sees it."""
    end, most = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        most = max(most, api.counters().in_flight)
    return most


def test_g5_a_pause_stops_every_worker_for_as_long_as_a_person_wants(place: Place, slow: SandboxProcess) -> None:
    """Two workers, with leases of a second: from two seconds later on nothing is sent, nothing is taken, and nothing is
    charged. It outlives the workers, a cleared queue and a run that is started under it; everything says so. After
    `resume` the items under way go on at the page where they were."""
    processes = [place.start("run", "--lease", "1"), place.start("work", "--lease", "1")]
    try:
        until(lambda: slow.counters().requests > 10)
        assert place.run("pause", "--why", "ticket 12\nof them").code == 0
        time.sleep(2.0)
        asked = slow.counters().requests
        again = place.run("pause", "--why", "another", "--json").json
        assert (again["state"], again["was_held"], again["held"]["why"]) == ("held", True, "ticket 12 of them")
        time.sleep(2.5)
        assert [process.poll() for process in processes] == [None, None]
        said = place.run("status")
        assert "  API      paused by " in said.out
        assert f"(ticket 12 of them): no request leaves\n           To go on: haulier resume {place.toml}" in said.out
        document = place.run("status", "--json").json
        assert (document["state"], document["api"]["state"], document["api"]["in_flight"]) == ("open", "held", 0)
        assert (document["api"]["held"]["why"], document["retries"]) == ("ticket 12 of them", 0)
        # Of two workers one is told to leave, and leaves at once: it does not wait for the end of the pause.
        processes[1].send_signal(signal.SIGINT)
        _, err = processes[1].communicate(timeout=10)
        assert processes[1].returncode == 4
        assert "shop is paused by " in err
        idle = place.run("work", "--exit-idle")
        assert idle.code == 4
        assert "the source is paused by " in idle.err
        waited = place.run("wait", "--timeout", "0")
        assert (waited.code, "shop is paused by " in waited.err) == (4, True)
        assert slow.counters().requests == asked, "nobody asked for anything meanwhile"
        said = place.run("resume")
        assert "(ticket 12 of them); that is lifted." in said.err
        _, err = processes[0].communicate(timeout=60)
        assert processes[0].returncode == 0, err
        assert "an item" not in err, "nothing failed, nothing was retried"
        assert place.lines() == RECORDS
        # The item that the worker handed back began anew; the others did not.
        assert slow.counters().requests <= FIRST_REQUESTS + PAGES + 4 * 4
    finally:
        for process in processes:
            if process.poll() is None:
                stop(process)
            process.communicate()


def test_g5_a_run_that_begins_under_a_pause_waits_with_its_first_question(place: Place, slow: SandboxProcess) -> None:
    """Even the planner's: it says who holds it up, and a worker's death and `clear` lift nothing."""
    assert place.run("pause").code == 0
    process = place.start("run")
    try:
        until(lambda: api_state(place).get("state") == "held")
        for words in ([], ["--key", "items_ids-1-401"]):
            tried = place.run("try", *words)
            assert (tried.code, "shop is paused by " in tried.err) == (4, True), tried.err
        planned = place.run("plan")
        assert (planned.code, "shop is paused by " in planned.err) == (4, True), planned.err
        time.sleep(1.0)
        process.kill()
        _, err = process.communicate()
        assert "shop is paused by " in err
        assert place.run("clear").code == 0
        assert (slow.counters().requests, place.run("status", "--json").json["state"]) == (0, "planning")
        process = place.start("run", "--workers", "2")
        until(lambda: api_state(place).get("workers") == 2)
        time.sleep(1.0)
        assert slow.counters().requests == 0
        assert place.run("resume", "--json").json["state"] == "resumed"
        _, err = process.communicate(timeout=60)
        assert (process.returncode, place.lines()) == (0, RECORDS), err
        assert err.count("shop is paused by ") == 1, "the parent says it for all"
    finally:
        if process.poll() is None:
            stop(process)
        process.communicate()


def test_g5_a_limit_is_followed_by_all_workers_within_seconds(place: Place, slow: SandboxProcess) -> None:
    """Above the `in_flight` of the file and below it; `status` says who set it; the next run goes by it too."""
    slow.change(latency_seconds=0.5)
    processes = [place.start("run"), place.start("work")]
    try:
        until(lambda: slow.counters().requests > 5)
        said = place.run("limit", "--in-flight", "1")
        assert "at most 1 in flight, set by " in said.err
        assert "the source file has 4 now" in said.err
        until(lambda: most_in_flight(slow, 1.0) == 1, 20.0)
        assert "  limit    at most 1 in flight, set by " in place.run("status").out
        assert place.run("limit", "--in-flight", "12", "--json").json["limit"]["in_flight"] == 12
        until(lambda: slow.counters().in_flight > 8, 20.0)
        slow.change(latency_seconds=0.0)
        for process in processes:
            _, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
        assert slow.counters().peak_in_flight <= 12
        assert place.lines() == RECORDS
        assert " s, 12 in flight, " in place.run("run").err, "what a run costs is judged by the limit"
        document = place.run("limit", "--json").json
        assert (document["state"], document["in_flight_of_file"]) == ("limited", 4)
        assert place.run("limit", "--reset", "--json").json["state"] == "not_limited"
        assert "goes by its source file: at most 4 in flight now" in place.run("limit").err
    finally:
        for process in processes:
            if process.poll() is None:
                stop(process)
            process.communicate()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("limit", "--in-flight", "0"),
            "--in-flight 0: write a whole number from 1 to 10,000. To let no request leave",
        ),
        (("limit", "--in-flight", "10001"), "--in-flight 10001: write a whole number from 1"),
        (("limit", "--in-flight", "3", "--reset"), "use one of them"),
        (("pause", "--why", "x" * 201), "--why has 201 characters; the limit is 200"),
        (("pause", "--queue", "memory"), "cannot be shared between processes"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(shop: Place, words: tuple[str, ...], told: str) -> None:
    said = shop.run(*words)
    assert said.code == 2
    assert told in said.err
    assert shop.run("limit", "--json").json["state"] == "not_limited"
    assert shop.run("resume", "--json").json["state"] == "not_paused"
