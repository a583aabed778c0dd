"""``haulier limit``."""

from __future__ import annotations

import click

from haulier.api.limits.schedule import MAX_IN_FLIGHT, Schedule
from haulier.api.scope.changes import with_limit
from haulier.api.scope.orders import InFlightLimit
from haulier.api.scope.row import ScopeRow, decode, encode
from haulier.app.open_source import OpenSource, open_source, scope_name
from haulier.app.run_start import require_shared_queue
from haulier.cli.orders import limit_facts, limit_words
from haulier.cli.output import emit, say
from haulier.cli.person import person_name
from haulier.cli.source_command import SourceCall, source_command
from haulier.clock import wall_seconds
from haulier.errors import UsageError


@source_command(
    "limit",
    click.option("--in-flight", type=int, metavar="N", help="The most requests at once, of all workers together."),
    click.option("--reset", "is_reset", is_flag=True, help="Go by the source file again."),
)
async def command(call: SourceCall, in_flight: int | None, is_reset: bool) -> int:
    """Change how many requests of SOURCE may be in flight, while it runs: more or fewer than its file says, at every
    hour. It holds until --reset, and outlives all workers. Below it, haulier finds what the API bears. Without a flag:
    show what holds.
    """
    if in_flight is not None and is_reset:
        raise click.UsageError("--in-flight sets a limit and --reset takes it back: use one of them.")
    if in_flight is not None and not 1 <= in_flight <= MAX_IN_FLIGHT:
        raise UsageError(
            f"--in-flight {in_flight}: write a whole number from 1 to {MAX_IN_FLIGHT:,}. To let no request leave: "
            "haulier pause SOURCE"
        )
    async with open_source(call.app, call.options, writes=False) as source:
        require_shared_queue(source)
        if in_flight is None and not is_reset:
            row = decode(await source.rows.read(scope_name(call.app)))
            return _show(call, source, row)
        limit = None
        if in_flight is not None:
            wall = wall_seconds(source.clock) + source.rows.ahead_seconds
            limit = InFlightLimit(in_flight=in_flight, by=person_name(), since=round(wall))
        await source.rows.update(scope_name(call.app), lambda body: encode(with_limit(decode(body), limit)))
        return _show(call, source, ScopeRow(limit=limit), is_news=True)


def _show(call: SourceCall, source: OpenSource, row: ScopeRow, *, is_news: bool = False) -> int:
    """Say what holds, and what the file has."""
    schedule = call.app.api.schedule
    of_file = schedule.at(source.clock.now()) if isinstance(schedule, Schedule) else schedule
    limit = limit_facts(row.limit)
    if call.as_json:
        emit({"state": "not_limited" if limit is None else "limited", "limit": limit, "in_flight_of_file": of_file})
    if limit is None:
        say(f"{call.app.name} goes by its source file: at most {of_file:,} in flight now.")
    else:
        say(f"{call.app.name}: {limit_words(limit)}; the source file has {of_file:,} now.")
        say("Take it back with: haulier limit SOURCE --reset")
    if is_news:
        say("Running workers follow within seconds.")
    return 0
