"""``haulier resume``."""

from __future__ import annotations

from haulier.api.limits.breaker import State
from haulier.api.scope.changes import with_pause_lifted
from haulier.api.scope.row import ScopeRow, decode, encode
from haulier.app.open_source import open_source, scope_name
from haulier.app.run_start import require_shared_queue
from haulier.cli.moments import time_text
from haulier.cli.orders import hold_facts, hold_words
from haulier.cli.output import emit, say
from haulier.cli.source_command import SourceCall, source_command
from haulier.clock import wall_seconds


@source_command("resume")
async def command(call: SourceCall) -> int:
    """End what holds back all workers of SOURCE: `haulier pause`, a pause that its API asked for, or the wait for an
    API that was down.

    Running workers notice within a second or two, and start slowly. Limits, and a pace that was learned, stay. If the
    API asks to wait again, they do. Starts no run: `haulier run SOURCE` does.
    """
    async with open_source(call.app, call.options, writes=False) as source:
        require_shared_queue(source)
        wall = wall_seconds(source.clock) + source.rows.ahead_seconds
        before = ScopeRow()

        def lift(body: bytes | None) -> bytes:
            nonlocal before
            before = decode(body)
            return encode(with_pause_lifted(before, wall))

        await source.rows.update(scope_name(call.app), lift)
    pause = {"until": time_text(before.pause_until), "reason": before.pause_reason}
    outage = {"since": time_text(before.breaker.since), "reason": before.breaker.reason}
    held = hold_facts(before.held)
    was_paused, was_down = wall < before.pause_until, before.breaker.state is not State.CLOSED
    is_lifted = held is not None or was_paused or was_down
    if call.as_json:
        emit(
            {
                "state": "resumed" if is_lifted else "not_paused",
                "held": held,
                "pause": pause if was_paused else None,
                "outage": outage if was_down else None,
            }
        )
    if held is not None:
        say(f"{call.app.name} was {hold_words(held)}; that is lifted.")
    if was_paused:
        say(f"The pause until {_with_reason(pause['until'], pause['reason'])} is lifted.")
    if was_down:
        say(
            f"The API had been down since {_with_reason(outage['since'], outage['reason'])}. "
            "Requests are sent to it again, slowly at first."
        )
    if is_lifted:
        say("Running workers go on within seconds. If none is running: haulier work SOURCE")
    else:
        say("Nothing was paused.")
    return 0


def _with_reason(moment: str, reason: str) -> str:
    return f"{moment} ({reason})" if reason else moment
