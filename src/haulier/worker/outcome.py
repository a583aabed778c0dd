"""What can become of a delivered item. Which it is after a failure, `haulier.worker.blame` decides."""

from __future__ import annotations

from dataclasses import dataclass

from haulier.runs.records import PlannedItem, Receipt

GIVE_UP_SECONDS = 1.0
"""Delay of an item that met a closing, which takes about this long; the item is looked up again after it."""


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
    """Why, as the child list says it; empty where the processor itself divided the item."""


@dataclass(frozen=True)
class GiveUp:
    """A closing came in between: the bytes are dropped, and nothing is charged (P7)."""

    delay_seconds: float = GIVE_UP_SECONDS


@dataclass(frozen=True)
class Lost:
    """The lease is another worker's: the bytes are dropped, and nothing else is touched."""


@dataclass(frozen=True)
class Retry:
    """The item failed by itself: it is charged, and tried again later."""

    delay_seconds: float


@dataclass(frozen=True)
class Release:
    """Something around the item failed: it is not charged, and comes again."""

    delay_seconds: float
    stop: int | None = None
    """The worker ends with this exit code."""
    hold_seconds: float = 0.0
    """The item first keeps its slot for so long, so that no other item is taken to fail alike."""
    error: Exception | None = None
    """What is recorded instead of the failure of the attempt."""


@dataclass(frozen=True)
class Poison:
    """The item failed too often, or can never succeed."""

    reason: str


Outcome = Done | Empty | Split | GiveUp | Lost | Retry | Release | Poison
