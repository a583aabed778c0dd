"""Decides whose fault a failed attempt is.

Facts that cost a request, a listing or a look at the queue are asked for one at a time, and only while the decision
depends on them: `evidence_needed` names the next one, `decide` gives the outcome. Both are pure. Charging:
docs/protocol.md#what-is-charged. Dividing: docs/unreadable-records.md#what-happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeGuard

from haulier.api.errors import Action, ApiError, Fault, Shape
from haulier.errors import (
    BrokenEnvelopeError,
    DamagedObjectError,
    LeaseLostError,
    RunSpentError,
    SweptError,
    UnavailableError,
    UnknownKindError,
    UsageError,
)
from haulier.runs.records import PlannedItem
from haulier.worker.crash_guard import CrashedError, InterruptedAloneError
from haulier.worker.deadline import DeadlineError, GateWaitError
from haulier.worker.division import Cause, is_final_refusal
from haulier.worker.first_items import Suspicion, again_seconds, explain_broken_source, explain_refusal
from haulier.worker.outcome import GIVE_UP_SECONDS, GiveUp, Lost, Outcome, Poison, Release, Retry, Split
from haulier.worker.settings import MAX_CRASHES, PROOF_TRIES, REFUSED_SECONDS

RETRY_BASE_SECONDS = 2.0
"""The longest delay after the first failure; each further one doubles it."""
RETRY_CAP_SECONDS = 600.0
PAUSED_SECONDS = 5.0
"""The longest delay for a pause, which a person may lift any time."""
UNKNOWN_SECONDS = 30.0
"""Delay of a message whose run or kind is unknown (yet)."""
TOO_MUCH_DEPTH = 6
"""Divisions after which size cannot be why an item is too large, where no request was ever answered."""


OwnOutcome = Retry | Release | Poison | GiveUp | Lost
"""The outcome if nobody else is to blame and the item is not divided."""


class Question(Enum):
    """A fact to ask for. A good request is one that was answered well before."""

    IS_API_UP = auto()
    """Whether others are answered. May send a request."""
    IS_REFUSED_TO_ALL = auto()
    """What a good request comes to, since this one was refused. May send it."""
    IS_UNUSABLE_TO_ALL = auto()
    """What a good request comes to, since this answer cannot be used. May send it."""
    SUSPICION = auto()
    """Whether all first items of the kind fail alike. May list the lake."""
    OTHERS_AT_WORK = auto()
    """Whether another worker holds an item, as far as queue or scope can tell. May ask the queue."""
    PARTS = auto()
    """What the source's divider makes of the item."""
    IS_API_PROVEN_UP = auto()
    """Whether the API is up, and answered somebody since the attempt began. May send a request."""


@dataclass(frozen=True)
class ActionNow:
    action: Action | None
    """None: no good request is known."""
    error: ApiError | None = None
    """Why it could not be sent; ``action`` is `Action.PAUSE` then."""


@dataclass(frozen=True)
class Evidence:
    """None stands for a fact that was not asked."""

    error: Exception
    kind: str
    failures: int
    """Charged ones before this failure."""
    releases: int
    """Times that the item came back uncharged."""
    max_failures: int
    jitter: float
    """Random, 0 to 1: items that failed together come back apart."""
    depth: int = 0
    """Divisions above it."""
    parent_cause: str = ""
    """`Cause` by which the parent was divided; empty for an item of the plan, and after `Cause.CAP`."""
    is_in_vain: bool = False
    """`MAX_IN_VAIN` parts of failed items were divided with none good in between."""
    is_refused_in_vain: bool = False
    """`MAX_REFUSED` parts of refused items were refused with none good in between."""
    is_undecided: bool = False
    """`MAX_REFUSED` refused items were divided, and no part has told yet whether that helps."""
    unknown_seconds: float = 0.0
    """Since this worker first met the unknown kind."""
    unknown_grace_seconds: float = 0.0
    has_witness: bool = False
    """A good request can be sent again."""
    has_succeeded_meanwhile: bool = False
    """A request of the scope succeeded since the attempt began."""
    is_api_up: bool | None = None
    action_now: ActionNow | None = None
    refused_seconds_left: float = 0.0
    """Time for which everybody must still be refused to stop the worker."""
    suspicion: Suspicion | None = None
    failed_items: int = 0
    doubt_seconds_left: float = 0.0
    """Time for which the first items must still fail alike to blame the source."""
    are_others_at_work: bool | None = None
    parts: tuple[PlannedItem, ...] | None = None
    is_api_proven_up: bool | None = None


def evidence_needed(evidence: Evidence) -> Question | None:
    """None once `decide` can tell."""
    found = _weigh(evidence)
    return found if isinstance(found, Question) else None


def decide(evidence: Evidence) -> Outcome:
    """Raises `ValueError` while `evidence_needed` has a question."""
    found = _weigh(evidence)
    if isinstance(found, Question):
        raise ValueError(f"{found} has to be asked first")
    return found


