"""`outcome.decide`, walked as a table: whose failure it is, and what becomes of the item (G4).

See docs/protocol.md#what-is-charged.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from haulier.api.errors import Action, ApiError
from haulier.errors import (
    BrokenEnvelopeError,
    DamagedObjectError,
    ItemError,
    LakeUnavailableError,
    LeaseLostError,
    NewerFormatError,
    QueueUnavailableError,
    SweptError,
    UsageError,
)
from haulier.worker.crash_guard import CrashedError, InterruptedAloneError
from haulier.worker.deadline import DeadlineError
from haulier.worker.outcome import (
    GIVE_UP_SECONDS,
    PAUSED_SECONDS,
    RETRY_BASE_SECONDS,
    RETRY_CAP_SECONDS,
    Circumstances,
    GiveUp,
    Lost,
    Poison,
    Release,
    Retry,
    decide,
)
from haulier.worker.settings import REFUSED_SECONDS

RETRY, FREE, STOP_4, STOP_2 = "retry", "free", "free, stop 4", "free, stop 2"
GIVE_UP, LOST = "give up", "lost"


def around(**changed: Any) -> Circumstances:
    usual: dict[str, Any] = {
        "failures": 0,
        "releases": 0,
        "max_failures": 5,
        "is_healthy": True,
        "is_proven": True,
    }
    return Circumstances(**(usual | changed))


def named(error: Exception, circumstances: Circumstances) -> str:
    """The outcome in a word."""
    match decide(error, circumstances, random.Random(1)):
        case Retry():
            return RETRY
        case Release(_, None):
            return FREE
        case Release(_, code):
            return f"free, stop {code}"
        case Poison(reason):
            return f"poison: {reason}"
        case GiveUp():
            return GIVE_UP
        case Lost():
            return LOST


def api_error(action: Action, **more: Any) -> ApiError:
    return ApiError("as it is", action=action, **more)


ROWS: list[tuple[Exception, str, str]] = [
    # What happened, what it comes to at first, and with four failures charged already.
    (ValueError("a fault in the processor"), RETRY, "poison: failed"),
    (ItemError("its data"), RETRY, "poison: failed"),
    (DeadlineError("too long"), RETRY, "poison: failed"),
    (MemoryError(), RETRY, "poison: failed"),
    (api_error(Action.RETRY_LATER), RETRY, "poison: failed"),
    (api_error(Action.SPLIT), "poison: cap", "poison: cap"),
    (api_error(Action.RESTART), RETRY, "poison: failed"),
    (api_error(Action.OUTAGE), RETRY, "poison: failed"),
    (BrokenEnvelopeError("bad fields"), "poison: undecodable", "poison: undecodable"),
    (DamagedObjectError("a/b", "cut"), "poison: damaged", "poison: damaged"),
    (CrashedError("k", -9, 1), FREE, FREE),
    (CrashedError("k", -9, 2), FREE, FREE),
    (CrashedError("k", 3, 3), "poison: crashed", "poison: crashed"),
    (CrashedError("k", 3, 7), "poison: crashed", "poison: crashed"),
    (InterruptedAloneError("SIGTERM"), FREE, FREE),
    (api_error(Action.PAUSE), FREE, FREE),
    (api_error(Action.AUTH), STOP_2, STOP_2),
    (api_error(Action.CONFIG), STOP_2, STOP_2),
    (UsageError("a person must act"), STOP_2, STOP_2),
    (NewerFormatError("children/a.json", 2, 1), STOP_2, STOP_2),
    (LakeUnavailableError("full"), STOP_4, STOP_4),
    (QueueUnavailableError("busy"), STOP_4, STOP_4),
    (SweptError("a closing"), GIVE_UP, GIVE_UP),
    (LeaseLostError("another's"), LOST, LOST),
]


@pytest.mark.parametrize(
    ("error", "first", "fifth"), ROWS, ids=[f"{number}-{type(row[0]).__name__}" for number, row in enumerate(ROWS)]
)
def test_every_row(error: Exception, first: str, fifth: str) -> None:
    """G4: only the item's own failures are charged, and the fifth of them poisons it."""
    assert named(error, around()) == first
    assert named(error, around(failures=3)) == first
    assert named(error, around(failures=4)) == fifth


