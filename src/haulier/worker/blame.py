"""Whose fault a failed attempt is: one table, from evidence to outcome.

`decide` is the table. Some of its rows depend on facts that cost a request, a listing of the lake or a look at the
queue. Those are asked for one at a time, and only if the facts that are known do not decide: `evidence_needed` names
the next one. Neither function needs a queue, a lake or a network, so a test can walk them.

What is charged, and why: docs/protocol.md#what-is-charged. When an item is divided instead of poisoned:
docs/unreadable-records.md#what-happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeGuard

from haulier.api.errors import Action, ApiError, Shape
from haulier.errors import (
    BrokenEnvelopeError,
    DamagedObjectError,
    LeaseLostError,
    SweptError,
    UnavailableError,
    UnknownKindError,
    UsageError,
)
from haulier.runs.records import PlannedItem
from haulier.worker.crash_guard import CrashedError, InterruptedAloneError
from haulier.worker.deadline import DeadlineError, GateWaitError
from haulier.worker.division import Cause, is_refused
from haulier.worker.first_items import Suspicion, again_seconds, broken, refused
from haulier.worker.outcome import GIVE_UP_SECONDS, GiveUp, Lost, Outcome, Poison, Release, Retry, Split
from haulier.worker.settings import MAX_CRASHES, PROOF_TRIES, REFUSED_SECONDS

RETRY_BASE_SECONDS = 2.0
"""The longest delay after the first failure; it doubles with each further one."""
RETRY_CAP_SECONDS = 600.0
"""The longest delay after any number of failures."""
PAUSED_SECONDS = 5.0
"""The longest delay of an item because of a pause. Nobody takes items while the pause lasts, and a person may lift it
any time."""
UNKNOWN_SECONDS = 30.0
"""Delay of a message whose run or kind this worker does not know (yet)."""
TOO_MUCH_DEPTH = 6
"""Divisions after which the size of an item cannot be why the API finds it too large. Counts only where no request was
ever answered: the source is wrong then."""


Own = Retry | Release | Poison | GiveUp | Lost
"""What a failure comes to by itself, before anybody else is blamed and before the item is divided."""


class Question(Enum):
    """A fact that has to be asked for."""

    IS_API_UP = auto()
    """Whether others are answered, where the failure looks like an outage. May send a request."""
    IS_REFUSED_TO_ALL = auto()
    """What a request that was answered well before comes to now, since this one was refused. May send it."""
    IS_UNREAD_BY_ALL = auto()
    """The same, since the answer to this one cannot be read. May send it."""
    SUSPICION = auto()
    """Whether the first items of this kind all fail alike. May list the lake."""
    OTHERS_AT_WORK = auto()
    """Whether another worker holds an item, which may still end well. Asks the queue."""
    PARTS = auto()
    """What the item can be divided into. Calls the divider of the source."""
    PROOF = auto()
    """Whether the API is up for certain, since the item is to be blamed. May send a request."""


@dataclass(frozen=True)
class ActionNow:
    """What came of a request that was answered well before, when it was sent again."""

    action: Action | None
    """None where no such request is known."""
    error: ApiError | None = None
    """Why it could not be sent: the API is known to be down. ``action`` is `Action.PAUSE` then."""


@dataclass(frozen=True)
class Evidence:
    """All that is known of a failed attempt. What defaults to None has not been asked for."""

    error: Exception
    kind: str
    failures: int
    """Failures that were charged before this one."""
    releases: int
    """How often the item was handed back uncharged."""
    max_failures: int
    """The charged failure with this number poisons the item."""
    jitter: float
    """A random number from 0 to 1 that spreads delays: items that failed together come back apart."""
    depth: int = 0
    """Divisions between the item of the plan and this one."""
    suspect: str = ""
    """Why the item was divided that this one is a part of (`Cause`); empty for all others."""
    is_in_vain: bool = False
    """Parts were divided again and again, and none of them ended well."""
    is_refused_in_vain: bool = False
    """Parts of refused items are refused again and again, and none of them ended well."""
    is_undecided: bool = False
    """Many items were divided because they were refused, and none of their parts has ended yet."""
    unknown_seconds: float = 0.0
    """For how long this worker has met messages of this kind without knowing it."""
    unknown_grace_seconds: float = 0.0
    """For how long it may."""
    has_witness: bool = False
    """This process was answered well at least once, and can send that request again."""
    is_answered: bool = False
    """Some request of the scope succeeded since the attempt began."""
    is_api_up: bool | None = None
    action_now: ActionNow | None = None
    refused_seconds_left: float = 0.0
    """Once everybody is refused: for how much longer that must last before the worker stops for it."""
    suspicion: Suspicion | None = None
    failed_items: int = 0
    """How many of the first items of this kind have failed."""
    doubt_seconds_left: float = 0.0
    """For how much longer the first items must fail alike before the source is to blame."""
    are_others_at_work: bool | None = None
    parts: tuple[PlannedItem, ...] | None = None
    is_proven_up: bool | None = None


def evidence_needed(evidence: Evidence) -> Question | None:
    """The next fact that the decision depends on; None where it can be made."""
    found = _weigh(evidence)
    return found if isinstance(found, Question) else None


def decide(evidence: Evidence) -> Outcome:
    """What becomes of the item. `ValueError` where `evidence_needed` has a question left."""
    found = _weigh(evidence)
    if isinstance(found, Question):
        raise ValueError(f"{found} has to be asked first")
    return found


def _weigh(evidence: Evidence) -> Outcome | Question:
    """The rows in their order; the first that applies decides."""
    own = _own_outcome(evidence)
    if isinstance(own, Question):
        return own
    return (
        _of_refusal(evidence) or _of_outage(evidence, own) or _of_source(evidence, own) or _of_division(evidence, own)
    )


def _own_outcome(evidence: Evidence) -> Own | Question:
    """What the failure comes to if nobody else is to blame, and the item cannot be divided."""
    match error := evidence.error:
        case LeaseLostError():
            return Lost()
        case SweptError():
            return GiveUp()
        case GateWaitError():
            return Release(0.0)
        case UnknownKindError():
            is_known_soon = evidence.unknown_seconds < evidence.unknown_grace_seconds
            return Release(UNKNOWN_SECONDS) if is_known_soon else Poison("unknown_kind")
        case UnavailableError():
            return Release(_release_seconds(evidence), stop=4)
        case UsageError():
            return Release(_release_seconds(evidence), stop=2)
        case InterruptedAloneError():
            return Release(_release_seconds(evidence))
        case BrokenEnvelopeError():
            return Poison("undecodable")
        case DamagedObjectError():
            return Poison("damaged")  # It stands, so nothing else can be published there; the closing lists it.
        case CrashedError() if error.crashes < MAX_CRASHES:
            return Release(_backoff(error.crashes - 1, evidence.jitter))
        case CrashedError():
            return Poison("crashed")
        case ApiError():
            return _own_outcome_of_api(evidence, error)
        case _:
            return _charge(evidence)


def _own_outcome_of_api(evidence: Evidence, error: ApiError) -> Own | Question:
    match error.action:
        case Action.AUTH | Action.CONFIG:
            return Release(_release_seconds(evidence), stop=2)
        case Action.PAUSE:
            return Release(min(PAUSED_SECONDS, _release_seconds(evidence, error)))
        case Action.OUTAGE if evidence.is_api_up is None:
            return Question.IS_API_UP
        case Action.OUTAGE if not evidence.is_api_up:
            return Release(_release_seconds(evidence, error))
        case Action.POISON if not evidence.failures:
            # Servers that start anew refuse what they will answer in a moment.
            return Retry(_between(1.0, 2.0, evidence.jitter) * REFUSED_SECONDS)
        case Action.POISON if evidence.is_undecided and not evidence.suspect:
            charged = _charge(evidence, error)
            return charged if isinstance(charged, Retry) else Poison("poison")
        case Action.POISON:
            return Poison("poison")
        case Action.SPLIT:
            return Poison("cap")
        case _:
            return _charge(evidence, error)


def _of_refusal(evidence: Evidence) -> Release | Question | None:
    """Uncharged: the API refuses everybody, also what it answered well before. A right was taken away, a firewall has
    shut, the API has moved (G4). None where the refusal is the item's own."""
    error, now = evidence.error, evidence.action_now
    if not _is_final(error):
        return None
    if now is None:
        return None if error.action is Action.SPLIT and evidence.is_answered else Question.IS_REFUSED_TO_ALL
    match now.action:
        case None if error.action is Action.SPLIT and evidence.depth >= TOO_MUCH_DEPTH:
            return Release(GIVE_UP_SECONDS, stop=2, error=broken(evidence.kind, error))
        case None | Action.OK | Action.END | Action.ABSENT:
            return None
        case Action.POISON | Action.SPLIT | Action.AUTH | Action.CONFIG if evidence.refused_seconds_left > 0.0:
            return Release(0.0, hold_seconds=evidence.refused_seconds_left)
        case Action.POISON | Action.SPLIT | Action.AUTH | Action.CONFIG:
            return Release(GIVE_UP_SECONDS, stop=2, error=refused(evidence.kind, error))
        case _:
            return Release(_between(1.0, 8.0, evidence.jitter) * RETRY_BASE_SECONDS, error=now.error)


