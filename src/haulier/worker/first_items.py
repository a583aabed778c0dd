"""A bad deployment: the first items of a worker all fail in the same way, and none ends well."""

from __future__ import annotations

from enum import Enum, auto

from haulier.api.verdict import ApiError, Verdict
from haulier.errors import HaulierError, ItemError, UsageError, sentence
from haulier.queues.envelope import Envelope
from haulier.worker.deadline import DeadlineError


class Doubt(Enum):
    """Whose fault the failure of an item may be."""

    NONE = auto()
    """The item's own."""
    YES = auto()
    """Perhaps the processor's: nothing has ended well yet."""
    PROVEN = auto()
    """The processor's: it failed alike for all of the first items."""


class FirstItems:
    """Watches the first ``count`` items that a worker takes, until one of them ends well or fails in another way.

    Only fresh items tell something: what failed before, is redriven or was cut out of what failed is known to be bad.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._signs: dict[str, str] = {}
        """Of each of the first items: what it failed with, empty as long as it has not."""
        self._is_over = count == 0
        self._is_proven = False

    def note_begun(self, envelope: Envelope) -> None:
        """An item's processor is about to run."""
        is_fresh = not (envelope.failures or envelope.redrives or envelope.suspect)
        if is_fresh and not self._is_over and len(self._signs) < self._count:
            self._signs.setdefault(envelope.key, "")

    def note_good(self) -> None:
        """A processor ran to its end, so it can be right."""
        self._is_over = True

    def note_failed(self, envelope: Envelope, error: Exception) -> Doubt:
        """What to make of a failure that would be charged. An item is given the benefit of the doubt once."""
        if self._is_proven:
            return Doubt.PROVEN
        if self._is_over or self._signs.get(envelope.key) != "":
            return Doubt.NONE
        sign = f"{type(error).__name__} {error.status if isinstance(error, ApiError) else ''}"
        if not _is_of_processor(error) or any(known not in ("", sign) for known in self._signs.values()):
            self._is_over = True
            return Doubt.NONE
        self._signs[envelope.key] = sign
        if len(self._signs) < self._count or "" in self._signs.values():
            return Doubt.YES
        self._is_proven = True
        return Doubt.PROVEN


def broken(kind: str, error: Exception) -> UsageError:
    """What a person is told: nothing is wrong with the items, and it is theirs to change."""
    return UsageError(
        f"The first items of this worker all failed in the same way, and none ended well. The last one, of kind "
        f"{kind!r}, with {type(error).__name__}: {sentence(error)} The items were handed back, uncounted. Correct "
        "the source (is it the right version, and does its processor find what it needs here?), then run it again."
    )


def refused(kind: str, error: Exception) -> UsageError:
    """The same for a worker that was answered well before."""
    return UsageError(
        f"The API refuses everybody now, also what it answered before. Of kind {kind!r}: {sentence(error)} The items "
        "were handed back, uncounted. Ask the API's people, or correct the source; then run it again."
    )


def _is_of_processor(error: Exception) -> bool:
    """Whether it may come from what the source says: its code, its paths, its queries."""
    if isinstance(error, ApiError):
        return error.verdict is Verdict.POISON
    if isinstance(error, HaulierError):
        return isinstance(error, ItemError) and not isinstance(error, DeadlineError)
    return True
