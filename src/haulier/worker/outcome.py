"""What becomes of an item: one pure function from what happened to what is done about it.

The table is `decide`; it needs no queue, lake or network to be walked by a test. Charging:
docs/protocol.md#what-is-charged.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from haulier.api.errors import Action, ApiError
from haulier.errors import (
    BrokenEnvelopeError,
    DamagedObjectError,
    LeaseLostError,
    SweptError,
    UnavailableError,
    UsageError,
)
from haulier.runs.records import PlannedItem, Receipt
from haulier.worker.crash_guard import CrashedError, InterruptedAloneError
from haulier.worker.settings import MAX_CRASHES, REFUSED_SECONDS

RETRY_BASE_SECONDS = 2.0
RETRY_CAP_SECONDS = 600.0
PAUSED_SECONDS = 5.0
"""The longest delay of an item because of a pause: nobody takes it meanwhile, and a person may lift it any time."""
GIVE_UP_SECONDS = 1.0
"""A closing takes about this long; the item is looked up again after it."""


@dataclass(frozen=True)
class Done:
    """The object stands, ours or another attempt's."""

    receipt: Receipt


@dataclass(frozen=True)
class Empty:
    """The item ended without records."""

    requests: int = 0
    seconds: float = 0.0
    hidden: int = 0
    """As in `Receipt`."""


@dataclass(frozen=True)
class Split:
    """The item was divided."""

    children: tuple[PlannedItem, ...]
    cause: str = ""
    """Empty where its processor did it; else why, as the child list says it."""


@dataclass(frozen=True)
class GiveUp:
    """A closing came in between: drop the bytes, charge nothing (P7)."""

    delay_seconds: float = GIVE_UP_SECONDS


@dataclass(frozen=True)
class Lost:
    """The lease is somebody else's: drop the bytes, touch nothing."""


@dataclass(frozen=True)
class Retry:
    """The item failed by itself: charged, and tried again later."""

    delay_seconds: float


@dataclass(frozen=True)
class Release:
    """Something around the item failed: uncharged. ``stop`` ends the worker with that exit code."""

    delay_seconds: float
    stop: int | None = None


@dataclass(frozen=True)
class Poison:
    """The item failed too often, or cannot ever succeed."""

    reason: str


Outcome = Done | Empty | Split | GiveUp | Lost | Retry | Release | Poison


@dataclass(frozen=True)
class Circumstances:
    """What the decision about a failure depends on besides the failure itself."""

    failures: int
    """Charged so far, this one not yet."""
    releases: int
    max_failures: int
    is_healthy: bool
    """Some request of the scope succeeded in the last 60 seconds."""
    is_proven: bool
    """Some request of the scope has ever succeeded."""
    suspect: str = ""
    """Why the item was divided that this one is a part of, as its message has it."""
    is_in_vain: bool = False
    """Parts were divided again and again, and none of them was good."""
    is_refused_in_vain: bool = False
    """Parts of what was refused are refused again and again, and none of them was good."""
    is_undecided: bool = False
    """Many items were divided since they were refused, and none of their parts has ended yet."""
    is_of_all: bool = False
    """What was answered well before is not any more."""


def decide(error: Exception, around: Circumstances, rng: random.Random) -> Retry | Release | Poison | GiveUp | Lost:
    """What a failed attempt comes to."""
    match error:
        case LeaseLostError():
            return Lost()
        case SweptError():
            return GiveUp()
        case UnavailableError():
            return Release(_backoff(around.releases, rng), stop=4)
        case UsageError():
            return Release(_backoff(around.releases, rng), stop=2)
        case InterruptedAloneError():
            return Release(_backoff(around.releases, rng))
        case BrokenEnvelopeError():
            return Poison("undecodable")
        case DamagedObjectError():
            return Poison("damaged")  # It stands, so nothing else can be published there; the closing lists it.
        case CrashedError():
            return Poison("crashed") if error.crashes >= MAX_CRASHES else Release(_backoff(error.crashes - 1, rng))
        case ApiError():
            return _decide_api(error, around, rng)
        case _:
            return _charge(around, rng, None)


def _decide_api(error: ApiError, around: Circumstances, rng: random.Random) -> Retry | Release | Poison:
    match error.action:
        case Action.AUTH | Action.CONFIG:
            return Release(_backoff(around.releases, rng), stop=2)
        case Action.PAUSE:
            return Release(min(PAUSED_SECONDS, max(_backoff(around.releases, rng), error.retry_after_seconds or 0.0)))
        case Action.OUTAGE if not around.is_healthy:
            return Release(max(_backoff(around.releases, rng), error.retry_after_seconds or 0.0))
        case Action.POISON if not around.failures:
            # Servers that start anew refuse what they will answer in a moment.
            return Retry(rng.uniform(1.0, 2.0) * REFUSED_SECONDS)
        case Action.POISON if around.is_undecided and not around.suspect:
            outcome = _charge(around, rng, error.retry_after_seconds)
            return outcome if isinstance(outcome, Retry) else Poison("poison")
        case Action.POISON:
            return Poison("poison")
        case Action.SPLIT:
            return Poison("cap")  # Unless it can be divided: see `divide`.
        case Action.RETRY_LATER if around.is_of_all:
            return Release(max(_backoff(around.releases, rng), error.retry_after_seconds or 0.0))
        case _:
            return _charge(around, rng, error.retry_after_seconds)


def _charge(around: Circumstances, rng: random.Random, retry_after_seconds: float | None) -> Retry | Poison:
    if around.failures + 1 >= around.max_failures:
        return Poison("failed")
    return Retry(max(_backoff(around.failures, rng), retry_after_seconds or 0.0))


def _backoff(times: int, rng: random.Random) -> float:
    """Full jitter over a doubling span: herds of items that failed together come back apart."""
    span = min(RETRY_CAP_SECONDS, RETRY_BASE_SECONDS * 2.0 ** min(times, 12))
    return rng.uniform(span / 4, span)
