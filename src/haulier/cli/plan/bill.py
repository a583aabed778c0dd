"""What a run costs on Azure."""

from __future__ import annotations

import msgspec

from haulier.cli.deploy.sizing import CPU, GIBIBYTES
from haulier.cli.plan.operations import Operations
from haulier.cli.plan.prices import Prices
from haulier.cli.plan.uncertain import Uncertain, exactly, sum_of

START_SECONDS = 30.0
"""Until a container that was started works: its image is fetched, and Python starts. Assumed; it is paid for."""
GIGABYTE = 1e9


class BillLine(msgspec.Struct, frozen=True, kw_only=True):
    """Names stay, since ``plan --json`` prints them."""

    what: str
    """``queue``, ``lake writes``, ``lake lists``, ``lake reads``, ``containers``, or ``storage a month``."""
    count: Uncertain
    unit: str
    cost: Uncertain


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    currency: str
    date: str
    """Of the prices."""
    region: str
    workers: int
    lines: tuple[BillLine, ...]
    """Of the run."""
    total: Uncertain
    storage: BillLine
    """For each month that the records are kept."""
    is_paid: bool
    """Whether queue and lake are where this is paid. Else it is what the run would cost there."""


def bill_of(
    operations: Operations,
    stored_bytes: Uncertain,
    run_seconds: Uncertain,
    workers: int,
    prices: Prices,
    *,
    is_paid: bool,
) -> Bill:
    """``run_seconds`` each of the workers is there, beside its start."""
    worker_seconds = (run_seconds + exactly(START_SECONDS)) * workers
    lines = (
        _operations("queue", operations.queue, prices.queue_10000_operations),
        _operations("lake writes", operations.lake_writes, prices.lake_10000_writes),
        _operations("lake lists", operations.lake_lists, prices.lake_10000_lists),
        _operations("lake reads", operations.lake_reads, prices.lake_10000_reads),
        BillLine(
            what="containers",
            count=worker_seconds,
            unit="s",
            cost=worker_seconds * (CPU * prices.container_cpu_second + GIBIBYTES * prices.container_gib_second),
        ),
    )
    gigabytes = stored_bytes * (1 / GIGABYTE)
    return Bill(
        currency=prices.currency,
        date=prices.date,
        region=prices.region,
        workers=workers,
        lines=lines,
        total=sum_of(line.cost for line in lines),
        storage=BillLine(what="storage a month", count=gigabytes, unit="GB", cost=gigabytes * prices.lake_gb_month),
        is_paid=is_paid,
    )


def _operations(what: str, count: Uncertain, price: float) -> BillLine:
    return BillLine(what=what, count=count, unit="operations", cost=count * (price / 10_000))
