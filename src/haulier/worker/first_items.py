"""Notices a wrong source: the first items of a kind all fail alike, and none yields a record."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from haulier.api.errors import Action, ApiError, Shape
from haulier.errors import HaulierError, ItemError, UsageError, sentence
from haulier.queues.envelope import Envelope
from haulier.worker.deadline import DeadlineError
from haulier.worker.settings import ENOUGH_ITEMS, PROOF_SECONDS, PROOF_TRIES

MIN_HOLD_SECONDS = 1.0
"""The least time for which a suspect item keeps its slot to wait for a slow one."""
MAX_AGAIN_SECONDS = 60.0


class Suspicion(Enum):
    """Whether the source is to blame for the failure of an item."""

    NONE = auto()
    POSSIBLE = auto()
    """Nothing has ended well yet: others are asked for first."""
    STRONG = auto()
    """Enough items failed alike. If that lasts for some seconds, the source is proven wrong."""
    FEW_ITEMS = auto()
    """The few items that there are all failed alike."""
    OF_SIZE = auto()
    """As PROVEN; but where less is asked for, the API may keep its word. The parts of one item tell."""
    PROVEN = auto()


@dataclass(frozen=True)
class _Sign:
    texts: frozenset[str]
    """Like failures share one."""
    is_of_pages: bool = False
    """A page with records that was read refutes it."""
    is_refusal: bool = False
    """An item that was answered well refutes it, though it had no record."""
    is_of_size: bool = False
    """Smaller items may end well."""
    is_weak: bool = False
    """One record may cause it, or a bad hour of what works behind the API, so few items prove nothing."""


@dataclass
class _Kind:
    signs: dict[str, frozenset[str]] = field(default_factory=dict)
    """The failure of each first item by key; empty until it has failed."""
    divided: set[str] = field(default_factory=set)
    """Those of which the parts tell."""
    tries: dict[str, int] = field(default_factory=dict)
    failing_since: float | None = None
    probed_at: float | None = None
    """When an item was divided to see whether its size is why."""
    has_page: bool = False
    """With records."""
    has_empty: bool = False
    """An item ended well without a record, in any process. What no record was read with may still be wrong."""
    has_worked_before: bool = False
    """An item with records stands in the lake, of any process."""
    is_over: bool = False
    is_source_proven_wrong: bool = False

    @property
    def counted(self) -> list[frozenset[str]]:
        """A bad record fails its item, and each part that holds it. Among empty ones the smallest of them counts."""
        left = self.divided if self.has_empty else ()
        return [sign for key, sign in self.signs.items() if key not in left]

    @property
    def failed(self) -> int:
        return sum(map(bool, self.counted))


class FirstItems:
    """Watches the first ``count`` items of each kind, until one yields a record or they fail in different ways.

    Where none of the kind has ever had a record in the run, `ENOUGH_ITEMS` suffice. An item that ends well without one
    proves nothing about what is read in records, so it is passed over; but it shows that the API answers. Items that
    failed before or are redriven tell nothing, nor do parts of failed items where some item had records.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._kinds: dict[str, _Kind] = defaultdict(_Kind)

    def note_begun(self, envelope: Envelope) -> None:
        kind = self._kinds[envelope.kind]
        if self._is_watched(kind, envelope) and len(kind.counted) < self._count:
            kind.signs.setdefault(envelope.key, _NO_SIGN)

    def note_page(self, kind: str) -> None:
        self._kinds[kind].has_page = True

    def note_good(self, kind: str) -> None:
        self._kinds[kind] = _Kind(is_over=True)

    def note_empty(self, kind: str) -> None:
        self._kinds[kind].has_empty = True

    def note_divided(self, envelope: Envelope) -> None:
        kind = self._kinds[envelope.kind]
        if envelope.key in kind.signs:
            kind.divided.add(envelope.key)

    def note_left(self, envelope: Envelope) -> None:
        """An item that did not fail by itself is no longer waited for."""
        signs = self._kinds[envelope.kind].signs
        if signs.get(envelope.key) == _NO_SIGN:
            del signs[envelope.key]

    def note_worked_before(self, kind: str) -> None:
        self._kinds[kind].has_worked_before = True

    def is_asking(self, kind: str) -> bool:
        known = self._kinds[kind]
        return not (known.is_over or known.is_source_proven_wrong or known.has_worked_before or self._count == 0)

    def has_answered(self, kind: str) -> bool:
        """Whether an item is known to have ended well, with a record or without."""
        known = self._kinds[kind]
        return known.has_empty or known.is_over

    def failed(self, kind: str) -> int:
        return self._kinds[kind].failed

    def seconds_left(self, kind: str, now: float) -> float:
        """At least `MIN_HOLD_SECONDS`."""
        since = self._kinds[kind].failing_since
        return max(MIN_HOLD_SECONDS, (now if since is None else since) + PROOF_SECONDS - now)

    def note_source_proven_wrong(self, kind: str) -> None:
        self._kinds[kind].is_source_proven_wrong = True

    def note_failed(self, envelope: Envelope, error: Exception, now: float) -> Suspicion:
        """For a failure that would be charged."""
        kind, sign = self._kinds[envelope.kind], _sign_of(error)
        if kind.is_source_proven_wrong:
            return Suspicion.PROVEN
        if sign is None or not self._is_watched(kind, envelope) or (kind.has_page and sign.is_of_pages):
            return Suspicion.NONE
        if sign.is_refusal and kind.has_empty:
            return Suspicion.NONE
        known = [texts for texts in kind.signs.values() if texts]
        if not sign.texts.intersection(*known):
            self.note_good(envelope.kind)  # Different faults are the items' own.
            return Suspicion.NONE
        return self._weigh(kind, envelope, sign, now)

    def _weigh(self, kind: _Kind, envelope: Envelope, sign: _Sign, now: float) -> Suspicion:
        key = envelope.key
        is_of_probe = bool(envelope.suspect) and kind.probed_at is not None
        if key not in kind.signs and len(kind.counted) >= self._count and not is_of_probe:
            return Suspicion.POSSIBLE  # It is for the first of them to tell.
        kind.signs[key] = sign.texts
        kind.tries[key] = tries = kind.tries.get(key, 0) + 1
        kind.failing_since = now if kind.failing_since is None else kind.failing_since
        is_clear = _NO_SIGN not in kind.signs.values() and now - kind.failing_since >= PROOF_SECONDS
        # A few records that stand side by side may all be bad, and each of their ranges with them.
        needs_all = kind.has_worked_before or (sign.is_weak and envelope.suspect)
        if kind.failed >= (self._count if needs_all else min(self._count, ENOUGH_ITEMS)):
            if is_clear and sign.is_of_size and not envelope.suspect:
                return self._probe(kind, now)
            kind.is_source_proven_wrong = is_clear
            return Suspicion.PROVEN if is_clear else Suspicion.STRONG
        if kind.has_worked_before or sign.is_weak:
            return Suspicion.POSSIBLE if tries == 1 and not envelope.suspect else Suspicion.NONE
        has_tried = tries >= (1 if envelope.suspect else PROOF_TRIES)
        if kind.has_empty:  # The API answers, and the few that fail may be the only ones that are bad.
            return Suspicion.NONE if has_tried else Suspicion.POSSIBLE
        return Suspicion.FEW_ITEMS if has_tried and is_clear else Suspicion.POSSIBLE

    def _probe(self, kind: _Kind, now: float) -> Suspicion:
        """One item at a time."""
        if kind.probed_at is not None and now - kind.probed_at < MAX_AGAIN_SECONDS:
            return Suspicion.POSSIBLE
        kind.probed_at = now
        return Suspicion.OF_SIZE

    def _is_watched(self, kind: _Kind, envelope: Envelope) -> bool:
        if self._count == 0 or kind.is_over or envelope.failures or envelope.redrives:
            return False
        return not (envelope.suspect and kind.has_worked_before)


