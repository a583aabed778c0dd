"""Cuts between steps, in real processes: one ends, or stops for one and a half leases, at every step of a run's life,
from its calls to queue, lake and API down to each write, link and statement; others go on, and the oracle judges.

With HAULIER_CUTS=all every occurrence of a step is cut, and not its first alone: some 1,500 trials, ten minutes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from haulier.testing.cut_process import Outcome, Scene, Stage, chosen
from haulier.testing.cut_steps import Step

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(900)]

AT_ONCE = 10
"""A trial mostly waits: for leases to run out, for a stopped process to go on."""
OCCURRENCES = 1_000_000 if os.environ.get("HAULIER_CUTS") == "all" else 1

QUIET = (
    *("LocalLake.names", "LocalLake.read", "LocalLake.walk", "LocalLake.exists", "LocalLake.download"),
    *("SqliteQueue.update", "sql pragma", "sql PRAGMA", "sql SELECT"),
)
"""To all others it is the same whether a process ends before or after it has read something. Beats come at any time."""

WHOLE = Scene(items=((1, 4), (10, 11), (20, 22)), empty=frozenset({10}), divided=frozenset({20}))
"""Items with records, without, and one that is divided into two."""
POISONED = Scene(items=((1, 4), (30, 32)), refused=frozenset({30}))


@pytest.fixture(scope="module")
def whole_steps(tmp_path_factory: pytest.TempPathFactory) -> list[Step]:
    return Stage(WHOLE, tmp_path_factory.mktemp("steps")).steps()


def steps_of(stage: Stage, besides: Iterable[Step] = ()) -> list[Step]:
    known = {(step.name, step.is_after) for step in besides}
    steps = chosen(stage.steps(), QUIET, OCCURRENCES)
    return [step for step in steps if (step.name, step.is_after) not in known]


def every(trial: Callable[[Step], Outcome], steps: list[Step], verdict: str) -> None:
    """All trials end with this verdict, and nothing wrong. Of those whose step did not come (a neighbour was quicker,
    a folder was there already) there are few."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = dict(zip(steps, pool.map(trial, steps), strict=True))
    wrong = {str(step): outcome for step, outcome in outcomes.items() if outcome.problems or outcome.verdict != verdict}
    assert wrong == {}
    assert sum(not outcome.was_reached for outcome in outcomes.values()) <= len(steps) / 10


@pytest.mark.parametrize("part", range(2))
def test_a_process_ends_at_every_step(folder: Path, part: int) -> None:
    """G1, G2, G3: whatever a process was doing when it was killed, the next one brings the run to its whole end."""
    stage = Stage(WHOLE, folder)
    every(stage.cut_off, steps_of(stage)[part::2], "complete")


@pytest.mark.parametrize("part", range(2))
def test_a_process_stops_at_every_step_while_another_goes_on(folder: Path, part: int) -> None:
    """G2: what it does when it goes on, with its leases lost and the run perhaps closed, changes nothing that counts.

    Inside a transaction it holds the queue all the while: the other one waits, and is not ended by that."""
    stage = Stage(WHOLE, folder)
    every(stage.stopped, steps_of(stage)[part::2], "complete")


def test_a_process_ends_at_every_step_of_poisoning(folder: Path, whole_steps: list[Step]) -> None:
    """G4: the refused item ends poisoned, and no other."""
    stage = Stage(POISONED, folder)
    every(stage.cut_off, steps_of(stage, besides=whole_steps), "partial")


def test_a_process_stops_at_every_step_of_poisoning(folder: Path, whole_steps: list[Step]) -> None:
    """G4, C6: two processes poison the same message; it is poisoned once."""
    stage = Stage(POISONED, folder)
    every(stage.stopped, steps_of(stage, besides=whole_steps), "partial")


def test_every_layer_is_cut(whole_steps: list[Step]) -> None:
    """The steps that the protocol names are among those that are cut."""
    names = {step.name for step in chosen(whole_steps, QUIET, 1)}
    assert names >= {
        "LocalLake.publish",  # between the deadline check and link(), ...
        "link bronze",
        "unlink staging",  # ... and between link() and the unlink
        "write receipts/temporary",  # inside a small record's write
        "sql BEGIN IMMEDIATE",  # inside a transaction
        "sql UPDATE messages",
        "sql COMMIT",
        "SqliteQueue.enqueue",
        "SqliteQueue.dequeue",
        "SqliteQueue.complete",
        "ThingsApi.send",
        "link plan/sending",
        "link children",
        "link outcomes",
        "link closings/opened",
        "LocalLake.sweep",
        "link closings/manifest.ndjson.gz",
        "link closings/verdict",
        "link run/_SUCCESS.json",
        "link bronze/sign",
    }
