"""The limits of a worker. Only the lease and the grace can be set from outside."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_ITEMS = 20


@dataclass(frozen=True)
class WorkerSettings:
    """All durations are seconds."""

    lease_seconds: float = 60.0
    """Time that an item stays with a silent worker. Renewed every third of it, so that two renewals may fail."""
    grace_seconds: float = 18.0
    """Time for items under way when a worker stops. Handing the rest back and leaving take up to 6 s more: it is gone
    within 25 s, and container platforms kill after 30."""
    max_failures: int = 5
    item_deadline_seconds: float = 3_600.0
    """From the first request to the end. A longer item should have been planned smaller."""
    unknown_kind_grace_seconds: float = 3_600.0
    """After it an unknown kind is poison: a rolling deploy is over."""
    room_patience_seconds: float = 3_600.0
    """The lake's disk may stay nearly full so long, then exit code 4. Another job has cleared up by then; a person
    hears of it the same night."""
    first_items: int = FIRST_ITEMS
    """Items that must fail alike at a start to prove the source wrong, if it once worked. 0: it is never blamed."""

    @property
    def beat_seconds(self) -> float:
        return self.lease_seconds / 3


GROUP_ITEMS = 128
"""Receipts of one file, and completions of one transaction (P8): many items share a wait for the disk."""
GROUP_SECONDS = 1.0
QUEUE_PATIENCE_LEASES = 2
"""Leases for which the queue may be away before the worker gives up: it is not only busy then."""
SILENT_DELIVERIES = 5
"""Deaths of workers after which an item runs alone in a subprocess."""
MAX_CRASHES = 3
"""Witnessed deaths that poison such an item."""
MAX_CHILDREN = 100_000
"""An item that divides into more is a plan of its own."""
MAX_CHILDREN_BYTES = 32 << 20
"""Of the parameters of all children together: their list is one file, and is read whole."""
MAX_DEPTH = 64
"""Divisions, one out of another: halving any range of IDs takes fewer."""
MAX_IN_VAIN = 256
"""Parts that are divided again with none good in between. A block of 128 bad records makes so many."""
MAX_REFUSED = 32
"""Refused items that are divided before a part has told whether that helps, and parts that are refused again: a wrong
filter is wrong in each part."""
REFUSED_SECONDS = 3.0
"""The least delay before a refused request is sent once more."""
ENOUGH_ITEMS = 5
"""Items that must fail alike where none of the run has ever ended well, or as many as there are."""
PROOF_TRIES = 3
"""Failures of each of these few that prove the source wrong."""
PROOF_SECONDS = 4.0
"""Time that items must fail alike: a server that starts anew answers in odd ways for some seconds."""
UNPROVEN_FAILURES = 10
"""Outage-like failures in a row that stop a worker which was never answered."""
