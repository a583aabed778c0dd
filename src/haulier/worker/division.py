"""Dividing an item: its parts, what they are suspected of, and when dividing leads nowhere.

When an item is divided, `haulier.worker.blame` decides. Dividing charges nobody: the parts start with no failures.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from haulier.api.errors import Action, ApiError
from haulier.errors import UsageError
from haulier.items.workitem import WorkItem
from haulier.runs.plan import planned
from haulier.runs.records import PlannedItem
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


def is_refused(error: Exception | None) -> bool:
    """Whether the API itself said that this request cannot succeed."""
    return (
        isinstance(error, ApiError)
        and error.action is Action.POISON
        and (error.status is not None or error.fault is not None)
    )


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
