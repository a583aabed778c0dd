"""A wrong source: the first items of a kind all fail in the same way, and none ends well, however many there are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import Enum, auto

from haulier.api.errors import Action, ApiError, Shape
from haulier.errors import HaulierError, ItemError, UsageError, sentence
from haulier.queues.envelope import Envelope
from haulier.worker.deadline import DeadlineError
from haulier.worker.settings import ENOUGH_ITEMS, PROOF_SECONDS, PROOF_TRIES

MIN_HELD_SECONDS = 1.0
"""In a slot, where a slow item is waited for."""
AGAIN_CAP_SECONDS = 60.0


class Suspicion(Enum):
    """Whose fault the failure of an item may be."""

    NONE = auto()
    """The item's own."""
    POSSIBLE = auto()
    """Perhaps the source's: nothing has ended well yet. Others are asked for first, and then this one again."""
    STRONG = auto()
    """The same, and enough have failed: whether that lasts is seen a moment later, and no others are asked for."""
    FEW_ITEMS = auto()
    """The source's as far as there are items to tell, which are few."""
    PROVEN = auto()
    """The source's: it failed alike for enough items."""


@dataclass(frozen=True)
class _Sign:
    """What a failure tells of the source."""

    text: str
    """Equal for failures that are alike."""
    is_of_pages: bool = False
    """A page that was read speaks against it: the source is right about that much."""
    is_weak: bool = False
    """A record may do it: the few items that there are prove nothing."""


@dataclass
class _Kind:
    """What is known of the items of one kind."""

    signs: dict[str, str] = field(default_factory=dict)
    """Of each of the first items: what it failed with, empty as long as it has not."""
    tries: dict[str, int] = field(default_factory=dict)
    failing_since: float | None = None
    has_page: bool = False
    has_worked_before: bool = False
    """In another process, or an earlier one."""
    is_over: bool = False
    is_proven: bool = False

    @property
    def failed(self) -> int:
        return sum(1 for sign in self.signs.values() if sign)


class FirstItems:
    """Watches the first ``count`` items of each kind that a worker takes, until one of them ends well or fails in
    another way.

    A few of them are enough in a run in which no item of the kind has ever ended well. Where one has, the source was
    right once, and all of the first must fail. What failed before or is redriven is known to be bad, and tells nothing;
    so does what was cut out of what failed, unless nothing has ever ended well.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._kinds: dict[str, _Kind] = defaultdict(_Kind)

    def note_begun(self, envelope: Envelope) -> None:
        """An item's processor is about to run."""
        kind = self._kinds[envelope.kind]
        if self._is_watched(kind, envelope) and len(kind.signs) < self._count:
            kind.signs.setdefault(envelope.key, "")

    def note_page(self, kind: str) -> None:
        """A page was read, and the processor yielded it."""
        self._kinds[kind].has_page = True

    def note_good(self, kind: str) -> None:
        """A processor ran to its end, so the source can be right."""
        self._kinds[kind] = _Kind(is_over=True)

    def note_left(self, envelope: Envelope) -> None:
        """An attempt is over. What did not fail by itself is not waited for."""
        signs = self._kinds[envelope.kind].signs
        if signs.get(envelope.key) == "":
            del signs[envelope.key]

    def note_worked_before(self, kind: str) -> None:
        """An item of this run and kind has ended well elsewhere."""
        self._kinds[kind].has_worked_before = True

    def is_asking(self, kind: str) -> bool:
        """Whether it matters if an item of this kind has ended well elsewhere."""
        known = self._kinds[kind]
        return not (known.is_over or known.is_proven or known.has_worked_before or self._count == 0)

    def failed(self, kind: str) -> int:
        """How many of the first items have failed."""
        return self._kinds[kind].failed

    def seconds_left(self, kind: str, now: float) -> float:
        """Until it can be said that failing alike lasts; some time in any case, where a slow item is waited for."""
        since = self._kinds[kind].failing_since
        return max(MIN_HELD_SECONDS, (now if since is None else since) + PROOF_SECONDS - now)

    def note_proven(self, kind: str) -> None:
        """The few that there are were taken for enough: what is under way is handed back too."""
        self._kinds[kind].is_proven = True

    def note_failed(self, envelope: Envelope, error: Exception, now: float) -> Suspicion:
        """What to make of a failure that would be charged, at a monotonic time."""
        kind, sign = self._kinds[envelope.kind], _sign_of(error)
        if kind.is_proven:
            return Suspicion.PROVEN
        if sign is None or not self._is_watched(kind, envelope) or (kind.has_page and sign.is_of_pages):
            return Suspicion.NONE
        if sign.is_weak and envelope.suspect:
            return Suspicion.NONE
        if any(known not in ("", sign.text) for known in kind.signs.values()):
            self.note_good(envelope.kind)  # Different faults are the items' own.
            return Suspicion.NONE
        return self._weighed(kind, envelope, sign, now)

    def _weighed(self, kind: _Kind, envelope: Envelope, sign: _Sign, now: float) -> Suspicion:
        key = envelope.key
        if key not in kind.signs and len(kind.signs) >= self._count:
            return Suspicion.POSSIBLE  # It is for the first of them to tell.
        kind.signs[key] = sign.text
        kind.tries[key] = tries = kind.tries.get(key, 0) + 1
        kind.failing_since = now if kind.failing_since is None else kind.failing_since
        is_clear = "" not in kind.signs.values() and now - kind.failing_since >= PROOF_SECONDS
        if kind.failed >= (self._count if kind.has_worked_before else min(self._count, ENOUGH_ITEMS)):
            kind.is_proven = is_clear
            return Suspicion.PROVEN if is_clear else Suspicion.STRONG
        if kind.has_worked_before or sign.is_weak:
            return Suspicion.POSSIBLE if tries == 1 else Suspicion.NONE
        has_tried = tries >= (1 if envelope.suspect else PROOF_TRIES)
        return Suspicion.FEW_ITEMS if has_tried and is_clear else Suspicion.POSSIBLE

    def _is_watched(self, kind: _Kind, envelope: Envelope) -> bool:
        if self._count == 0 or kind.is_over or envelope.failures or envelope.redrives:
            return False
        return not (envelope.suspect and kind.has_worked_before)


