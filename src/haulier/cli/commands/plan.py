"""``haulier plan``."""

from __future__ import annotations

from dataclasses import replace

import click
import msgspec

from haulier.app.open_source import open_live, open_source
from haulier.cli.deploy.sizing import CPU, WORKERS, most_workers
from haulier.cli.due_lines import due_lines
from haulier.cli.exit_codes import exit_code_of
from haulier.cli.options import mode_argument, streams_option
from haulier.cli.output import emit, say
from haulier.cli.plan.api_bears import read_row
from haulier.cli.plan.bill import Bill, bill_of
from haulier.cli.plan.enumeration import MAX_ITEMS
from haulier.cli.plan.estimate import PlanEstimate, PlanWish, estimate_run
from haulier.cli.plan.lines import plan_lines
from haulier.cli.plan.operations import operations_of
from haulier.cli.plan.prices import Prices, read_prices
from haulier.cli.source_command import SourceCall, source_command
from haulier.cli.tried_item import require_not_held

MOST_SAMPLES = 64


@source_command(
    "plan",
    mode_argument,
    streams_option,
    click.option(
        "--in-flight", type=click.IntRange(1), metavar="N", help="Reckon with so many, not with the source's in_flight."
    ),
    click.option(
        "--workers",
        type=click.IntRange(1),
        metavar="N",
        help=f"Reckon with so many containers; by default {WORKERS}, or as many as in_flight feeds.",
    ),
    click.option(
        "--sample",
        "samples",
        type=click.IntRange(1, MOST_SAMPLES),
        default=1,
        show_default=True,
        metavar="N",
        help="Fetch a page of so many items of each stream.",
    ),
    click.option(
        "--max-items",
        type=click.IntRange(1),
        default=MAX_ITEMS,
        show_default=True,
        metavar="N",
        help="Enumerate no more than so many items.",
    ),
    click.option("--prices", metavar="FILE", help="Prices to reckon with, a TOML file; by default those of haulier."),
)
async def command(
    call: SourceCall,
    mode: str,
    streams: tuple[str, ...],
    in_flight: int | None,
    workers: int | None,
    samples: int,
    max_items: int,
    prices: str | None,
) -> int:
    """Say what a run of SOURCE would take and cost, before anything is enqueued: items, requests, bytes, hours, money.

    The items are enumerated, one page of each stream is fetched, and the last complete run is looked at. Nothing is
    written to lake or queue. Exit code 0: every stream was looked at; else that of the first failure.
    """
    priced = read_prices(prices)
    call.app.require_mode(mode)
    count = min(WORKERS, most_workers(call.app)) if workers is None else workers
    wish = PlanWish(mode, call.app.selected(streams, mode), max_items, samples, in_flight, count, CPU)
    await require_not_held(call.app, call.options)
    async with open_source(call.app, call.options, writes=False) as seen:
        row = await read_row(seen)
    # Where nobody ever worked, a gate to share would first have to be written.
    options = call.options if row is not None else replace(call.options, queue="memory")
    async with open_live(call.app, options, writes=False) as source:
        source.client.scope.end_waits()  # A person waits for the answer.
        say(f"Enumerating a run of mode {mode} of {call.app.name}; nothing is written ...")
        planned = await estimate_run(source, wish, row)
        is_paid = source.lake.capabilities.look_seconds > 0
    bill = _bill(planned.estimate, count, priced, is_paid=is_paid)
    if call.as_json:
        emit({"state": "planned", "source": call.app.name} | msgspec.to_builtins(planned.estimate) | {"cost": bill})
    else:
        due = due_lines(planned.enumerated.seal, planned.enumerated.snapshot_time)
        for line in (*due, *plan_lines(planned.estimate, bill)):
            click.echo(line)
    return exit_code_of(planned.errors[0]) if planned.errors else 0


def _bill(estimate: PlanEstimate, workers: int, prices: Prices, *, is_paid: bool) -> Bill:
    each = estimate.requests.likely / max(1.0, estimate.items.likely) * estimate.request_seconds.likely
    operations = operations_of(
        items=estimate.items,
        planned=estimate.planned,
        stored_bytes=estimate.stored_bytes,
        item_seconds=each,
        run_seconds=estimate.duration.seconds,
    )
    return bill_of(operations, estimate.stored_bytes, estimate.duration.seconds, workers, prices, is_paid=is_paid)
