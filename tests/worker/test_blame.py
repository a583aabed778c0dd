"""`blame.decide`, walked as a table: whose failure it is, and what becomes of the item (G4).

See docs/protocol.md#what-is-charged.
"""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from haulier.api.errors import Action, ApiError, Fault, PagingError, Shape
from haulier.errors import (
    BrokenEnvelopeError,
    DamagedObjectError,
    ItemError,
    LakeUnavailableError,
    LeaseLostError,
    NewerFormatError,
    QueueUnavailableError,
    RunSpentError,
    SweptError,
    UnknownKindError,
    UsageError,
)
from haulier.runs.records import PlannedItem
from haulier.worker.blame import (
    PAUSED_SECONDS,
    RETRY_BASE_SECONDS,
    RETRY_CAP_SECONDS,
    TOO_MUCH_DEPTH,
    ActionNow,
    Question,
    decide,
    evidence_needed,
)
from haulier.worker.crash_guard import CrashedError, InterruptedAloneError
from haulier.worker.deadline import DeadlineError, GateWaitError
from haulier.worker.first_items import StoppedError, Suspicion
from haulier.worker.outcome import GIVE_UP_SECONDS, GiveUp, Lost, Poison, Release, Retry, Split
from haulier.worker.settings import PROOF_TRIES, REFUSED_SECONDS
from tests.harness.evidence import evidence, fresh_evidence

RETRY, FREE, STOP_4, STOP_2 = "retry", "free", "free, stop 4", "free, stop 2"
GIVE_UP, LOST = "give up", "lost"


def named(error: Exception, **changed: Any) -> str:
    """The outcome in a word."""
    match decide(evidence(error, **changed)):
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
        case Split(_, why):
            return f"split: {why}"
        case other:
            raise AssertionError(other)


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
    (RunSpentError("full-20261124T205959Z", 20), FREE, FREE),
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
    assert named(error) == first
    assert named(error, failures=3) == first
    assert named(error, failures=4) == fifth


REFUSED = api_error(Action.POISON, status=404)


def test_what_the_api_refuses_is_asked_for_once_more() -> None:
    """G4: a server that starts anew refuses what it will answer in a moment. The second time it is believed."""
    assert named(REFUSED) == RETRY
    assert all(delay >= REFUSED_SECONDS for delay in delays(REFUSED))
    assert [named(REFUSED, failures=failures) for failures in range(1, 5)] == 4 * ["poison: poison"]


def test_what_is_refused_waits_until_parts_have_told_whether_they_help() -> None:
    """Many items were divided for a refusal already; no longer than any failure is waited for."""
    found = [named(REFUSED, failures=failures, is_undecided=True) for failures in range(5)]
    assert found == [*(4 * [RETRY]), "poison: poison"]
    assert named(REFUSED, failures=1, is_undecided=True, parent_cause="failure") == "poison: poison"


def test_every_action_about_an_item_has_a_row() -> None:
    """A action that is added to the API's table is decided about here."""
    rows = {REFUSED.action, *(error.action for error, _, _ in ROWS if isinstance(error, ApiError))}
    assert rows == set(Action) - {Action.OK, Action.RETRY, Action.END, Action.ABSENT}


@pytest.mark.parametrize("failures", range(5))
def test_an_outage_charges_nothing(failures: int) -> None:
    """G4: outage-like failures are charged only while some request of the scope succeeds."""
    assert named(api_error(Action.OUTAGE), failures=failures, is_api_up=False) == FREE


@pytest.mark.parametrize("action", [Action.RETRY_LATER, Action.POISON])
def test_an_unhealthy_scope_excuses_no_other_failure(action: Action) -> None:
    assert named(api_error(action), failures=4, is_api_up=False).startswith("poison")


def test_the_limit_of_failures_is_a_setting() -> None:
    assert named(ItemError("x"), max_failures=1) == "poison: failed"
    assert named(ItemError("x"), max_failures=9, failures=7) == RETRY


def delays(error: Exception, **changed: Any) -> list[float]:
    outcomes = [decide(evidence(error, **changed, jitter=random.Random(seed).random())) for seed in range(50)]
    return [outcome.delay_seconds for outcome in outcomes if isinstance(outcome, Retry | Release | GiveUp)]


@pytest.mark.parametrize("failures", range(4))
def test_retries_back_off_with_jitter(failures: int) -> None:
    """Twice as long with each failure, and never two items alike."""
    span = RETRY_BASE_SECONDS * 2**failures
    found = delays(ItemError("x"), failures=failures)
    assert all(span / 4 <= delay <= span for delay in found)
    assert len(set(found)) == len(found)


