"""``haulier wait``."""

from __future__ import annotations

import asyncio

import click
import msgspec

from haulier.api.scope.row import decode
from haulier.app.open_source import OpenSource, open_source, scope_name
from haulier.app.run_start import is_queue_shared
from haulier.cli.failures import failure_facts, failure_lines, read_failures
from haulier.cli.options import open_run_option
from haulier.cli.orders import HoldFacts, hold_facts, hold_line
from haulier.cli.output import emit, say
from haulier.cli.pick_run import pick_only_open_run
from haulier.cli.report import exit_code_of_verdict, say_verdict, verdict_document
from haulier.cli.signals import until_signal
from haulier.cli.source_command import SourceCall, source_command
from haulier.runs.expect import is_expect_missing
from haulier.runs.ledger import Ledger
from haulier.runs.records import VerdictRecord
from haulier.runs.run import Run
from haulier.runs.status import run_status
from haulier.runs.stranded import is_stranded

LOOK_SECONDS = 1.0


@source_command(
    "wait",
    open_run_option,
    click.option(
        *("--timeout", "timeout_seconds"),
        type=click.FloatRange(min=0),
        help="Seconds to wait at most; no limit by default.",
    ),
)
async def command(call: SourceCall, run_id: str | None, timeout_seconds: float | None) -> int:
    """Wait until SOURCE's open run is closed, and close it if it is drained. Needs no API and works no item.

    Without an open one it answers for the newest. Where several are open, --run is demanded; a trial is never meant
    without it, if there is another run. A run whose items are missing from the queue (stranded) is reported: exit
    code 4.
    """
    async with open_source(call.app, call.options) as source:
        run = await pick_only_open_run(source, run_id)
        verdict = await until_signal(_until_closed(source, run, timeout_seconds))
        failures = await read_failures(source, run.run_id)
        if verdict is None:
            if call.as_json:
                status = await run_status(source.lake, source.queue if is_queue_shared(source) else None, run)
                emit(msgspec.to_builtins(status) | failure_facts(failures))
            else:
                for line in failure_lines(failures):
                    say(line)
            return 4
        say_verdict(source, run, verdict, failures)
        if call.as_json:
            emit(verdict_document(source, run, verdict, failures))
        return exit_code_of_verdict(verdict)


async def _until_closed(source: OpenSource, run: Run, timeout_seconds: float | None) -> VerdictRecord | None:
    """Wait for the verdict; None if it timed out, or the run is stranded."""
    started_at = source.clock.monotonic()
    ledger = Ledger(source.lake, run.paths)
    was_stranded = has_said = False
    told: HoldFacts | None = None
    try:
        while (verdict := await source.closer.close(run, ledger)) is None:
            if (held := await _held(source)) is not None and held != told:
                say(hold_line(source.app.name, held))
            told = held
            if not has_said and (await ledger.progress()).is_drained and await is_expect_missing(source.lake, run):
                has_said = True
                say(
                    f"Run {run.run_id} is drained. It promises a count, which only a worker can ask the API for: "
                    "haulier work SOURCE"
                )
            is_now = is_queue_shared(source) and await is_stranded(source.queue, run, ledger)
            if is_now and was_stranded:
                say(
                    f"Run {run.run_id} is stranded: items are missing from the queue. "
                    "haulier work SOURCE sends them again."
                )
                return None
            was_stranded = is_now
            if timeout_seconds is not None and source.clock.monotonic() - started_at >= timeout_seconds:
                say(f"Run {run.run_id} was not closed within {timeout_seconds:g} s.")
                return None
            await asyncio.sleep(max(LOOK_SECONDS, source.lake.capabilities.look_seconds))
    finally:
        ledger.close()
    return verdict


async def _held(source: OpenSource) -> HoldFacts | None:
    return hold_facts(decode(await source.rows.read(scope_name(source.app))).held)
