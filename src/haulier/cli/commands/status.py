"""``haulier status``."""

from __future__ import annotations

import math

import click
import msgspec

from haulier.api.scope.failures import NO_FAILURES, Failures
from haulier.app.open_source import open_source
from haulier.app.run_start import is_queue_shared
from haulier.cli.api_state import api_lines, read_api_state
from haulier.cli.due_lines import again_lines
from haulier.cli.failures import failure_facts, failure_lines, read_failures
from haulier.cli.hints import fill_source
from haulier.cli.options import run_option
from haulier.cli.output import emit
from haulier.cli.pick_run import pick_run
from haulier.cli.report import exit_code_of_state, shape_lines, unseen_lines
from haulier.cli.source_command import SourceCall, source_command
from haulier.plurals import count_of
from haulier.queues.seam import Holder, Queue
from haulier.runs.lost_queue import require_queue
from haulier.runs.state import RunState
from haulier.runs.status import RunStatus, run_status


@source_command("status", run_option)
async def command(call: SourceCall, run_id: str | None) -> int:
    """Show the state of SOURCE's newest run: what is planned, done, poisoned and missing, and the state of its API.

    Changes nothing. Exit code: that of the run (0 complete, 3 poison, 1 failed, 4 not finished).
    """
    async with open_source(call.app, call.options, writes=False) as source:
        run = await pick_run(source, run_id)
        await require_queue(source.lake, source.queue, call.app.name)
        queue = source.queue if is_queue_shared(source) else None
        status = await run_status(source.lake, queue, run)
        api = None if queue is None else await read_api_state(source)
        if status.state.is_closed and api is not None and api.state == "well" and api.limit is None:
            api = None  # It matters to the next run alone, where that would have to wait.
        failures = await read_failures(source, run.run_id)
        if call.as_json:
            of_api = {} if api is None else {"api": msgspec.to_builtins(api)}
            of_queue = {} if queue is None else {"leases": msgspec.to_builtins(await queue.holders())}
            emit(msgspec.to_builtins(status) | failure_facts(failures) | of_queue | of_api)
        else:
            say_status(status, None if queue is None else await _queue_line(queue), failures)
            if queue is not None and not status.state.is_closed:
                for holder in await queue.holders():
                    click.echo(_lease_line(holder))
            for line in [] if api is None else api_lines(api):
                click.echo(fill_source(line))
        return exit_code_of_state(status.state, status.reasons)


async def _queue_line(queue: Queue) -> str:
    depth = await queue.depth()
    if queue.capabilities.exact_depth:
        return f"  queue    {depth.ready:,} ready, {depth.delayed:,} delayed, {depth.leased:,} leased"
    return f"  queue    about {count_of(depth.unsettled, 'message')}, ready, delayed or worked"


def say_status(status: RunStatus, queue_line: str | None = None, failures: Failures = NO_FAILURES) -> None:
    for line in status_lines(status, queue_line, failures):
        click.echo(fill_source(line))


def _lease_line(holder: Holder) -> str:
    """Say who holds leases, and for how long they are waited for."""
    fate = {
        "here": "which is alive",
        "gone": "which has ended: free at once",
        "unknown": f"which cannot be seen from here: waited for up to {math.ceil(holder.seconds)} s",
    }
    return f"  leased   {count_of(holder.leases, 'item')} by {holder.name or 'a process'}, {fate[holder.whereabouts]}"


def status_lines(status: RunStatus, queue_line: str | None, failures: Failures) -> list[str]:
    """Write one fact a line, the state first."""
    lines = [f"{status.run_id}: {status.state.value}{' (stranded)' if status.is_stranded else ''}"]
    if status.state is not RunState.PLANNING:
        others = {
            "empty": status.empty,
            "divided": status.split,
            "poisoned": status.poisoned,
            "discarded": status.discarded,
            "damaged": status.damaged,
            "unfinished": status.missing,
        }
        ended = "".join(f", {count:,} {name}" for name, count in others.items() if count)
        lines.append(f"  items    {status.planned:,} planned: {status.done:,} done{ended}")
        size = count_of(status.bytes, "byte")
        lines.append(f"  records  {status.records:,} in {size}, by {count_of(status.requests, 'request')}")
    lines += failure_lines(failures, is_complete=status.state is RunState.COMPLETE)
    if queue_line is not None and not status.state.is_closed:
        lines.append(queue_line)
    if status.reasons:
        lines.append("  because  " + ", ".join(f"{reason}: {count:,}" for reason, count in status.reasons.items()))
    lines += [f"  again    {line}" for line in again_lines(status.overlaps)]
    lines += [f"  {line}" for line in (*unseen_lines(status.unseen), *shape_lines(status.shapes))]
    lines += [f"  removed  {stream}, by haulier gc on {moment:%Y-%m-%d}" for stream, moment in status.removed.items()]
    if status.is_stranded:
        lines.append("  Items are missing from the queue: haulier work SOURCE sends them again.")
    if status.needs_api and not status.missing:
        lines.append("  It is drained. Closing it needs the API: haulier work SOURCE closes it.")
    return lines