def _of_outage(evidence: Evidence, own: Own) -> Release | Question | None:
    """Uncharged: an answer came that cannot be read, such as an error object under a good status or half a body, and
    what was answered well before fares no better (G4)."""
    error = evidence.error
    if not _is_charged(own) or not _is_unread(error):
        return None
    if evidence.action_now is None:
        # What this process was answered tells more than a source that may have been changed since. Without that the
        # first items are asked before the API is.
        is_turn = evidence.has_witness if evidence.suspicion is None else evidence.suspicion is Suspicion.NONE
        return Question.IS_UNREAD_BY_ALL if is_turn and not evidence.is_answered else None
    return Release(_release_seconds(evidence, error)) if shows_outage(error, evidence.action_now) else None


def shows_outage(error: Exception, now: ActionNow) -> TypeGuard[ApiError]:
    """Whether an answer that cannot be read is part of an outage."""
    bad = {Action.RETRY_LATER, Action.OUTAGE, Action.PAUSE, Action.AUTH, Action.CONFIG}
    return _is_unread(error) and now.action in bad


def _of_source(evidence: Evidence, own: Own) -> Release | Split | Question | None:
    """Uncharged: the source may be wrong, since the first items of its kind all fail alike. None where the failure is
    the item's own."""
    error, again = evidence.error, again_seconds(evidence.releases, evidence.jitter)
    if not _is_charged(own):
        return None
    match evidence.suspicion:
        case None:
            return Question.SUSPICION
        case Suspicion.NONE:
            return None
        case Suspicion.POSSIBLE:
            return Release(again)
        case Suspicion.STRONG:
            is_soon = evidence.releases < PROOF_TRIES
            return Release(0.0 if is_soon else again, hold_seconds=evidence.doubt_seconds_left)
        case Suspicion.FEW_ITEMS if evidence.are_others_at_work is None:
            return Question.OTHERS_AT_WORK
        case Suspicion.FEW_ITEMS if evidence.are_others_at_work:
            return Release(again)
        case Suspicion.FEW_ITEMS if _may_be_of_record(error) and evidence.parts is None:
            return Question.PARTS
        case Suspicion.FEW_ITEMS if _may_be_of_record(error) and evidence.parts:
            return Split(evidence.parts, Cause.FAILURE)
        case Suspicion.FEW_ITEMS | Suspicion.PROVEN:
            return Release(GIVE_UP_SECONDS, stop=2, error=broken(evidence.kind, error, evidence.failed_items))


