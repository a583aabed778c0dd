"""``haulier run``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import click

from haulier.app.open_source import LiveSource, open_live
from haulier.app.run_start import (
    WantedRun,
    claim,
    find_open,
    is_of,
    require_covered,
    require_shared_queue,
    start,
    supersede,
    tell_untold,
)
from haulier.cli.drivers import Driver, FleetDriver, LocalDriver
from haulier.cli.estimate import say_plan, say_rest
from haulier.cli.failures import failure_facts, failure_lines, read_failures
from haulier.cli.hints import fill_source
from haulier.cli.logs import note_run_of_lines
from haulier.cli.options import max_items_option, mode_argument, streams_option
from haulier.cli.orders import telling_holds
from haulier.cli.output import emit, log_options, say
from haulier.cli.report import exit_code_of_verdict, say_verdict, trial_line, verdict_document
from haulier.cli.sending import SendingView
from haulier.cli.signals import INTERRUPTED, until_signal
from haulier.cli.source_command import SourceCall, source_command
from haulier.errors import RunEndedError, sentence
from haulier.lake.floor import require_room
from haulier.runs.lost_queue import require_queue
from haulier.runs.run import Run
from haulier.runs.state import RunState, run_state


@source_command(
    "run",
    mode_argument,
    streams_option,
    click.option(
        "--new", "is_new", is_flag=True, help="Close an open run as superseded instead of finishing it first."
    ),
    click.option("--then-new", is_flag=True, help="Finish an open run, and then start another."),
    max_items_option,
    click.option(
        "--workers", type=click.IntRange(1, 64), help="Work in this many processes; by default in this one alone."
    ),
    log_options,
    has_worker=True,
)
async def command(
    call: SourceCall,
    mode: str,
    streams: tuple[str, ...],
    is_new: bool,
    then_new: bool,
    max_items: int | None,
    workers: int | None,
) -> int:
    """Pull SOURCE (a .toml or .py file, or module:app) into the lake, from where an earlier run stopped.

    If a run of this mode is open, it is finished and no new one is started. Exit code 0: the run is complete.
    """
    if is_new and then_new:
        raise click.UsageError("--new closes the open run and --then-new finishes it: use one of them.")
    call.app.require_mode(mode)
    wanted = WantedRun(mode, call.app.selected(streams, mode), max_items)
    async with open_live(call.app, replace(call.options, has_children=workers is not None)) as source:
        if workers is not None:
            require_shared_queue(source)
        await require_room(source.lake)
        if is_new:
            for run_id in await supersede(source, wanted.mode):
                say(f"Run {run_id} is closed as superseded; nothing of it was removed.")
        await require_queue(source.lake, source.queue, call.app.name)
        driver: Driver = (
            LocalDriver(source, call.source, call.options)
            if workers is None
            else FleetDriver(source, call.source, call.options, workers)
        )
        await tell_untold(source)
        async with telling_holds(source, say):
            ended = await run_all(source, driver, wanted, then_new=then_new)
        if call.as_json and ended.document is not None:
            emit(ended.document)
    return ended.code


@dataclass(frozen=True)
class RunEnd:
    code: int
    document: dict[str, Any] | None
    was_stopped: bool = False
    """A signal or a fault ended the work, though the run itself may be closed."""


async def run_all(source: LiveSource, driver: Driver, wanted: WantedRun, *, then_new: bool) -> RunEnd:
    """Finish open runs, then start a new one if none was open or ``then_new``.

    Two runs of a mode are open only if started at the same moment. Both are finished, and the worse end counts.
    """
    worst: RunEnd | None = None
    while (left := await find_open(source, wanted.mode, say)) is not None:
        if not await source.lake.exists(left.paths.seal) and is_of(left, wanted):
            say(f"Run {left.run_id} was stopped before its plan was sealed; it is planned again.")
            return await _finish(source, driver, left)
        ended = await _finish_open(source, driver, left, wanted, then_new)
        if ended.code not in (0, 3) or (ended.was_stopped and not then_new):
            return ended
        if ended.was_stopped:
            say("Stopped: no new run was started.")
            return RunEnd(INTERRUPTED, None)
        worst = ended if worst is None or ended.code > worst.code else worst
    if worst is not None and not then_new:
        say(f"No new run was started. Start one with: {driver.command_to_go_on(wanted.plans, wanted.max_items)}")
        return worst
    return await _finish(source, driver, await claim(source, wanted, say))


async def _finish_open(source: LiveSource, driver: Driver, run: Run, wanted: WantedRun, then_new: bool) -> RunEnd:
    if then_new:
        say(f"Run {run.run_id} is open; it is finished first, and then a new run is started.")
    else:
        require_covered(run, wanted)
        say(
            f"Run {run.run_id} is open; it is finished, and no new run is started. (--then-new starts one "
            "afterwards; --new closes this one instead.)"
        )
    ended = await _finish(source, driver, run)
    if ended.document is None or (await run_state(source.lake, run.paths))[1] is None:
        return ended
    say(f"Run {run.run_id} was open; it is finished now.")
    return replace(ended, document=ended.document | {"was_open": True})


async def _finish(source: LiveSource, driver: Driver, run: Run) -> RunEnd:
    """Plan, send, work and close one run."""
    note_run_of_lines(run.run_id)
    was_planned = await source.lake.exists(run.paths.seal)
    say(f"{'Resuming' if was_planned else 'Planning'} run {run.run_id} of {source.app.name} ...")
    if (line := trial_line(run)) is not None:
        say(line)
    view = SendingView(run.run_id, source.clock)

    def show_sent(sent: int, planned: int) -> None:
        driver.note_sent()
        view.show(sent, planned)

    async with driver.around(run):
        try:
            if await until_signal(start(source, run, say_rest if was_planned else say_plan, show_sent)) is None:
                code, reason = INTERRUPTED, "interrupted before all items were on the queue"
            else:
                code, reason = await driver.drive(run)
        except RunEndedError as ended:
            code, reason = 0, str(ended)
    state, verdict = await run_state(source.lake, run.paths)
    failures = await read_failures(source, run.run_id)
    if verdict is not None:
        await source.closer.tell(run, verdict, was_open=True)
        say_verdict(source, run, verdict, failures)
        document = verdict_document(source, run, verdict, failures)
        return RunEnd(exit_code_of_verdict(verdict), document, was_stopped=code != 0)
    if state is RunState.PLANNING:
        say(
            f"Interrupted before the plan of run {run.run_id} was sealed: nothing is on the queue, and nothing is lost."
        )
        say("Run the same command again to plan it.")
    else:
        say(f"Run {run.run_id} is not finished{': ' + sentence(reason) if reason else '.'}")
    for line in failure_lines(failures, said=reason):
        say(line)
    if state is not RunState.PLANNING:
        say(f"Go on with: {driver.command_to_go_on(run.plans, run.file.max_items)}")
    document = {"state": state.value, "run_id": run.run_id, "reason": fill_source(reason)} | failure_facts(failures)
    return RunEnd(code or INTERRUPTED, document, was_stopped=True)