def _weigh(evidence: Evidence) -> Outcome | Question:
    """The first row that applies decides."""
    own_outcome = _own_outcome(evidence)
    if isinstance(own_outcome, Question):
        return own_outcome
    return (
        _of_refusal(evidence)
        or _of_outage(evidence, own_outcome)
        or _of_source(evidence, own_outcome)
        or _of_division(evidence, own_outcome)
    )


def _own_outcome(evidence: Evidence) -> OwnOutcome | Question:
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
        case RunSpentError():
            return Release(_release_seconds(evidence))  # Other runs go on (`haulier.worker.spent_runs`).
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


def _own_outcome_of_api(evidence: Evidence, error: ApiError) -> OwnOutcome | Question:
    match error.action:
        case Action.AUTH | Action.CONFIG:
            return Release(_release_seconds(evidence), stop=2)
        case Action.PAUSE:
            return Release(min(PAUSED_SECONDS, _release_seconds(evidence, error)))
        case Action.OUTAGE if error.fault is Fault.ISSUER:
            return Release(_release_seconds(evidence, error))
        case Action.OUTAGE if evidence.is_api_up is None:
            return Question.IS_API_UP
        case Action.OUTAGE if not evidence.is_api_up:
            return Release(_release_seconds(evidence, error))
        case Action.POISON if not evidence.failures:
            # Servers that start anew refuse what they will answer in a moment.
            return Retry(_between(1.0, 2.0, evidence.jitter) * REFUSED_SECONDS)
        case Action.POISON if evidence.is_undecided and not evidence.parent_cause:
            charged = _charge(evidence, error)
            return charged if isinstance(charged, Retry) else Poison("poison")
        case Action.POISON:
            return Poison("poison")
        case Action.SPLIT:
            return Poison("cap")
        case _:
            return _charge(evidence, error)


def _of_refusal(evidence: Evidence) -> Release | Question | None:
    """Uncharged, if the API now refuses also what it answered before: a right was revoked, a firewall shut, the API
    moved (G4)."""
    error, now = evidence.error, evidence.action_now
    if not _is_final(error):
        return None
    if now is None:
        return None if error.action is Action.SPLIT and evidence.has_succeeded_meanwhile else Question.IS_REFUSED_TO_ALL
    match now.action:
        case None if error.action is Action.SPLIT and evidence.depth >= TOO_MUCH_DEPTH:
            return Release(GIVE_UP_SECONDS, stop=2, error=explain_broken_source(evidence.kind, error))
        case None | Action.OK | Action.END | Action.ABSENT:
            return None
        case Action.POISON | Action.SPLIT | Action.AUTH | Action.CONFIG if evidence.refused_seconds_left > 0.0:
            return Release(0.0, hold_seconds=evidence.refused_seconds_left)
        case Action.POISON | Action.SPLIT | Action.AUTH | Action.CONFIG:
            return Release(GIVE_UP_SECONDS, stop=2, error=explain_refusal(evidence.kind, error))
        case _:
            return Release(_between(1.0, 8.0, evidence.jitter) * RETRY_BASE_SECONDS, error=now.error)


def _of_outage(evidence: Evidence, own_outcome: OwnOutcome) -> Release | Question | None:
    """Uncharged, if the answer is unreadable (half a body, an error under a good status), and good requests fare no
    better (G4)."""
    error = evidence.error
    if not _is_charged(own_outcome) or not _is_unusable_answer(error):
        return None
    if evidence.action_now is None:
        # What this process was answered tells more than a source that may have been changed since. Without that the
        # first items are asked before the API is.
        may_ask_api = evidence.has_witness if evidence.suspicion is None else evidence.suspicion is Suspicion.NONE
        return Question.IS_UNUSABLE_TO_ALL if may_ask_api and not evidence.has_succeeded_meanwhile else None
    return Release(_release_seconds(evidence, error)) if shows_outage(error, evidence.action_now) else None


def shows_outage(error: Exception, now: ActionNow) -> TypeGuard[ApiError]:
    bad = {Action.RETRY_LATER, Action.OUTAGE, Action.PAUSE, Action.AUTH, Action.CONFIG}
    return _is_unusable_answer(error) and now.action in bad


def _of_source(evidence: Evidence, own_outcome: OwnOutcome) -> Release | Split | Question | None:
    """Uncharged, if all first items of the kind fail alike."""
    error, again = evidence.error, again_seconds(evidence.releases, evidence.jitter)
    if not _is_charged(own_outcome):
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
        case Suspicion.OF_SIZE if evidence.parts is None:
            return Question.PARTS
        case Suspicion.OF_SIZE if evidence.parts:
            return Split(evidence.parts, Cause.FAILURE, is_first=True)
        case Suspicion.FEW_ITEMS if _may_be_of_record(error) and evidence.parts is None:
            return Question.PARTS
        case Suspicion.FEW_ITEMS if _may_be_of_record(error) and evidence.parts:
            return Split(evidence.parts, Cause.FAILURE)
        case Suspicion.FEW_ITEMS | Suspicion.OF_SIZE | Suspicion.PROVEN:
            return Release(
                GIVE_UP_SECONDS, stop=2, error=explain_broken_source(evidence.kind, error, evidence.failed_items)
            )


