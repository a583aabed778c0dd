"""`haulier run --workers N`: a parent that watches, children that work, and what becomes of each when one is killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.crash.stand import Stand, is_alive, standing, until
from tests.harness.chaos.rounds import Round
from tests.harness.chaos.workers import children_of
from tests.harness.oracle import judge_run

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(240)]

WORKERS = 2
ROUND = Round("fleet", SandboxSettings(records=1_000, latency_seconds=0.15), step=25)
"""Forty items of a page each: some two seconds for twelve requests at a time."""


@pytest.fixture(scope="module")
def api() -> Iterator[SandboxProcess]:
    with SandboxProcess(ROUND.api) as api:
        yield api


@pytest.fixture
def fleet(folder: Path, api: SandboxProcess) -> Iterator[Stand]:
    """A run that is planned, and not worked yet."""
    source, _ = ROUND.prepare(folder, api.url)
    with standing(Stand(folder, source=str(folder / source), name=ROUND.source)) as stand:
        assert stand.call("enqueue") == 0
        yield stand


def start(fleet: Stand, *words: str) -> tuple[subprocess.Popen[str], list[int]]:
    """The parent and its children, once they are at work."""
    parent = fleet.start("run", "--workers", str(WORKERS), "--lease", "1", *words)
    until(lambda: len(children_of(parent.pid)) == WORKERS)
    until(lambda: fleet.lines() or fleet.depth().leased)
    return parent, children_of(parent.pid)


def finish(fleet: Stand) -> None:
    """Whatever happened, the next command brings the run to its whole end."""
    assert fleet.call("run", "--lease", "1") == 0
    judge(fleet)


def judge(fleet: Stand) -> None:
    assert fleet.call("verify") == 0
    run_id = fleet.account.name
    seen = judge_run(fleet.folder / "lake", ROUND.source, run_id, ROUND.records_of, ROUND.may_fail)
    assert (seen.problems, seen.verdict) == ([], "complete")


def test_a_killed_child_is_started_again(fleet: Stand) -> None:
    """The run goes on to its end with as many as were asked for, and it is said."""
    parent, children = start(fleet)
    os.kill(children[0], signal.SIGKILL)
    until(lambda: len(set(children_of(parent.pid)) - {children[0]}) == WORKERS)
    code, said = fleet.end(parent)
    assert code == 0, said
    assert "A worker ended (killed by SIGKILL); another takes its place." in said
    assert not any(map(is_alive, children))
    judge(fleet)


def test_a_parent_that_is_killed_takes_its_children_with_it(fleet: Stand) -> None:
    """They drain: what they hold goes back at once, and nobody works on unseen."""
    parent, children = start(fleet, "--grace", "0.5")
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    until(lambda: not any(map(is_alive, children)))
    assert fleet.depth().leased == 0
    assert fleet.depth().ready > 0
    finish(fleet)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_parent_drains_all(fleet: Stand, number: signal.Signals) -> None:
    """Ctrl-C reaches the parent's process group, which the children are not in: each is told once, and drains."""
    parent, children = start(fleet, "--grace", "0.5")
    os.killpg(parent.pid, number)
    code, said = fleet.end(parent)
    assert code == 4, said
    assert f"stopped by {number.name}" in said
    assert "Go on with: haulier run" in said
    assert not any(map(is_alive, children))
    assert fleet.depth().leased == 0
    finish(fleet)


def test_a_second_signal_stops_all_at_once(fleet: Stand, api: SandboxProcess) -> None:
    """Whatever the grace."""
    api.change(latency_seconds=60.0)
    try:
        parent, children = start(fleet, "--grace", "300")
        parent.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            parent.wait(1)
        parent.send_signal(signal.SIGTERM)
        code, said = fleet.end(parent)
    finally:
        api.change(latency_seconds=ROUND.api.latency_seconds)
    assert code == 4, said
    assert not any(map(is_alive, children))
    assert fleet.depth().leased == 0


def test_workers_by_hand_beside_a_fleet(fleet: Stand) -> None:
    """They share the queue and the API, and leave when the run is closed."""
    parent, _ = start(fleet)
    beside = fleet.start("work", "--run", fleet.account.name, "--lease", "1")
    assert fleet.end(parent)[0] == 0
    assert fleet.end(beside)[0] == 0
    judge(fleet)
