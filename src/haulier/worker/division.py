"""Divide before you poison: which failures divide an item, and when (docs/unreadable-records.md#what-happened).

`reason_to_divide` is a table, as `outcome.decide` is, and is asked after it. Only what would be charged divides, so
that an outage does not; and dividing itself charges nobody: the parts start with no failures.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from haulier.api.errors import Action, ApiError
from haulier.errors import UsageError
from haulier.items.workitem import WorkItem
from haulier.runs.plan import planned
from haulier.runs.records import PlannedItem
from haulier.worker.crash_guard import CrashedError
from haulier.worker.deadline import DeadlineError
from haulier.worker.outcome import Circumstances, GiveUp, Lost, Poison, Release, Retry
from haulier.worker.settings import MAX_CHILDREN, MAX_DEPTH, MAX_IN_VAIN, MAX_REFUSED


class Cause(StrEnum):
    """Why an item is divided. The words stand in child lists and messages."""

    CAP = "cap"
    """The API does not hand out so much at once. The parts are as good as any."""
    TIME_OUT = "time_out"
    FAILURE = "failure"
    """The same failure again and again: a record of it cannot be read, or breaks its processor."""
    CRASH = "crash"
    """It ended its process: the parts run alone from the start."""


def suspect_by(cause: str) -> str:
    """What the parts of a divided item carry on: the fault is in one of them, and need not prove itself as often again.

    ``cause`` as the child list says it.
    """
    return "" if cause == Cause.CAP else cause


@dataclass(frozen=True)
class Reason:
    """Why the item should be divided rather than end as it would."""

    cause: Cause
    needs_proof: bool = False
    """Only if the API has answered others meanwhile: else it may be the API that fails, and not the item."""


def reason_to_divide(
    error: Exception, outcome: Retry | Release | Poison | GiveUp | Lost, around: Circumstances
) -> Reason | None:
    """Why the item should be divided rather than end as ``outcome``; None if it should not.

    At the latest where it would be poisoned. Earlier where that is clear: at the second charged failure, or the first
    of a part of what was divided for its failures, given proof. So one bad record among 5,000 is reached in some 13
    divisions, of two requests each.
    """
    if isinstance(error, ApiError) and error.action is Action.SPLIT:
        return Reason(Cause.CAP)
    if isinstance(error, ApiError) and error.action is Action.POISON:
        return _reason_of_refused(error, outcome, around)
    if isinstance(error, ApiError) and not error.shape.may_be_of_data:
        return None
    if around.suspect and around.is_in_vain:
        return None
    match outcome:
        case Poison("crashed"):
            return Reason(Cause.CRASH)
        case Release() if isinstance(error, CrashedError) and around.suspect == Cause.CRASH:
            return Reason(Cause.CRASH)
        case Poison("failed"):
            return Reason(_cause(error))
        case Retry() if _is_clear(error, around):
            return Reason(_cause(error), needs_proof=True)
        case _:
            return None


def is_refused(error: Exception | None) -> bool:
    """Whether the API itself said that this request cannot succeed."""
    return (
        isinstance(error, ApiError)
        and error.action is Action.POISON
        and (error.status is not None or error.fault is not None)
    )


def _reason_of_refused(
    error: ApiError, outcome: Retry | Release | Poison | GiveUp | Lost, around: Circumstances
) -> Reason | None:
    """One row may be why an item is refused, as for an error 500; a filter that is wrong is wrong in each part too."""
    if not is_refused(error) or around.is_refused_in_vain:
        return None
    if isinstance(outcome, Poison):
        return Reason(Cause.FAILURE)
    return Reason(Cause.FAILURE, needs_proof=True) if around.suspect else None


def parts_of(parts: Iterable[WorkItem], key: str, depth: int) -> tuple[PlannedItem, ...]:
    """The parts of the item ``key`` as a child list has them; none where it is not to be divided (further).

    ``depth`` is its own. `UsageError` for parts that could not be told apart, or are the item itself: its rows would be
    lost, since a divided item has none of its own.
    """
    found: dict[str, PlannedItem] = {}
    if depth >= MAX_DEPTH:
        return ()
    for part in parts:
        child = planned(part)
        known = found.setdefault(child.key, child)
        if child.key == key or known != child:
            raise UsageError(
                f"The divider of kind {part.kind!r} divides {key!r} into {'itself' if child.key == key else 'equals'}. "
                "Yield smaller items that together ask for the same records, or none."
            )
        if len(found) > MAX_CHILDREN:
            raise UsageError(f"The divider of kind {part.kind!r} makes more than {MAX_CHILDREN} items of {key!r}.")
    return tuple(found.values())


class Suspects:
    """Whether dividing parts again leads anywhere. In a range without one good record, or under an API that has changed
    its answers, it would end in one poisoned item for each ID."""

    def __init__(self) -> None:
        self._in_vain = 0
        self._refused = 0
        """Parts that were refused again."""
        self._begun = 0
        """Items that were divided since they were refused."""

    @property
    def is_in_vain(self) -> bool:
        return self._in_vain >= MAX_IN_VAIN

    @property
    def is_refused_in_vain(self) -> bool:
        """The same of what the API refuses."""
        return self._refused >= MAX_REFUSED

    @property
    def is_undecided(self) -> bool:
        """Many refused items were divided, and none of their parts has told yet whether that helps."""
        return self._begun >= MAX_REFUSED and not self.is_refused_in_vain

    def note_refused(self, *, is_part: bool) -> None:
        """A refused item was divided; or a refused part was, or was poisoned."""
        if is_part:
            self._refused += 1
        else:
            self._begun += 1

    def note_divided(self) -> None:
        """A part was divided again."""
        self._in_vain += 1

    def note_good(self) -> None:
        """A part ended well: the fault was in another one, and was come closer to."""
        self._in_vain = self._refused = self._begun = 0


def _cause(error: Exception) -> Cause:
    is_time_out = isinstance(error, DeadlineError) or (isinstance(error, ApiError) and error.is_time_out)
    return Cause.TIME_OUT if is_time_out else Cause.FAILURE


def _is_clear(error: Exception, around: Circumstances) -> bool:
    """Whether it may be the item's own doing, some charges before their number says so."""
    if isinstance(error, ApiError) and not error.may_be_of_item:
        return False
    if around.suspect:
        return True
    # What a processor raises may be about anything that it uses besides the API.
    return around.failures > 0 and isinstance(error, ApiError | DeadlineError)