REFUSED = api_error(Action.POISON, status=404)


def test_what_the_api_refuses_is_asked_for_once_more() -> None:
    """G4: a server that starts anew refuses what it will answer in a moment. The second time it is believed."""
    assert named(REFUSED, around()) == RETRY
    assert all(delay >= REFUSED_SECONDS for delay in delays(REFUSED, around()))
    assert [named(REFUSED, around(failures=failures)) for failures in range(1, 5)] == 4 * ["poison: poison"]


def test_what_is_refused_waits_until_parts_have_told_whether_they_help() -> None:
    """Many items were divided for a refusal already; no longer than any failure is waited for."""
    found = [named(REFUSED, around(failures=failures, is_undecided=True)) for failures in range(5)]
    assert found == [*(4 * [RETRY]), "poison: poison"]
    assert named(REFUSED, around(failures=1, is_undecided=True, suspect="failure")) == "poison: poison"


def test_every_action_about_an_item_has_a_row() -> None:
    """A action that is added to the API's table is decided about here."""
    rows = {REFUSED.action, *(error.action for error, _, _ in ROWS if isinstance(error, ApiError))}
    assert rows == set(Action) - {Action.OK, Action.RETRY, Action.END, Action.ABSENT}


@pytest.mark.parametrize("failures", range(5))
def test_an_outage_charges_nothing(failures: int) -> None:
    """G4: outage-like failures are charged only while some request of the scope succeeds."""
    assert named(api_error(Action.OUTAGE), around(failures=failures, is_healthy=False)) == FREE


@pytest.mark.parametrize("action", [Action.RETRY_LATER, Action.POISON])
def test_an_unhealthy_scope_excuses_no_other_failure(action: Action) -> None:
    assert named(api_error(action), around(failures=4, is_healthy=False)).startswith("poison")


def test_the_limit_of_failures_is_a_setting() -> None:
    assert named(ItemError("x"), around(max_failures=1)) == "poison: failed"
    assert named(ItemError("x"), around(max_failures=9, failures=7)) == RETRY


def delays(error: Exception, circumstances: Circumstances) -> list[float]:
    outcomes = [decide(error, circumstances, random.Random(seed)) for seed in range(50)]
    return [outcome.delay_seconds for outcome in outcomes if isinstance(outcome, Retry | Release | GiveUp)]


@pytest.mark.parametrize("failures", range(4))
def test_retries_back_off_with_jitter(failures: int) -> None:
    """Twice as long with each failure, and never two items alike."""
    span = RETRY_BASE_SECONDS * 2**failures
    found = delays(ItemError("x"), around(failures=failures))
    assert all(span / 4 <= delay <= span for delay in found)
    assert len(set(found)) == len(found)


def test_backoff_has_an_end() -> None:
    """However often an item was handed back in an outage."""
    found = delays(api_error(Action.OUTAGE), around(releases=10_000, is_healthy=False))
    assert max(found) <= RETRY_CAP_SECONDS


@pytest.mark.parametrize("is_healthy", [True, False])
def test_an_item_is_back_soon_after_a_pause_that_is_lifted(is_healthy: bool) -> None:
    """The scope keeps the pause; an item with a delay of its own would not hear of it when a person lifts it."""
    error = api_error(Action.PAUSE, retry_after_seconds=70_000.0)
    assert set(delays(error, around(is_healthy=is_healthy))) == {PAUSED_SECONDS}
    assert max(delays(api_error(Action.PAUSE), around(releases=100))) <= PAUSED_SECONDS


@pytest.mark.parametrize("action", [Action.OUTAGE, Action.RETRY_LATER])
@pytest.mark.parametrize("is_healthy", [True, False])
def test_who_is_asked_to_wait_waits_so_long(action: Action, is_healthy: bool) -> None:
    error = api_error(action, retry_after_seconds=1_234.0)
    assert min(delays(error, around(is_healthy=is_healthy))) >= 1_234.0


def test_giving_up_waits_for_a_closing() -> None:
    assert set(delays(SweptError("x"), around())) == {GIVE_UP_SECONDS}