def test_backoff_has_an_end() -> None:
    """However often an item was handed back in an outage."""
    found = delays(api_error(Action.OUTAGE), releases=10_000, is_api_up=False)
    assert max(found) <= RETRY_CAP_SECONDS


@pytest.mark.parametrize("is_api_up", [True, False])
def test_an_item_is_back_soon_after_a_pause_that_is_lifted(is_api_up: bool) -> None:
    """The scope keeps the pause; an item with a delay of its own would not hear of it when a person lifts it."""
    error = api_error(Action.PAUSE, retry_after_seconds=70_000.0)
    assert set(delays(error, is_api_up=is_api_up)) == {PAUSED_SECONDS}
    assert max(delays(api_error(Action.PAUSE), releases=100)) <= PAUSED_SECONDS


@pytest.mark.parametrize("action", [Action.OUTAGE, Action.RETRY_LATER])
@pytest.mark.parametrize("is_api_up", [True, False])
def test_who_is_asked_to_wait_waits_so_long(action: Action, is_api_up: bool) -> None:
    error = api_error(action, retry_after_seconds=1_234.0)
    assert min(delays(error, is_api_up=is_api_up)) >= 1_234.0


def test_giving_up_waits_for_a_closing() -> None:
    assert set(delays(SweptError("x"))) == {GIVE_UP_SECONDS}


# -- whose fault it is -------------------------------------------------------------------------------------------------

OUTAGE = api_error(Action.OUTAGE, status=503)
CAPPED = api_error(Action.SPLIT, status=400)
UNREAD = api_error(Action.RETRY_LATER, status=200, body=b"{")
RAISED = KeyError("price")
UNKNOWN = UnknownKindError("k", ["others"])
PARTS = (PlannedItem(key="k-1", stream="s", kind="k", payload=msgspec.Raw(b"{}")),)
DOWN = ActionNow(Action.PAUSE, api_error(Action.PAUSE))

# What failed, what is known already, and what is asked next: None where nothing is.
QUESTIONS: list[tuple[Exception, dict[str, Any], Question | None]] = [
    (OUTAGE, {}, Question.IS_API_UP),
    (OUTAGE, {"is_api_up": False}, None),
    (OUTAGE, {"is_api_up": True}, Question.SUSPICION),
    (REFUSED, {}, Question.IS_REFUSED_TO_ALL),
    (REFUSED, {"has_succeeded_meanwhile": True}, Question.IS_REFUSED_TO_ALL),
    (REFUSED, {"action_now": ActionNow(Action.POISON)}, None),
    (REFUSED, {"action_now": ActionNow(Action.OK)}, Question.SUSPICION),
    (REFUSED, {"action_now": ActionNow(None)}, Question.SUSPICION),
    (CAPPED, {}, Question.IS_REFUSED_TO_ALL),
    (CAPPED, {"has_succeeded_meanwhile": True}, Question.PARTS),
    (CAPPED, {"action_now": ActionNow(Action.OK)}, Question.PARTS),
    (CAPPED, {"has_succeeded_meanwhile": True, "parts": PARTS}, None),
    (UNREAD, {"has_witness": True}, Question.IS_UNUSABLE_TO_ALL),
    (UNREAD, {"has_witness": True, "has_succeeded_meanwhile": True}, Question.SUSPICION),
    (UNREAD, {"has_witness": True, "action_now": DOWN}, None),
    (UNREAD, {"has_witness": True, "action_now": ActionNow(Action.OK)}, Question.SUSPICION),
    (UNREAD, {}, Question.SUSPICION),
    (UNREAD, {"suspicion": Suspicion.NONE}, Question.IS_UNUSABLE_TO_ALL),
    (UNREAD, {"suspicion": Suspicion.POSSIBLE}, None),
    (UNREAD, {"suspicion": Suspicion.POSSIBLE, "has_witness": True}, None),
    (UNREAD, {"suspicion": Suspicion.NONE, "has_succeeded_meanwhile": True}, None),
    (api_error(Action.RETRY_LATER), {"suspicion": Suspicion.NONE}, None),
    (RAISED, {}, Question.SUSPICION),
    (RAISED, {"suspicion": Suspicion.STRONG}, None),
    (RAISED, {"suspicion": Suspicion.FEW_ITEMS}, Question.OTHERS_AT_WORK),
    (RAISED, {"suspicion": Suspicion.FEW_ITEMS, "are_others_at_work": True}, None),
    (RAISED, {"suspicion": Suspicion.FEW_ITEMS, "are_others_at_work": False}, Question.PARTS),
    (PagingError("a loop"), {"suspicion": Suspicion.FEW_ITEMS, "are_others_at_work": False}, None),
    # A cap of the API's, or one value that it writes otherwise: fewer values may be answered well.
    (
        api_error(Action.RETRY_LATER, shape=Shape.VALUES),
        {"suspicion": Suspicion.FEW_ITEMS, "are_others_at_work": False},
        Question.PARTS,
    ),
    (RAISED, {"suspicion": Suspicion.NONE}, None),
    (RAISED, {"suspicion": Suspicion.NONE, "failures": 4}, Question.PARTS),
    (RAISED, {"suspicion": Suspicion.NONE, "parent_cause": "failure"}, Question.PARTS),
    (RAISED, {"suspicion": Suspicion.NONE, "parent_cause": "failure", "parts": ()}, None),
    (RAISED, {"suspicion": Suspicion.NONE, "parent_cause": "failure", "parts": PARTS}, Question.IS_API_PROVEN_UP),
    (
        RAISED,
        {"suspicion": Suspicion.NONE, "parent_cause": "failure", "parts": PARTS, "has_succeeded_meanwhile": True},
        None,
    ),
    (RAISED, {"suspicion": Suspicion.NONE, "parent_cause": "failure", "parts": PARTS, "is_api_proven_up": False}, None),
    (RAISED, {"suspicion": Suspicion.NONE, "failures": 4, "parts": PARTS}, None),
    (CrashedError("k", -9, 1), {}, None),
    (CrashedError("k", -9, 3), {}, Question.PARTS),
    (GateWaitError("its turn"), {}, None),
    (UNKNOWN, {}, None),
    *((error, {}, None) for error, _, _ in ROWS if not isinstance(error, ItemError | ValueError | MemoryError)),
    (api_error(Action.AUTH, status=401), {}, None),
    (api_error(Action.CONFIG, fault=Fault.TLS), {}, None),
    (api_error(Action.PAUSE, status=429), {}, None),
]