def _of_division(evidence: Evidence, own: Own) -> Own | Split | Question:
    """Divided instead of charged or poisoned, where there is a reason and the divider knows how."""
    reason = _reason_to_divide(evidence, own)
    if reason is None:
        return own
    if evidence.parts is None:
        return Question.PARTS
    if not evidence.parts:
        return own
    if reason.needs_proof and evidence.is_proven_up is None and not evidence.is_answered:
        return Question.PROOF
    if reason.needs_proof and evidence.is_proven_up is False:
        return own
    return Split(evidence.parts, reason.cause)


@dataclass(frozen=True)
class Reason:
    """Why an item should be divided rather than end as it would."""

    cause: Cause
    needs_proof: bool = False
    """Only if the API has answered somebody since the attempt began: else it may be the API that fails."""


def _reason_to_divide(evidence: Evidence, own: Own) -> Reason | None:
    """Why the item should be divided rather than end as ``own``; None if it should not.

    At the latest where it would be poisoned. Earlier where that is clear: at the second charged failure, or the first
    of a part of what was divided for its failures, given proof. So one bad record among 5,000 is reached in some 13
    divisions, of two requests each. What is not charged never divides an item, so an outage does not.
    """
    error = evidence.error
    if isinstance(error, ApiError) and error.action is Action.SPLIT:
        return Reason(Cause.CAP)
    if isinstance(error, ApiError) and error.action is Action.POISON:
        return _reason_of_refused(evidence, own, error)
    if isinstance(error, ApiError) and not error.shape.may_be_of_data:
        return None
    if evidence.suspect and evidence.is_in_vain:
        return None
    match own:
        case Poison("crashed"):
            return Reason(Cause.CRASH)
        case Release() if isinstance(error, CrashedError) and evidence.suspect == Cause.CRASH:
            return Reason(Cause.CRASH)
        case Poison("failed"):
            return Reason(_cause(error))
        case Retry() if _is_clear(evidence):
            return Reason(_cause(error), needs_proof=True)
        case _:
            return None


