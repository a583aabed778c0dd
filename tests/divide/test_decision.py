"""`blame.decide`, walked as a table: which failures divide an item, and when (G4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from haulier.api.errors import Action, ApiError, Fault, MovedError, PagingError, Shape
from haulier.api.paging.loop_guard import PaginationLoopError
from haulier.errors import DamagedObjectError, ItemError, LakeUnavailableError, LeaseLostError, SweptError, UsageError
from haulier.items.ranges import IdRange
from haulier.items.workitem import WorkItem
from haulier.lake.paths import RunPaths
from haulier.queues.envelope import decode, encode
from haulier.runs.plan import plan_item
from haulier.runs.send import envelope_of
from haulier.worker.blame import Reason, decide
from haulier.worker.crash_guard import CrashedError
from haulier.worker.deadline import DeadlineError
from haulier.worker.division import Cause, Suspects, parts_of, suspect_by
from haulier.worker.outcome import Split
from haulier.worker.settings import MAX_DEPTH, MAX_IN_VAIN, MAX_REFUSED
from tests.harness.evidence import evidence


def api(action: Action, **more: Any) -> ApiError:
    return ApiError("as it is", action=action, **more)


@dataclass(frozen=True)
class Some(WorkItem, stream="some", kind="some"):
    ids: IdRange


PARTS = (plan_item(Some(IdRange(1, 5))), plan_item(Some(IdRange(5, 9))))

BAD_BODY = api(Action.RETRY_LATER, status=200, body=b"{")
SERVER_ERROR = api(Action.RETRY_LATER, status=500)
MISCOUNT = api(Action.RESTART)
HUNG = api(Action.OUTAGE, fault=Fault.TIMEOUT)
GATEWAY = api(Action.OUTAGE, status=504)
BUSY = api(Action.OUTAGE, status=503)
WITHOUT_CREDENTIALS = api(Action.OUTAGE, fault=Fault.ISSUER)
UNREACHED = api(Action.OUTAGE, fault=Fault.CONNECT)
REFUSED = api(Action.POISON, status=400)
RAISED = KeyError("price")
LATE = DeadlineError("an hour")


def reason(error: Exception, **changed: Any) -> Reason | None:
    """Why the table divides the item where it can be divided, and whether it wants proof first."""
    known = evidence(error, parts=PARTS, **changed)
    outcome = decide(known)
    if not isinstance(outcome, Split):
        return None
    assert outcome.children == PARTS
    needs_api_proven_up = not isinstance(
        decide(replace(known, has_succeeded_meanwhile=False, is_api_proven_up=False)), Split
    )
    return Reason(Cause(outcome.cause), needs_api_proven_up)


def cause(error: Exception, **changed: Any) -> Cause | None:
    found = reason(error, **changed)
    return None if found is None else found.cause


FAILURE, TIME_OUT, CAP, CRASH = Cause.FAILURE, Cause.TIME_OUT, Cause.CAP, Cause.CRASH
# What happened; at the first charged failure, the second, the last; and the first of a part of what failed.
ROWS: dict[str, tuple[Exception, Cause | None, Cause | None, Cause | None, Cause | None]] = {
    "a body that never parses": (BAD_BODY, None, FAILURE, FAILURE, FAILURE),
    "the same 500 again and again": (SERVER_ERROR, None, FAILURE, FAILURE, FAILURE),
    "a total that is not kept": (MISCOUNT, None, FAILURE, FAILURE, FAILURE),
    "a loop of pages": (PaginationLoopError("again"), None, None, None, None),
    "a list that moved while it was counted": (MovedError("it moved"), None, FAILURE, FAILURE, FAILURE),
    "pages that contradict the source": (PagingError("it moved"), None, None, None, None),
    "no first byte in time": (HUNG, None, TIME_OUT, TIME_OUT, TIME_OUT),
    "504": (GATEWAY, None, TIME_OUT, TIME_OUT, TIME_OUT),
    "the item's deadline": (LATE, None, TIME_OUT, TIME_OUT, TIME_OUT),
    "503 while others are answered": (BUSY, None, None, FAILURE, None),
    "no connection": (UNREACHED, None, None, FAILURE, None),
    "the processor raises": (RAISED, None, None, FAILURE, FAILURE),
    "a processor's own word": (ItemError("its data"), None, None, FAILURE, FAILURE),
    "over a cap": (api(Action.SPLIT), CAP, CAP, CAP, CAP),
    "a death": (CrashedError("key", -11, 1), None, None, None, None),
    "its third death": (CrashedError("key", -11, 3), CRASH, CRASH, CRASH, CRASH),
    "a refusal, asked for once more": (REFUSED, None, FAILURE, FAILURE, FAILURE),
    "a redirect in a circle": (api(Action.POISON, fault=Fault.REDIRECT), None, FAILURE, FAILURE, FAILURE),
    "a request that is not sent": (api(Action.POISON), None, None, None, None),
    "no list of records": (api(Action.RETRY_LATER, status=200, shape=Shape.NULL), None, None, None, None),
    "HTML while others are answered": (
        api(Action.RETRY_LATER, status=200, shape=Shape.HTML),
        None,
        FAILURE,
        FAILURE,
        FAILURE,
    ),
    "credentials": (api(Action.AUTH), None, None, None, None),
    "settings": (api(Action.CONFIG), None, None, None, None),
    "a pause": (api(Action.PAUSE), None, None, None, None),
    "a damaged object": (DamagedObjectError("path", "cut"), None, None, None, None),
    "a full lake": (LakeUnavailableError("full"), None, None, None, None),
    "a lost lease": (LeaseLostError("lost"), None, None, None, None),
    "a closing": (SweptError("closing"), None, None, None, None),
    "a flag": (UsageError("a flag"), None, None, None, None),
}


@pytest.mark.parametrize("name", ROWS)
def test_every_row(name: str) -> None:
    """G4: at the last charged failure before poison, or earlier where it is clear."""
    error, *expected = ROWS[name]
    found = [
        cause(error),
        cause(error, failures=1),
        cause(error, failures=4),
        cause(error, parent_cause="failure"),
    ]
    assert found == expected


@pytest.mark.parametrize("name", ROWS)
def test_whatever_is_not_the_last_needs_proof(name: str) -> None:
    """G4: an outage never divides. Before the last charged failure, the API must have answered somebody meanwhile."""
    error, *expected = ROWS[name]
    for parent_cause in ("", "failure", "time_out"):
        for failures in range(4):
            found = reason(error, failures=failures, parent_cause=parent_cause)
            is_refused = isinstance(error, ApiError) and error.action is Action.POISON
            assert (
                found is None
                or found.needs_api_proven_up
                or found.cause in (CAP, CRASH)
                or (is_refused and failures > 0)
            )
        assert reason(error, failures=4, parent_cause=parent_cause) == (
            None if expected[2] is None else Reason(expected[2])
        )


@pytest.mark.parametrize("error", [HUNG, GATEWAY, BUSY, UNREACHED])
def test_what_is_not_charged_never_divides(error: Exception) -> None:
    """G4: an outage-like failure without proof is free, however often it comes."""
    assert [cause(error, failures=failures, is_api_up=False) for failures in range(5)] == 5 * [None]


def test_credentials_that_cannot_be_had_are_never_charged() -> None:
    """G4: the API answered all others a moment ago, with older ones."""
    for failures in range(5):
        for parent_cause in ("", "failure"):
            known = evidence(WITHOUT_CREDENTIALS, parts=PARTS, failures=failures, parent_cause=parent_cause)
            outcome = decide(replace(known, is_api_up=True))
            assert type(outcome).__name__ == "Release", outcome


def test_a_part_of_what_crashed_is_divided_at_its_first_death() -> None:
    """G4: it ran alone from the start, so that one witnessed death is enough to go on."""
    assert cause(CrashedError("key", -11, 1), parent_cause="crash") is CRASH
    assert cause(CrashedError("key", -11, 1), parent_cause="failure") is None


def test_parts_are_no_longer_divided_where_that_leads_nowhere() -> None:
    """Parts that are divided again and again, with none good in between, are poisoned as they are; a cap is a cap."""
    suspects = Suspects()
    for _ in range(MAX_IN_VAIN):
        assert not suspects.is_in_vain
        suspects.note_divided()
    assert suspects.is_in_vain
    assert cause(BAD_BODY, failures=4, parent_cause="failure", is_in_vain=True) is None
    assert cause(BAD_BODY, failures=4, is_in_vain=True) is FAILURE, "what is not a part gets its chance"
    assert cause(api(Action.SPLIT), parent_cause="failure", is_in_vain=True) is CAP
    suspects.note_good()
    assert not suspects.is_in_vain


def test_what_is_refused_in_vain_is_not_divided() -> None:
    """G5: a filter that is wrong is so in each part. Only so many items are divided before a part has told."""
    suspects = Suspects()
    for _ in range(MAX_REFUSED):
        assert not suspects.is_undecided
        suspects.note_refused(is_part=False)
    assert suspects.is_undecided
    for _ in range(MAX_REFUSED):
        assert not suspects.is_refused_in_vain
        suspects.note_refused(is_part=True)
    assert (suspects.is_refused_in_vain, suspects.is_undecided) == (True, False)
    assert cause(REFUSED, failures=1, is_refused_in_vain=True) is None
    assert cause(BAD_BODY, failures=1, is_refused_in_vain=True) is FAILURE
    suspects.note_good()
    assert (suspects.is_refused_in_vain, suspects.is_undecided) == (False, False)


def test_parts_are_as_a_child_list_has_them() -> None:
    """P6: typed items become lines of the list; whatever the divider is, it cannot lose the item's rows."""
    whole = plan_item(Some(IdRange(1, 9)))
    halves = [Some(half) for half in IdRange(1, 9).halves() or ()]
    assert [part.key for part in parts_of(halves, whole.key, 0)] == ["some-1-5", "some-5-9"]
    assert parts_of([halves[0], halves[0]], whole.key, 0) == (plan_item(halves[0]),), "equal parts are one"
    assert parts_of((), whole.key, 0) == ()
    with pytest.raises(UsageError, match="divides 'some-1-9' into itself"):
        parts_of([Some(IdRange(1, 9))], whole.key, 0)


def test_the_depth_of_divisions_is_bounded() -> None:
    """64 divisions, one out of another, are more than any range of IDs takes: there is no end to such a divider."""
    halves = [Some(half) for half in IdRange(1, 9).halves() or ()]
    assert parts_of(halves, "some-1-9", MAX_DEPTH - 1)
    assert parts_of(halves, "some-1-9", MAX_DEPTH) == ()


def test_a_message_carries_what_its_item_is_suspected_of() -> None:
    """G8: as data; the children of what was over a cap are suspected of nothing."""
    item, paths = plan_item(Some(IdRange(1, 9))), RunPaths("shop", "full-1", "full", datetime(2026, 1, 1, tzinfo=UTC))
    message = decode(encode(envelope_of(item, paths, depth=3, suspect=suspect_by("failure"))))
    assert (message.depth, message.suspect, message.failures) == (3, "failure", 0)
    assert [suspect_by(word) for word in ("", "cap", "time_out", "crash")] == ["", "", "time_out", "crash"]
