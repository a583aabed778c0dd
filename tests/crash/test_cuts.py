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

from tests.harness.cuts.process import Outcome, Scene, Stage, chosen
from tests.harness.cuts.steps import Step

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(900)]

AT_ONCE = 10
"""A trial mostly waits: for leases to run out, for a stopped process to go on."""
OCCURRENCES = 1_000_000 if os.environ.get("HAULIER_CUTS") == "all" else 1

QUIET = (
    "LocalLake.disk",
    *("LocalLake.names", "LocalLake.read", "LocalLake.walk", "LocalLake.exists", "LocalLake.download"),
    *("SqliteRows.update", "sql pragma", "sql PRAGMA", "sql SELECT"),
)
"""To all others it is the same whether a process ends before or after it has read something. Beats come at any time."""

CLOSING = ("LocalLake.sweep", "link closings", "unlink closings")

WHOLE = Scene(items=((1, 4), (10, 11), (20, 22)), empty=frozenset({10}), divided=frozenset({20}))
"""Items with records, without, and one that is divided into two."""
POISONED = Scene(items=((1, 4), (30, 32)), refused=frozenset({30}))
CHANGED = (
    Scene(items=((20, 22),), divided_later=frozenset({20})),
    Scene(items=((10, 11), (20, 22)), empty=frozenset({10}), refused_later=frozenset({20})),
)
"""The API changes its answer: the first process gets all records of the item; later it is divided, or poison. An item
beside it that ends well, and publishes nothing, shows that a refusal is not the source's fault."""


@pytest.fixture(scope="module")
def whole_steps(tmp_path_factory: pytest.TempPathFactory) -> list[Step]:
    return Stage(WHOLE, tmp_path_factory.mktemp("steps")).steps()


def steps_of(stage: Stage, besides: Iterable[Step] = ()) -> list[Step]:
    known = {(step.name, step.is_after) for step in besides}
    steps = chosen(stage.steps(), QUIET, OCCURRENCES)
    return [step for step in steps if (step.name, step.is_after) not in known]


def every(trial: Callable[[Step], Outcome], steps: list[Step], *verdicts: str) -> None:
    """All trials end with one of these verdicts, and nothing wrong. Some steps do not come (a neighbour was quicker, a
    folder was there already, an item was handed back); most do."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = dict(zip(steps, pool.map(trial, steps), strict=True))
    wrong = {str(step): end for step, end in outcomes.items() if end.problems or end.verdict not in verdicts}
    assert wrong == {}
    assert sum(outcome.was_reached for outcome in outcomes.values()) > len(steps) / 2


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


@pytest.mark.parametrize("scene", CHANGED, ids=["divided", "poison"])
def test_c1_c4_a_publication_falls_between_any_two_steps_of_a_closing(folder: Path, scene: Scene) -> None:
    """G2: a process stops just before it links an item whole, and another one, to which the item is something else,
    comes as far as any step of the closing. Then the link is made, and the process ends before it does anything more.

    Before the sweep the object is listed, and beats poison but no child list; after it there is nothing to link."""
    stage = Stage(scene, folder)
    before, after = Step("link bronze"), Step("link bronze", is_after=True)
    closing = [step for step in chosen(stage.steps(), QUIET) if step.name.startswith(CLOSING)]
    assert {Step("LocalLake.sweep"), Step("link closings/manifest.ndjson.gz")} <= set(closing)
    every(
        lambda other: stage.crossed(before, after, other),
        closing,
        "complete",
        *(["partial"] if scene.refused_later else []),
    )


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
