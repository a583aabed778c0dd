"""``haulier plan``."""

from __future__ import annotations

import click
import msgspec
from click.core import ParameterSource

from haulier.app.open_source import open_live, open_source
from haulier.cli.deploy.sizing import CPU, WORKERS, most_workers
from haulier.cli.due_lines import due_lines
from haulier.cli.exit_codes import exit_code_of
from haulier.cli.options import mode_argument, streams_option
from haulier.cli.output import emit, say
from haulier.cli.pick_run import pick_run
from haulier.cli.plan.actual import actual_run
from haulier.cli.plan.api_bears import read_row
from haulier.cli.plan.bills import bill_of_plan, bill_of_run, is_lake_paid
from haulier.cli.plan.enumeration import MAX_ITEMS
from haulier.cli.plan.estimate import PlanWish, estimate_run
from haulier.cli.plan.lines import actual_lines, plan_lines
from haulier.cli.plan.prices import Prices, read_prices
from haulier.cli.source_command import SourceCall, source_command
from haulier.cli.tried_item import require_not_held
from haulier.errors import UsageError

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
        metavar="N",
        help="Fetch a page of so many items of each stream; by default of one.",
    ),
    click.option(
        "--max-items",
        type=click.IntRange(1),
        metavar="N",
        help=f"Enumerate no more than so many items; by default {MAX_ITEMS:,}.",
    ),
    click.option("--run", "run_id", metavar="RUN_ID", help="Say what this run took and cost, not what one would."),
    click.option("--prices", metavar="FILE", help="Prices to reckon with, a TOML file; by default those of haulier."),
)
async def command(
    call: SourceCall,
    mode: str,
    streams: tuple[str, ...],
    in_flight: int | None,
    workers: int | None,
    samples: int | None,
    max_items: int | None,
    run_id: str | None,
    prices: str | None,
) -> int:
    """Say what a run of SOURCE would take and cost, before anything is enqueued: items, requests, bytes, hours, money.

    The items are enumerated, one page of each stream is fetched, and the last complete run is looked at. Nothing is
    enqueued or claimed. Exit code 0: every stream was looked at; else that of the first failure.
    """
    priced = read_prices(prices)
    if run_id is not None:
        _require_alone(streams, in_flight, samples, max_items)
        return await _look_back(call, run_id, workers, priced)
    call.app.require_mode(mode)
    count = min(WORKERS, most_workers(call.app)) if workers is None else workers
    wish = PlanWish(mode, call.app.selected(streams, mode), max_items or MAX_ITEMS, samples or 1, in_flight, count, CPU)
    await require_not_held(call.app, call.options)
    async with open_source(call.app, call.options, writes=False) as seen:
        row = await read_row(seen)
    # Where nobody ever worked, a gate to share would first have to be written.
    options = call.options if row is not None else call.options.apart(call.app)
    async with open_live(call.app, options, writes=False) as source:
        source.client.scope.end_waits()  # A person waits for the answer.
        say(f"Enumerating a run of mode {mode} of {call.app.name}; nothing is enqueued ...")
        planned = await estimate_run(source, wish, row)
        is_paid = is_lake_paid(source)
    bill = bill_of_plan(planned.estimate, count, priced, is_paid=is_paid)
    if call.as_json:
        emit({"state": "planned", "source": call.app.name} | msgspec.to_builtins(planned.estimate) | {"cost": bill})
    else:
        due = due_lines(planned.enumerated.seal, planned.enumerated.snapshot_time)
        for line in (*due, *plan_lines(planned.estimate, bill)):
            click.echo(line)
    return exit_code_of(planned.errors[0]) if planned.errors else 0


def _require_alone(streams: tuple[str, ...], *others: int | None) -> None:
    """Raises `UsageError` for what a run that was cannot be asked."""
    source = click.get_current_context().get_parameter_source("mode")
    if streams or any(other is not None for other in others) or source is ParameterSource.COMMANDLINE:
        raise UsageError(
            "--run looks at a run that was: leave out MODE, --stream, --in-flight, --sample and --max-items. "
            "--workers and --prices may stay."
        )


async def _look_back(call: SourceCall, run_id: str, workers: int | None, prices: Prices) -> int:
    async with open_source(call.app, call.options, writes=False) as source:
        actual = await actual_run(source, await pick_run(source, run_id))
        is_paid = is_lake_paid(source)
    bill = bill_of_run(actual, workers, prices, is_paid=is_paid)
    if call.as_json:
        found = msgspec.to_builtins(actual)
        emit({"state": found.pop("state"), "source": call.app.name} | found | {"cost": bill})
    else:
        for line in actual_lines(actual, bill):
            click.echo(line)
    return 0
