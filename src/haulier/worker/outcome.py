"""Outcomes of a delivered item. `haulier.worker.blame` chooses among them after a failure."""

from __future__ import annotations

from dataclasses import dataclass, field

from haulier.api.records.item_counts import ItemCounts
from haulier.runs.records import PlannedItem, Receipt

GIVE_UP_SECONDS = 1.0
"""Delay of an item that met a closing, which takes about so long."""


@dataclass(frozen=True)
class Done:
    """The object stands, ours or another attempt's."""

    receipt: Receipt


@dataclass(frozen=True)
class Empty:
    requests: int = 0
    seconds: float = 0.0
    counts: ItemCounts = field(default_factory=ItemCounts)


@dataclass(frozen=True)
class Split:
    children: tuple[PlannedItem, ...]
    cause: str = ""
    """Stands in the child list; empty where the processor divided the item."""
    counts: ItemCounts = field(default_factory=ItemCounts)
    """Of the lists that told the children."""
    is_first: bool = False
    """The children go in the first lane: others wait for what they tell."""


@dataclass(frozen=True)
class GiveUp:
    """A closing came between: the bytes are dropped, and nothing is charged (P7)."""

    delay_seconds: float = GIVE_UP_SECONDS


@dataclass(frozen=True)
class Lost:
    """The lease is another worker's: nothing is touched."""


@dataclass(frozen=True)
class Retry:
    """The item is charged, and comes again."""

    delay_seconds: float


@dataclass(frozen=True)
class Release:
    """The item is not charged, and comes again."""

    delay_seconds: float
    stop: int | None = None
    """The worker ends with this exit code."""
    hold_seconds: float = 0.0
    """The item first keeps its slot so long, so that no other fails alike meanwhile."""
    error: Exception | None = None
    """Recorded instead of the attempt's own."""


@dataclass(frozen=True)
class Poison:
    """The item failed too often, or can never succeed."""

    reason: str


Outcome = Done | Empty | Split | GiveUp | Lost | Retry | Release | Poison


@dataclass(frozen=True)
class Settled:
    """What was done with an item in the end."""

    outcome: Outcome
    is_adopted: bool = False
    """Another attempt had written the same before."""
