"""``haulier work``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from dataclasses import replace

import click
from click.core import ParameterSource

from haulier.app.app import App
from haulier.app.open_source import LiveSource, Options, open_live
from haulier.app.run_start import require_shared_queue
from haulier.app.source_loader import load_app
from haulier.cli.close_hook import CloseHook
from haulier.cli.command_lines import child_command
from haulier.cli.drivers import announce, end_stalled, show_progress
from haulier.cli.event_loop import run_loop
from haulier.cli.failures import failure_lines, read_failures
from haulier.cli.leaving import LAST_SECONDS
from haulier.cli.logs import note_run_of_lines, note_source_of_lines
from haulier.cli.options import (
    exit_idle_option,
    on_close_option,
    options_of,
    place_options,
    source_argument,
    worker_options,
)
from haulier.cli.orders import telling_holds
from haulier.cli.output import log_options, say, set_up_output
from haulier.cli.pick_run import pick_run
from haulier.cli.progress import Bar, has_bar
from haulier.cli.progress_reader import OpenRunsReader
from haulier.cli.run_wait import MAX_WAIT_SECONDS, leaving_without_run
from haulier.cli.signals import on_signals
from haulier.cli.variables import SecondsRange
from haulier.cli.worker_log import own_progress
from haulier.runs.lost_queue import require_queue
from haulier.runs.run import list_runs
from haulier.runs.state import open_runs
from haulier.worker.loop import Worker
from haulier.worker.watch import Watch

logger = logging.getLogger("haulier.worker")


@click.command("work")
@source_argument
@click.option(
    "--run", "run_id", metavar="RUN_ID", help="Stay until this run is closed; by default until every open one is."
)
@exit_idle_option
@click.option(
    *("--wait", "wait_seconds"),
    type=SecondsRange(0.1, MAX_WAIT_SECONDS),
    metavar="SECONDS",
    help="Leave once no run was open or being planned for a minute, after SECONDS at the earliest, or after tonight's "
    "full run: for a fleet of a fixed size.",
)
@click.option("--with-parent", is_flag=True, hidden=True, help="Drain when standard input ends.")
@click.option("--quiet", is_flag=True, hidden=True, help="Log nothing below a warning.")
@click.option("--on-terminal", is_flag=True, hidden=True, help="A parent shows what is logged on a terminal.")
@log_options
@place_options
@worker_options
@on_close_option
def command(
    source: str,
    run_id: str | None,
    exit_idle: bool,
    wait_seconds: float | None,
    with_parent: bool,
    quiet: bool,
    on_terminal: bool,
    lake: str | None,
    queue: str | None,
    lease_seconds: float,
    grace_seconds: float,
    is_fixed: bool,
    hook: CloseHook | None,
) -> int:
    """Work through the items of SOURCE's open runs, beside any number of other workers, and close drained runs.

    Waits for a sealed plan, and stays until its runs are closed. SIGTERM or Ctrl-C drains: no new item is taken, those
    under way may end within --grace, the rest go back uncounted. Exit code 0: drained; 4: not finished.
    """
    if wait_seconds is not None:
        exit_idle = exit_idle and not _is_variable("exit_idle")  # What is typed goes before it.
        if exit_idle or run_id is not None:
            other = "--exit-idle leaves at once" if exit_idle else "--run says which run is worked"
            raise click.UsageError(f"{other}, and --wait waits for any: use one of them.")
    set_up_output(quiet, is_on_terminal=on_terminal)
    app = load_app(source)
    note_source_of_lines(app.name)
    note_run_of_lines(run_id or "")
    options = options_of(lake, queue, lease_seconds, grace_seconds, is_fixed=is_fixed, hook=hook)
    options = replace(options, is_child=with_parent)
    exit_idle = exit_idle and not with_parent  # The variable is about workers that are started by themselves.
    return run_loop(_work(app, source, options, run_id, exit_idle, wait_seconds, with_parent))


async def _work(
    app: App,
    typed: str,
    options: Options,
    run_id: str | None,
    exit_idle: bool,
    wait_seconds: float | None,
    with_parent: bool,
) -> int:
    async with open_live(app, options) as source:
        require_shared_queue(source)
        await require_queue(source.lake, source.queue, app.name)
        if run_id is not None:
            await pick_run(source, run_id)  # A misspelt one would be waited for in vain.
        watch = Watch(source.lake, source.queue, source.closer, app.name, only=run_id)
        deps = source.worker_deps(child_command("isolate", typed, options))
        worker = Worker(deps, watch, end_stalled, exit_idle=exit_idle, stays=wait_seconds is not None)
        if run_id is None and not exit_idle:
            await _say_waiting(source)
        bar = Bar(source.clock) if has_bar() and not with_parent else None
        tell = say if bar is None else bar.say
        drain = worker.drain if with_parent else announce(worker.drain, tell, options)
        with on_signals(drain, worker.stop_now, seconds=options.worker.grace_seconds + LAST_SECONDS):
            async with contextlib.AsyncExitStack() as stack:
                if with_parent:
                    _listen_to_parent(worker)
                else:
                    await stack.enter_async_context(telling_holds(source, tell))
                if wait_seconds is not None:
                    await stack.enter_async_context(leaving_without_run(source, watch, worker, wait_seconds))
                if bar is not None:
                    reader = OpenRunsReader(source.lake, app.name, run_id)
                    await stack.enter_async_context(
                        show_progress(bar, reader, source, lambda _: source.client.scope.in_use)
                    )
                elif not with_parent:
                    scope = source.client.scope
                    await stack.enter_async_context(own_progress(worker.stats, scope, source.clock, run_id))
                code = await worker.run()
        if not code:
            logger.info("this worker leaves", extra={"why": worker.rule})
            if wait_seconds is not None and sys.stderr.isatty():
                say(f"This worker leaves: {worker.rule}.")
        else:
            say(f"haulier: {worker.reason}")
            if not with_parent:  # A parent says it of all its children.
                failures = await read_failures(source, source.client.scope.failures.run_id)
                for line in failure_lines(failures, said=worker.reason):
                    say(line)
        return code


def _is_variable(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is ParameterSource.ENVIRONMENT


async def _say_waiting(source: LiveSource) -> None:
    if await open_runs(source.lake, await list_runs(source.lake, source.app.name)):
        return
    say("No run is open: this worker waits until one is, as `haulier enqueue SOURCE` opens it. Ctrl-C stops it.")


def _listen_to_parent(worker: Worker) -> None:
    """Read the pipe from the parent: a line says that there is work, its end that the parent has died."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        if os.read(sys.stdin.fileno(), 4096):
            worker.wake()
        else:
            loop.remove_reader(sys.stdin.fileno())
            worker.drain("the end of its parent")

    loop.add_reader(sys.stdin.fileno(), read)
