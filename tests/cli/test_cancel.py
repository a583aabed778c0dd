"""A run is cancelled while workers are at it."""

from __future__ import annotations

import time

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import Place
from tests.cli.test_politeness import stop, until

RECORDS = 12_000
SECONDS_AN_ITEM = 40.0
"""Each of three has forty pages, of a second each."""


def test_a_cancelled_run_ends_for_all_workers_within_seconds_and_others_go_on(place: Place) -> None:
    """Long before an item could end its workers drop it, and complete its messages unworked; `run` and `wait` end with
    exit code 1. A trial that is open beside it is worked to its end by the very same workers."""
    with SandboxProcess(SandboxSettings(records=RECORDS, latency_seconds=1.0)) as api:
        place.write(api.url, in_flight="in_flight = 4", step="step = 4000")
        processes = [place.start("run"), place.start("work")]
        try:
            until(lambda: api.counters().requests > 6)
            full = place.run("status", "--json").json["run_id"]
            processes.append(place.start("wait", "--run", full))
            trial = place.run("enqueue", "--max-items", "1", "--json").json["run_id"]
            said = place.run("cancel", "--run", full)
            assert (said.code, f"Run {full} is cancelled." in said.err) == (0, True)
            cancelled_at = time.monotonic()
            _, err = processes[0].communicate(timeout=60)
            assert (processes[0].returncode, f"Run {full} is cancelled" in err) == (1, True)
            assert processes[2].wait(60) == 1
            assert time.monotonic() - cancelled_at < 0.6 * SECONDS_AN_ITEM
            api.change(latency_seconds=0.01)
            _, err = processes[1].communicate(timeout=60)
            assert processes[1].returncode == 0, err
            requests = api.counters().requests
            assert place.run("status", "--run", trial, "--json").json["state"] == "complete"
            assert (place.run("wait", "--run", full).code, place.run("cancel", "--run", full).code) == (1, 0)
            refused = place.run("cancel", "--run", trial)
            assert (refused.code, "is already complete; nothing was changed" in refused.err) == (2, True)
            assert place.run("latest").code == 4, "a cancelled run is no snapshot"
            assert place.run("work", "--exit-idle").code == 0
            assert api.counters().requests == requests, "nobody asks for the rest"
            assert not list(place.lake.rglob("poison/*/*.json"))
        finally:
            for process in processes:
                if process.poll() is None:
                    stop(process)
                process.communicate()


def test_a_run_that_is_cancelled_while_it_is_planned_ends_and_asks_for_nothing_more(place: Place) -> None:
    """Its plan waits at the gate, since a person paused the source. After `resume` nothing of it is sent."""
    with SandboxProcess(SandboxSettings(records=RECORDS)) as api:
        place.write(api.url)
        assert place.run("pause").code == 0
        process = place.start("run")
        try:
            until(lambda: list(place.lake.rglob("run.json")) != [])
            assert place.run("status", "--json").json["state"] == "planning"
            run_id = place.run("cancel", "--json").json["run_id"]
            _, err = process.communicate(timeout=60)
            assert (process.returncode, f"Run {run_id} is cancelled" in err) == (1, True), err
        finally:
            if process.poll() is None:
                stop(process)
        assert place.run("resume").code == 0
        assert place.run("work", "--exit-idle").code == 0
        assert api.counters().requests == 0
