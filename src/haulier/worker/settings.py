"""The limits of a worker, each with its reason. Only the lease and the grace can be set from outside."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker runs with. All durations in seconds."""

    lease_seconds: float = 60.0
    """How long an item stays with a silent worker. Renewed every third of it, so two renewals may fail."""
    grace_seconds: float = 25.0
    """How long a drain waits for items under way: container platforms kill after 30."""
    max_failures: int = 5
    """Charged failures after which an item is poisoned."""
    item_deadline_seconds: float = 3_600.0
    """From an item's first request to its end. An item that takes an hour should have been planned smaller."""
    unknown_kind_grace_seconds: float = 3_600.0
    """How long a kind may be unknown before it is poison: a rolling deploy is over by then."""
    room_patience_seconds: float = 3_600.0
    """How long the lake's disk may stay nearly full before a worker gives up with exit code 4. Another job that clears
    up after itself is done by then; and who is to clear up by hand hears of an exit code the same night."""

    @property
    def beat_seconds(self) -> float:
        """How often leases are renewed."""
        return self.lease_seconds / 3


GROUP_ITEMS = 128
"""Receipts of one file, completions of one transaction (P8): three waits for the disk, and one file for a closing to
read. What a worker that is killed has not settled is looked up in the lake by the next one, and is not asked for."""
GROUP_SECONDS = 1.0
"""The longest that a done item waits for its receipt."""
SILENT_DELIVERIES = 5
"""From so many deaths on, an item runs alone in a subprocess."""
MAX_CRASHES = 3
"""Witnessed deaths of that subprocess after which an item is poisoned."""
MAX_CHILDREN = 100_000
"""Items that one item may be divided into: more is a plan of its own."""
MAX_DEPTH = 64
"""Divisions between an item of the plan and its smallest part: halving any range of IDs takes fewer."""
MAX_IN_VAIN = 256
"""Parts divided again with none good in between, after which a worker leaves off. A block of 128 bad records has so
many."""
MAX_REFUSED = 32
"""The same where the API refuses what is asked for, since a filter that is wrong is so in each part: parts that are
refused again, and items that are divided for that before one of their parts has told whether it helps."""
REFUSED_SECONDS = 3.0
"""At the least, before what the API has refused is asked for once more."""
FIRST_ITEMS = 20
"""Items that fail alike at a worker's start, after which it takes the source for broken though it once worked."""
ENOUGH_ITEMS = 5
"""The same in a run in which nothing has ever ended well. Fewer are enough where there are no more."""
PROOF_TRIES = 3
"""Times that such a few items are asked for."""
PROOF_SECONDS = 4.0
"""For how long items must fail alike: a server that starts anew answers in odd ways for some seconds."""
UNPROVEN_FAILURES = 10
"""Outage-like failures in a row, with nothing ever having succeeded, after which a worker says so and stops."""