def again_seconds(releases: int, jitter: float) -> float:
    """When to ask again for an item that is doubted: the second and third time soon, and less and less often where it
    is others that are waited for, since each time may be a walk of many pages."""
    return (0.5 + jitter / 4) * min(AGAIN_CAP_SECONDS, PROOF_SECONDS * 2.0 ** min(max(0, releases - 2), 8))


class StoppedError(UsageError):
    """The worker ends, and ``reason``, which an item failed with, is why."""

    def __init__(self, text: str, reason: Exception) -> None:
        self.reason = reason
        super().__init__(text)


def broken(kind: str, error: Exception, items: int = 2) -> StoppedError:
    """What a person is told: nothing is wrong with the items, and it is theirs to change."""
    first = "The first items of this worker all failed in the same way, and none ended well. The last one"
    if items == 1:
        first = "There is one item to go by, and it failed in the same way each time. It"
    what, check = "", ""
    if not isinstance(error, ApiError):
        what = f"{type(error).__name__}: "
        check = " (is it the right version, and does its processor find what it needs here?)"
    # The failure stands last: it may end with the beginning of the API's answer, behind which nobody reads on.
    return StoppedError(
        f"{first} is of kind {kind!r}. Nothing was counted against the items. Correct the source{check}, then run it "
        f"again. What failed: {what}{sentence(error)}",
        error,
    )


def refused(kind: str, error: Exception) -> StoppedError:
    """The same for a worker that was answered well before."""
    return StoppedError(
        "The API now refuses every request, also those that it answered before. The items were handed back, uncounted. "
        "Ask the API's people, or correct the source; then run it again. What was refused, of kind "
        f"{kind!r}: {sentence(error)}",
        error,
    )


def _sign_of(error: Exception) -> _Sign | None:
    """What tells of the source: its code, its paths, its queries; None where it is the API's doing."""
    if isinstance(error, ApiError):
        match error.shape:
            case Shape.NONE:
                where = error.status or error.fault
                return _Sign(f"refused {where}", is_of_pages=True) if error.action is Action.POISON else None
            case Shape.PAGING:
                return _Sign("paging")
            case Shape.UNPARSED:
                return _Sign("unparsed", is_of_pages=True, is_weak=True)
            case _:
                return _Sign("shape", is_of_pages=True)
    if isinstance(error, HaulierError) and (not isinstance(error, ItemError) or isinstance(error, DeadlineError)):
        return None
    return _Sign(type(error).__name__)