def _reason_of_refused(evidence: Evidence, own: Own, error: ApiError) -> Reason | None:
    """One row may be why an item is refused, as for an error 500; a filter that is wrong is wrong in each part too."""
    if not is_refused(error) or evidence.is_refused_in_vain:
        return None
    if isinstance(own, Poison):
        return Reason(Cause.FAILURE)
    return Reason(Cause.FAILURE, needs_proof=True) if evidence.suspect else None


def _cause(error: Exception) -> Cause:
    is_time_out = isinstance(error, DeadlineError) or (isinstance(error, ApiError) and error.is_time_out)
    return Cause.TIME_OUT if is_time_out else Cause.FAILURE


def _is_clear(evidence: Evidence) -> bool:
    """Whether the failure may be the item's own, some charges before their number says so."""
    error = evidence.error
    if isinstance(error, ApiError) and not error.may_be_of_item:
        return False
    if evidence.suspect:
        return True
    # What a processor raises may be about anything that it uses besides the API.
    return evidence.failures > 0 and isinstance(error, ApiError | DeadlineError)


def _is_charged(own: Own) -> bool:
    return isinstance(own, Retry) or own in (Poison("failed"), Poison("poison"))


def _is_final(error: Exception) -> TypeGuard[ApiError]:
    """Whether the API itself said that this request cannot succeed, or asks for too much."""
    return _is_answer(error) and error.action in {Action.POISON, Action.SPLIT}


def _is_unread(error: Exception) -> TypeGuard[ApiError]:
    """Whether an answer came, or a part of one, that is not what was asked for, and may be another time."""
    return _is_answer(error) and error.action is Action.RETRY_LATER


def _is_answer(error: Exception) -> TypeGuard[ApiError]:
    return isinstance(error, ApiError) and (error.status is not None or error.fault is not None)


def _may_be_of_record(error: Exception) -> bool:
    """Whether one record may be why the item failed, so that its parts tell what so few items do not."""
    return not isinstance(error, ApiError) or (error.shape is Shape.NONE and _is_answer(error))


def _charge(evidence: Evidence, error: ApiError | None = None) -> Retry | Poison:
    if evidence.failures + 1 >= evidence.max_failures:
        return Poison("failed")
    wished_seconds = 0.0 if error is None else error.retry_after_seconds or 0.0
    return Retry(max(_backoff(evidence.failures, evidence.jitter), wished_seconds))


def _release_seconds(evidence: Evidence, error: ApiError | None = None) -> float:
    wished_seconds = 0.0 if error is None else error.retry_after_seconds or 0.0
    return max(_backoff(evidence.releases, evidence.jitter), wished_seconds)


def _backoff(times: int, jitter: float) -> float:
    """Exponential backoff with jitter."""
    span = min(RETRY_CAP_SECONDS, RETRY_BASE_SECONDS * 2.0 ** min(times, 12))
    return _between(span / 4, span, jitter)


def _between(low: float, high: float, jitter: float) -> float:
    return low + (high - low) * jitter