def again_seconds(releases: int, jitter: float) -> float:
    """Short at first, then doubling, since each try may be a walk of many pages."""
    return (0.5 + jitter / 4) * min(MAX_AGAIN_SECONDS, PROOF_SECONDS * 2.0 ** min(max(0, releases - 2), 8))


class StoppedError(UsageError):
    """The worker stops for a ``reason`` that an item failed with: the source is wrong, or the API refuses everybody.

    To do: what the text says; nothing is counted against the items. Then the same command again.
    """

    def __init__(self, text: str, reason: Exception) -> None:
        self.reason = reason
        super().__init__(text)


def explain_broken_source(kind: str, error: Exception, items: int = 2) -> StoppedError:
    first = "The first items of this worker all failed in the same way, and none had a record. The last one"
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


def explain_refusal(kind: str, error: Exception) -> StoppedError:
    return StoppedError(
        "The API now refuses every request, also those that it answered before. The items were handed back, uncounted. "
        "Ask the API's people, or correct the source; then run it again. What was refused, of kind "
        f"{kind!r}: {sentence(error)}",
        error,
    )


_NO_SIGN: Final[frozenset[str]] = frozenset()


def _sign_of(error: Exception) -> _Sign | None:
    """None where the failure is the API's doing."""
    if isinstance(error, ApiError):
        match error.shape:
            case Shape.NONE if error.action is Action.POISON:
                return _Sign(frozenset({f"refused {error.status or error.fault}"}), is_of_pages=True, is_refusal=True)
            case Shape.NONE:
                return None
            case Shape.COUNT:
                return _Sign(frozenset(error.likeness), is_of_size=True)
            case Shape.PAGING:
                return _Sign(frozenset({"paging"}))
            case Shape.JOB_END:
                return _Sign(frozenset(error.likeness), is_weak=True)
            case Shape.UNPARSED:
                return _Sign(frozenset({"unparsed"}), is_of_pages=True, is_weak=True)
            case _:
                return _Sign(frozenset({"shape"}), is_of_pages=True)
    if isinstance(error, HaulierError) and (not isinstance(error, ItemError) or isinstance(error, DeadlineError)):
        return None
    return _Sign(frozenset({type(error).__name__}))
