"""``haulier enqueue``."""

from __future__ import annotations

import click

from haulier.app.open_source import LiveSource, open_live
from haulier.app.run_start import WantedRun, claim, find_open, require_covered, require_shared_queue, start, supersede
from haulier.cli.command_lines import typed_command
from haulier.cli.estimate import say_plan, say_rest
from haulier.cli.logs import note_run_of_lines
from haulier.cli.options import max_items_option, mode_argument, streams_option
from haulier.cli.orders import telling_holds
from haulier.cli.output import emit, log_options, say
from haulier.cli.report import exit_code_of_verdict, trial_line
from haulier.cli.sending import SendingView
from haulier.cli.signals import until_signal
from haulier.cli.source_command import SourceCall, source_command
from haulier.lake.floor import require_room
from haulier.plurals import count_of, were
from haulier.runs.lost_queue import require_queue
from haulier.runs.repair import Repairer
from haulier.runs.run import Run


@source_command(
    "enqueue",
    mode_argument,
    streams_option,
    click.option("--new", "is_new", is_flag=True, help="Close an open run as superseded and plan another."),
    max_items_option,
    log_options,
)
async def command(call: SourceCall, mode: str, streams: tuple[str, ...], is_new: bool, max_items: int | None) -> int:
    """Plan a run of SOURCE and put its items on the queue. If a run of this mode is open, what its queue lacks is sent
    and no new run is started: the command can be repeated. `haulier work SOURCE`, here or elsewhere, then works through
    the run and closes it.
    """
    call.app.require_mode(mode)
    wanted = WantedRun(mode, call.app.selected(streams, mode), max_items)
    async with open_live(call.app, call.options) as source:
        require_shared_queue(source)
        await require_room(source.lake)
        if is_new:
            for run_id in await supersede(source, wanted.mode):
                say(f"Run {run_id} is closed as superseded; nothing of it was removed.")
        await require_queue(source.lake, source.queue, call.app.name)
        async with telling_holds(source, say):
            run = await _find_open(source, wanted.mode)
            if run is not None:
                require_covered(run, wanted)
                say(f"Run {run.run_id} is already open: what its queue lacks is sent, and no new run is started.")
            else:
                run = await claim(source, wanted, say)
            note_run_of_lines(run.run_id)
            if (line := trial_line(run)) is not None:
                say(line)
            was_planned = await source.lake.exists(run.paths.seal)
            view = SendingView(run.run_id, source.clock)
            seal = await until_signal(start(source, run, say_rest if was_planned else say_plan, view.show))
            if seal is not None and was_planned:
                await _mend(source, run)
        if seal is None:
            say(f"Interrupted: run {run.run_id} is only partly enqueued. Run the same command again to finish it.")
            return 4
        if not seal.items and (verdict := await source.closer.close(run)) is not None:
            # No message will ever bring a worker that follows the depth of the queue.
            say(f"Run {run.run_id} has no items, and is closed: {verdict.verdict}.")
            if call.as_json:
                emit({"state": verdict.verdict, "run_id": run.run_id, "items": 0})
            return exit_code_of_verdict(verdict)
        work = typed_command("work", call.source, call.options)
        say(f"Run {run.run_id} is enqueued: {count_of(seal.items, 'item')}. Work them with: {work}")
        if call.as_json:
            emit({"state": "open", "run_id": run.run_id, "items": seal.items})
        return 0


async def _mend(source: LiveSource, run: Run) -> None:
    """What the queue lost brings no worker that follows its depth, and would keep the run open night after night."""
    if sent := await Repairer(source.closer).repair_if_lost(run):
        items = f"{count_of(sent, 'item')} of run {run.run_id} {were(sent)} sent again"
        say(f"{items}: not ended, and the queue held no message of the run.")


async def _find_open(source: LiveSource, mode: str) -> Run | None:
    """The open run with items under way. One that is drained is closed: where workers come by the depth of the queue,
    none comes to close what a killed one left, and each night would find that run open."""
    while (run := await find_open(source, mode, say)) is not None and await source.lake.exists(run.paths.seal):
        verdict = await source.closer.close(run)
        if verdict is None:
            break
        say(f"Run {run.run_id} was drained, and is closed now: {verdict.verdict}.")
    return run
