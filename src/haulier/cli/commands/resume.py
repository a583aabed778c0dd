"""``haulier resume``: what an API asked for, or an outage, no longer holds the workers back."""

from __future__ import annotations

import click

from haulier.api.limits.breaker import State
from haulier.api.scope.changes import lifted
from haulier.api.scope.row import ScopeRow, decode, encode
from haulier.app.app import App
from haulier.app.loading import load_app
from haulier.app.site import Options, open_site, scope_name
from haulier.app.starting import require_shared_queue
from haulier.cli.api_state import time_text
from haulier.cli.event_loop import run_loop
from haulier.cli.options import json_option, options_of, place_options, source_argument
from haulier.cli.output import emit, say, set_up_output
from haulier.clock import wall_seconds


@click.command("resume")
@source_argument
@json_option
@place_options
def command(source: str, as_json: bool, lake: str | None, queue: str | None) -> int:
    """Lift what holds all workers of SOURCE back: a pause that its API asked for, or the wait for an API that was down.

    Workers that run hear of it within a second or two, and start slowly. Limits, and a pace that was found, stay. Where
    the API asks to wait again, they do. Starts no run: `haulier run SOURCE` does.
    """
    set_up_output(as_json)
    return run_loop(_resume(load_app(source), as_json, options_of(lake, queue)))


async def _resume(app: App, as_json: bool, options: Options) -> int:
    async with open_site(app, options, writes=False) as site:
        require_shared_queue(site)
        wall = wall_seconds(site.clock)
        before = ScopeRow()

        def lift(body: bytes | None) -> bytes:
            nonlocal before
            before = decode(body)
            return encode(lifted(before, wall))

        await site.queue.update(scope_name(app), lift)
    pause = {"until": time_text(before.pause_until), "reason": before.pause_reason}
    outage = {"since": time_text(before.breaker.since), "reason": before.breaker.reason}
    was_paused, was_down = wall < before.pause_until, before.breaker.state is not State.CLOSED
    if as_json:
        state = "resumed" if was_paused or was_down else "not_paused"
        emit({"state": state, "pause": pause if was_paused else None, "outage": outage if was_down else None})
    if was_paused:
        say(f"The pause until {_told(pause['until'], pause['reason'])} is lifted.")
    if was_down:
        say(
            f"The API was down since {_told(outage['since'], outage['reason'])}; requests are sent to it again, slowly."
        )
    if was_paused or was_down:
        say("Workers that run go on within seconds. Where none does: haulier run SOURCE")
    else:
        say("Nothing was paused.")
    return 0


def _told(moment: str, reason: str) -> str:
    return f"{moment} ({reason})" if reason else moment
