"""The bill of a plan, and of a run that was."""

from __future__ import annotations

from haulier.app.open_source import OpenSource
from haulier.cli.plan.actual import ActualRun
from haulier.cli.plan.bill import Bill, bill_of
from haulier.cli.plan.estimate import PlanEstimate
from haulier.cli.plan.operations import operations_of
from haulier.cli.plan.prices import Prices
from haulier.cli.plan.uncertain import exactly


def is_lake_paid(source: OpenSource) -> bool:
    """Whether the lake charges for what is asked of it. A queue on Azure needs such a lake."""
    return source.lake.capabilities.look_seconds > 0


def bill_of_plan(estimate: PlanEstimate, workers: int, prices: Prices, *, is_paid: bool) -> Bill:
    each = estimate.requests.likely / max(1.0, estimate.items.likely) * estimate.request_seconds.likely
    operations = operations_of(
        items=estimate.items,
        planned=estimate.planned,
        stored_bytes=estimate.stored_bytes,
        item_seconds=each,
        run_seconds=estimate.duration.seconds,
    )
    return bill_of(operations, estimate.stored_bytes, estimate.duration.seconds, workers, prices, is_paid=is_paid)


def bill_of_run(actual: ActualRun, workers: int | None, prices: Prices, *, is_paid: bool) -> Bill:
    """``workers`` takes the place of those that were there."""
    count, stored = max(1, actual.workers) if workers is None else workers, exactly(actual.stored_bytes)
    operations = operations_of(
        items=exactly(actual.ended),
        planned=actual.planned,
        stored_bytes=stored,
        item_seconds=actual.item_seconds / max(1, sum(stream.done for stream in actual.streams)),
        run_seconds=exactly(actual.seconds),
    )
    seconds = actual.worker_seconds * (1 / max(1, actual.workers)) if workers is None else exactly(actual.seconds)
    return bill_of(operations, stored, seconds, count, prices, is_paid=is_paid)