@pytest.mark.parametrize("row", range(len(QUESTIONS)))
def test_nothing_is_asked_that_does_not_matter(row: int) -> None:
    """G5: a question may cost a request. `decide` refuses to guess while one is left."""
    error, known, question = QUESTIONS[row]
    seen = fresh_evidence(error, **known)
    assert evidence_needed(seen) is question
    if question is not None:
        with pytest.raises(ValueError, match="has to be asked first"):
            decide(seen)
    else:
        decide(seen)


REFUSED_NOW = ActionNow(Action.POISON)
FEW_ALONE = {"suspicion": Suspicion.FEW_ITEMS, "are_others_at_work": False}

# What failed, what was found out, and what it comes to.
BLAMED: list[tuple[Exception, dict[str, Any], str]] = [
    (OUTAGE, {"is_api_up": False, "failures": 4}, FREE),
    (OUTAGE, {"is_api_up": True}, RETRY),
    (OUTAGE, {"is_api_up": True, "failures": 4, "parts": PARTS}, "split: failure"),
    *((REFUSED, {"action_now": ActionNow(action)}, RETRY) for action in (Action.OK, Action.END, Action.ABSENT, None)),
    *(
        (REFUSED, {"action_now": ActionNow(action), "refused_seconds_left": 1.0}, FREE)
        for action in (Action.POISON, Action.SPLIT, Action.AUTH, Action.CONFIG)
    ),
    *(
        (REFUSED, {"action_now": ActionNow(action)}, STOP_2)
        for action in (Action.POISON, Action.SPLIT, Action.AUTH, Action.CONFIG)
    ),
    *(
        (REFUSED, {"action_now": ActionNow(action), "failures": 4}, FREE)
        for action in (Action.RETRY, Action.RETRY_LATER, Action.OUTAGE, Action.PAUSE, Action.RESTART)
    ),
    (CAPPED, {"action_now": REFUSED_NOW}, STOP_2),
    (CAPPED, {"action_now": ActionNow(Action.OK), "parts": PARTS}, "split: cap"),
    (CAPPED, {"action_now": ActionNow(None), "parts": PARTS, "depth": TOO_MUCH_DEPTH - 1}, "split: cap"),
    (CAPPED, {"action_now": ActionNow(None), "parts": PARTS, "depth": TOO_MUCH_DEPTH}, STOP_2),
    (CAPPED, {"action_now": None, "parts": PARTS, "depth": TOO_MUCH_DEPTH}, "split: cap"),
    (REFUSED, {"action_now": ActionNow(None), "depth": TOO_MUCH_DEPTH}, RETRY),
    *(
        (UNREAD, {"action_now": ActionNow(action), "failures": 4, "parts": PARTS}, FREE)
        for action in (Action.RETRY_LATER, Action.OUTAGE, Action.PAUSE, Action.AUTH, Action.CONFIG)
    ),
    *(
        (UNREAD, {"action_now": ActionNow(action), "failures": 4}, "poison: failed")
        for action in (Action.OK, Action.POISON, Action.SPLIT, Action.RETRY, Action.RESTART, None)
    ),
    (UNREAD, {"action_now": DOWN, "suspicion": Suspicion.NONE}, FREE),
    (RAISED, {"action_now": DOWN}, RETRY),
    (api_error(Action.RETRY_LATER), {"action_now": DOWN}, RETRY),
    (RAISED, {"suspicion": Suspicion.POSSIBLE, "failures": 4, "parts": PARTS}, FREE),
    (RAISED, {"suspicion": Suspicion.STRONG, "failures": 4, "parts": PARTS}, FREE),
    (RAISED, {"suspicion": Suspicion.FEW_ITEMS, "are_others_at_work": True, "parts": PARTS}, FREE),
    (RAISED, {**FEW_ALONE, "parts": PARTS}, "split: failure"),
    (RAISED, {**FEW_ALONE, "parts": ()}, STOP_2),
    (PagingError("a loop"), {**FEW_ALONE, "parts": PARTS}, STOP_2),
    (RAISED, {"suspicion": Suspicion.PROVEN, "parts": PARTS}, STOP_2),
    (REFUSED, {"suspicion": Suspicion.PROVEN, "failures": 1}, STOP_2),
    (CAPPED, {"suspicion": Suspicion.PROVEN}, "poison: cap"),
    (CrashedError("k", -9, 3), {"suspicion": Suspicion.PROVEN}, "poison: crashed"),
    (
        RAISED,
        {"failures": 4, "parts": PARTS, "has_succeeded_meanwhile": False, "is_api_proven_up": False},
        "split: failure",
    ),
    (
        RAISED,
        {"parent_cause": "failure", "parts": PARTS, "has_succeeded_meanwhile": False, "is_api_proven_up": True},
        "split: failure",
    ),
    (RAISED, {"parent_cause": "failure", "parts": PARTS, "is_api_proven_up": False}, RETRY),
    (GateWaitError("its turn"), {}, FREE),
    (UnknownKindError("k", ["others"]), {"unknown_seconds": 9.0, "unknown_grace_seconds": 10.0}, FREE),
    (
        UnknownKindError("k", ["others"]),
        {"unknown_seconds": 10.0, "unknown_grace_seconds": 10.0},
        "poison: unknown_kind",
    ),
]


