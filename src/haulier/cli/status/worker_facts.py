"""The workers of a source, as they stand in the row that they share."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from haulier.api.scope.row import Member, ScopeRow
from haulier.cli.durations import duration_text
from haulier.plurals import count_of
from haulier.queues.seam import Whereabouts

FRESH_SECONDS, FRESH_BEATS = 10.0, 2
"""The beat of a living worker is younger than the longer of the two."""


class WorkerFacts(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    """It stands in receipts and logs, too."""
    host: str
    whereabouts: Whereabouts
    """``here``: alive on this machine; ``gone``: it has ended; ``unknown``: it cannot be seen from here."""
    is_silent: bool
    """Its last sign of life is older than a living worker's."""
    beat_age_seconds: float
    """Since its last sign of life."""
    share: int
    """Requests that it may have in flight."""
    in_flight: int
    """The most since the sign of life before."""
    items: int
    """Items in work."""


def is_living(member: Member, wall: float) -> bool:
    return abs(wall - member.beat_at) <= max(FRESH_SECONDS, FRESH_BEATS * member.beat_seconds)


def worker_facts(row: ScopeRow, wall: float, find: Callable[[str], Whereabouts]) -> list[WorkerFacts]:
    """By name. Commands that take no items are left out; so are those that are surely gone and hold nothing."""
    return [
        WorkerFacts(
            name=name,
            host=name.rsplit("-", 2)[0],
            whereabouts=find(one.process),
            is_silent=not is_living(one, wall),
            beat_age_seconds=round(max(0.0, wall - one.beat_at), 1),
            share=one.share,
            in_flight=one.peak,
            items=one.items,
        )
        for name, one in sorted(row.members.items())
        if one.looks
    ]


def worker_words(worker: WorkerFacts, leases: int | None) -> str:
    """``leases`` are the items that the queue has given to it; None where the queue does not tell."""
    seen = f"{duration_text(worker.beat_age_seconds)} ago"
    fate = f"seen {seen}"
    if worker.whereabouts == "gone":
        fate = f"has ended, was seen {seen}"
    elif worker.is_silent:
        fate = f"silent, was seen {seen}"
    items = count_of(worker.items, "item") if leases is None else f"{worker.items:,} of {count_of(leases, 'item')}"
    return f"{worker.name}: {items}, {worker.in_flight:,} of {worker.share:,} in flight, {fate}"