def _of_division(evidence: Evidence, own_outcome: OwnOutcome) -> OwnOutcome | Split | Question:
    reason = _reason_to_divide(evidence, own_outcome)
    if reason is None:
        return own_outcome
    if evidence.parts is None:
        return Question.PARTS
    if not evidence.parts:
        return own_outcome
    if reason.needs_api_proven_up and evidence.is_api_proven_up is None and not evidence.has_succeeded_meanwhile:
        return Question.IS_API_PROVEN_UP
    if reason.needs_api_proven_up and evidence.is_api_proven_up is False:
        return own_outcome
    return Split(evidence.parts, reason.cause)


@dataclass(frozen=True)
class Reason:
    cause: Cause
    needs_api_proven_up: bool = False
    """Only if the API answered somebody since the attempt began: else it may be the API that fails."""


def _reason_to_divide(evidence: Evidence, own_outcome: OwnOutcome) -> Reason | None:
    """None if the item should not be divided.

    It is divided at the latest where it would be poisoned; if the API is proven up, at the second charged failure, or
    the first of a part of what failed. So one bad record among 5,000 is reached in some 13 divisions, of two requests
    each. An uncharged failure never divides, so an outage does not.
    """
    error = evidence.error
    if isinstance(error, ApiError) and error.action is Action.SPLIT:
        return Reason(Cause.CAP)
    if isinstance(error, ApiError) and error.action is Action.POISON:
        return _reason_of_refused(evidence, own_outcome, error)
    if isinstance(error, ApiError) and not error.shape.may_be_of_data:
        return None
    if evidence.parent_cause and evidence.is_in_vain:
        return None
    match own_outcome:
        case Poison("crashed"):
            return Reason(Cause.CRASH)
        case Release() if isinstance(error, CrashedError) and evidence.parent_cause == Cause.CRASH:
            return Reason(Cause.CRASH)
        case Poison("failed"):
            return Reason(_cause(error))
        case Retry() if _may_divide_early(evidence):
            return Reason(_cause(error), needs_api_proven_up=True)
        case _:
            return None


def _reason_of_refused(evidence: Evidence, own_outcome: OwnOutcome, error: ApiError) -> Reason | None:
    """One row may be why an item is refused; a wrong filter is wrong in each part too."""
    if not is_final_refusal(error) or evidence.is_refused_in_vain:
        return None
    if isinstance(own_outcome, Poison):
        return Reason(Cause.FAILURE)
    return Reason(Cause.FAILURE, needs_api_proven_up=True) if evidence.parent_cause else None


def _cause(error: Exception) -> Cause:
    is_time_out = isinstance(error, DeadlineError) or (isinstance(error, ApiError) and error.is_time_out)
    return Cause.TIME_OUT if is_time_out else Cause.FAILURE


def _may_divide_early(evidence: Evidence) -> bool:
    error = evidence.error
    if isinstance(error, ApiError) and not error.may_be_of_item:
        return False
    if evidence.parent_cause:
        return True
    # What a processor raises may be about anything that it uses besides the API.
    return evidence.failures > 0 and isinstance(error, ApiError | DeadlineError)


def _is_charged(own_outcome: OwnOutcome) -> bool:
    return isinstance(own_outcome, Retry) or own_outcome in (Poison("failed"), Poison("poison"))


def _is_final(error: Exception) -> TypeGuard[ApiError]:
    return _is_answer(error) and error.action in {Action.POISON, Action.SPLIT}


def _is_unusable_answer(error: Exception) -> TypeGuard[ApiError]:
    """Such an answer may be usable another time."""
    return _is_answer(error) and error.action is Action.RETRY_LATER


def _is_answer(error: Exception) -> TypeGuard[ApiError]:
    return isinstance(error, ApiError) and (error.status is not None or error.fault is not None)


def _may_be_of_record(error: Exception) -> bool:
    """Whether one record, or one value of several, may be the reason, so that the item's parts tell more."""
    if not isinstance(error, ApiError):
        return True
    return error.shape in {Shape.VALUES, Shape.COUNT} or (error.shape is Shape.NONE and _is_answer(error))


def _charge(evidence: Evidence, error: ApiError | None = None) -> Retry | Poison:
    if evidence.failures + 1 >= evidence.max_failures:
        return Poison("failed")
    wished_seconds = 0.0 if error is None else error.retry_after_seconds or 0.0
    return Retry(max(_backoff(evidence.failures, evidence.jitter), wished_seconds))


def _release_seconds(evidence: Evidence, error: ApiError | None = None) -> float:
    wished_seconds = 0.0 if error is None else error.retry_after_seconds or 0.0
    return max(_backoff(evidence.releases, evidence.jitter), wished_seconds)


def _backoff(times: int, jitter: float) -> float:
    span = min(RETRY_CAP_SECONDS, RETRY_BASE_SECONDS * 2.0 ** min(times, 12))
    return _between(span / 4, span, jitter)


def _between(low: float, high: float, jitter: float) -> float:
    return low + (high - low) * jitter
