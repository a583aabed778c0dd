"""Divides items, and notices when that leads nowhere. `haulier.worker.blame` decides when.

Dividing charges nobody: the parts start with no failures.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from haulier.api.errors import Action, ApiError
from haulier.errors import UsageError
from haulier.items.workitem import WorkItem
from haulier.runs.plan import plan_item, size_of
from haulier.runs.records import PlannedItem
from haulier.worker.settings import MAX_CHILDREN, MAX_CHILDREN_BYTES, MAX_DEPTH, MAX_IN_VAIN, MAX_REFUSED


class Cause(StrEnum):
    """The words stand in child lists and messages."""

    CAP = "cap"
    """The API does not hand out so much at once: no part is suspect."""
    TIME_OUT = "time_out"
    FAILURE = "failure"
    """The same failure again: a record cannot be read, or breaks its processor."""
    CRASH = "crash"
    """It ended its process: the parts run alone from the start."""


def suspect_by(cause: str) -> str:
    """Say what the children are suspected of. A suspect needs to prove its failure less often."""
    return "" if cause == Cause.CAP else cause


def is_final_refusal(error: Exception | None) -> bool:
    return (
        isinstance(error, ApiError)
        and error.action is Action.POISON
        and (error.status is not None or error.fault is not None)
    )


def parts_of(parts: Iterable[WorkItem], key: str, depth: int) -> tuple[PlannedItem, ...]:
    """Make the lines of the child list of ``key``, which was itself divided ``depth`` times; none at `MAX_DEPTH`.

    Raises `UsageError` for parts with one key, or the item itself: its rows would be lost.
    """
    found: dict[str, PlannedItem] = {}
    if depth >= MAX_DEPTH:
        return ()
    size_bytes = 0
    for part in parts:
        child = plan_item(part)
        known = found.setdefault(child.key, child)
        if child.key == key or known != child:
            raise UsageError(
                f"The divider of kind {part.kind!r} divides {key!r} into {'itself' if child.key == key else 'equals'}. "
                "Yield smaller items that together ask for the same records, or none."
            )
        if len(found) > MAX_CHILDREN:
            raise UsageError(f"The divider of kind {part.kind!r} makes more than {MAX_CHILDREN} items of {key!r}.")
        size_bytes += size_of(child)
        if size_bytes > MAX_CHILDREN_BYTES:
            raise UsageError(
                f"The divider of kind {part.kind!r} makes items of {key!r} with parameters of more than "
                f"{MAX_CHILDREN_BYTES} bytes. Put less into them: a range or an ID instead of the data itself."
            )
    return tuple(found.values())


class Suspects:
    """Counts divisions that led nowhere: a range without one good record would end in one poisoned item for each ID."""

    def __init__(self) -> None:
        self._in_vain = 0
        self._refused = 0
        self._begun = 0

    @property
    def is_in_vain(self) -> bool:
        return self._in_vain >= MAX_IN_VAIN

    @property
    def is_refused_in_vain(self) -> bool:
        return self._refused >= MAX_REFUSED

    @property
    def is_undecided(self) -> bool:
        """Many refused items were divided, and no part has ended yet."""
        return self._begun >= MAX_REFUSED and not self.is_refused_in_vain

    def note_refused(self, *, is_part: bool) -> None:
        """Count a refused item that was divided, or a refused part that was divided or poisoned."""
        if is_part:
            self._refused += 1
        else:
            self._begun += 1

    def note_divided(self) -> None:
        self._in_vain += 1

    def note_good(self) -> None:
        self._in_vain = self._refused = self._begun = 0
