"""``haulier pause``."""

from __future__ import annotations

import click

from haulier.api.scope.changes import with_hold
from haulier.api.scope.orders import MAX_WHY_CHARACTERS, Hold
from haulier.api.scope.row import ScopeRow, decode, encode
from haulier.app.open_source import open_source, scope_name
from haulier.app.run_start import require_shared_queue
from haulier.cli.orders import hold_facts, hold_words
from haulier.cli.output import emit, say
from haulier.cli.person import person_name
from haulier.cli.source_command import SourceCall, source_command
from haulier.clock import wall_seconds
from haulier.errors import UsageError


@source_command(
    "pause", click.option("--why", default="", metavar="TEXT", help="What others are told of the reason; no secrets.")
)
async def command(call: SourceCall, why: str) -> int:
    """Let no request leave for SOURCE, until `haulier resume SOURCE`. Requests under way end; workers stay, and take no
    items. It outlives them all, and holds for runs that are started later too.

    A source that is paused already stays so, for the first reason. Exit code 0 in both cases.
    """
    why = " ".join("".join(sign if sign.isprintable() else " " for sign in why).split())
    if len(why) > MAX_WHY_CHARACTERS:
        raise UsageError(
            f"--why has {len(why)} characters; the limit is {MAX_WHY_CHARACTERS}, since each worker reads it all the "
            "time. Write less, such as the number of a ticket."
        )
    async with open_source(call.app, call.options, writes=False) as source:
        require_shared_queue(source)
        before = ScopeRow()
        wall = wall_seconds(source.clock) + source.rows.ahead_seconds
        hold = Hold(by=person_name(), since=round(wall), why=why)

        def change(body: bytes | None) -> bytes:
            nonlocal before
            before = decode(body)
            return encode(with_hold(before, hold))

        await source.rows.update(scope_name(call.app), change)
    facts = hold_facts(before.held or hold)
    assert facts is not None
    if call.as_json:
        emit({"state": "held", "held": facts, "was_held": before.held is not None})
    if before.held is not None:
        say(f"{call.app.name} is already {hold_words(facts)}; that stays as it is.")
    else:
        say(f"{call.app.name} is {hold_words(facts)}. Running workers hear of it within seconds.")
    say("Go on with: haulier resume SOURCE")
    return 0