@pytest.mark.parametrize("row", range(len(BLAMED)))
def test_whose_fault_it_is(row: int) -> None:
    """G4: others, the source, and the item itself, in this order."""
    error, known, expected = BLAMED[row]
    assert named(error, **known) == expected


def released(error: Exception, **changed: Any) -> Release:
    outcome = decide(evidence(error, **changed))
    assert isinstance(outcome, Release)
    return outcome


def test_what_everybody_fails_at_is_not_asked_for_meanwhile() -> None:
    """G5: the item keeps its slot until the proof has lasted, and comes again at once."""
    refused = released(REFUSED, action_now=REFUSED_NOW, refused_seconds_left=3.5)
    assert (refused.hold_seconds, refused.delay_seconds) == (3.5, 0.0)
    doubted = released(RAISED, suspicion=Suspicion.STRONG, doubt_seconds_left=2.5)
    assert (doubted.hold_seconds, doubted.delay_seconds) == (2.5, 0.0)
    assert released(RAISED, suspicion=Suspicion.STRONG, releases=PROOF_TRIES).delay_seconds > 0.0


def test_a_stop_says_why() -> None:
    """It is no failure of the item: a person reads what to do."""
    told = [
        released(REFUSED, action_now=REFUSED_NOW),
        released(CAPPED, action_now=ActionNow(None), depth=TOO_MUCH_DEPTH),
        released(RAISED, suspicion=Suspicion.PROVEN, failed_items=5),
        released(RAISED, suspicion=Suspicion.PROVEN, failed_items=1),
    ]
    texts = [
        "now refuses every request",
        "first items of this worker",
        "first items of this worker",
        "one item to go by",
    ]
    for outcome, text in zip(told, texts, strict=True):
        assert isinstance(outcome.error, StoppedError)
        assert text in str(outcome.error)
        assert outcome.delay_seconds == GIVE_UP_SECONDS


def test_what_is_known_of_an_outage_is_recorded_instead_of_a_refusal() -> None:
    assert released(REFUSED, action_now=DOWN).error is DOWN.error
    assert released(REFUSED, action_now=ActionNow(Action.OUTAGE)).error is None
