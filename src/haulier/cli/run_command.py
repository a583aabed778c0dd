"""``haulier run``: from a source file to a closed, reconciled run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

from haulier.app.app import App
from haulier.app.loading import load_app
from haulier.app.site import LiveSite, Options, open_live
from haulier.app.starting import Wanted, claim, find_open, require_shared_queue, start, supersede
from haulier.cli.choosing import choose_run
from haulier.cli.driving import Driver, FleetDriver, LocalDriver
from haulier.cli.estimate import say_plan, say_rest
from haulier.cli.failures import failure_facts, failure_lines, read_failures
from haulier.cli.loop import run_loop
from haulier.cli.options import json_option, mode_argument, options_of, place_options, source_argument, worker_options
from haulier.cli.output import emit, say, set_up_output
from haulier.cli.report import exit_code_of_verdict, say_verdict, verdict_document
from haulier.cli.tasks import until_signal
from haulier.errors import UnavailableError, sentence
from haulier.lake.floor import require_room
from haulier.runs.run import Run
from haulier.runs.state import RunState, run_state

INTERRUPTED = 4


@dataclass(frozen=True)
class Asked:
    """The flags of ``run`` that are its own."""

    wanted: Wanted
    is_new: bool
    resume_only: bool
    workers: int | None
    as_json: bool


@click.command("run")
@source_argument
@mode_argument
@click.option("--stream", "streams", multiple=True, metavar="STREAM", help="Only this stream; may be repeated.")
@click.option("--new", "is_new", is_flag=True, help="Close an open run as superseded instead of finishing it first.")
@click.option("--resume-only", is_flag=True, help="Finish the open run, and start no other.")
@click.option("--workers", type=click.IntRange(1, 64), help="Work in so many processes; by default in this one.")
@json_option
@place_options
@worker_options
def command(
    source: str,
    mode: str,
    streams: tuple[str, ...],
    is_new: bool,
    resume_only: bool,
    workers: int | None,
    as_json: bool,
    lake: str | None,
    queue: str | None,
    lease_seconds: float,
    grace_seconds: float,
    is_fixed: bool,
) -> int:
    """Pull SOURCE (a .toml or .py file, or module:app) into the lake, from where an earlier run was left.

    An open run of the mode is finished first, then a new one is started. Exit code 0: the run is complete.
    """
    if is_new and resume_only:
        raise click.UsageError("--new closes the open run and --resume-only finishes it: give one of them.")
    set_up_output(as_json)
    app = load_app(source)
    app.require_mode(mode)
    asked = Asked(Wanted(mode, app.selected(streams)), is_new, resume_only, workers, as_json)
    options = options_of(lake, queue, lease_seconds, grace_seconds, is_fixed=is_fixed)
    return run_loop(_run(app, source, asked, options))


async def _run(app: App, source: str, asked: Asked, options: Options) -> int:
    async with open_live(app, options) as site:
        if asked.workers is not None:
            require_shared_queue(site)
        await require_room(site.lake)
        if asked.is_new:
            for run_id in await supersede(site, asked.wanted.mode):
                say(f"Run {run_id} is closed as superseded; nothing of it was removed.")
        driver: Driver = (
            LocalDriver(site, source, options)
            if asked.workers is None
            else FleetDriver(site, source, options, asked.workers)
        )
        ended = await run_all(site, driver, asked)
    if asked.as_json and ended.document is not None:
        emit(ended.document)
    return ended.code


@dataclass(frozen=True)
class Ended:
    """How far a run came. Of several runs of one command, the last one's document is the one that is printed."""

    code: int
    document: dict[str, Any] | None
    was_stopped: bool = False
    """The work on it was ended by a signal or a fault, though the run itself may be closed."""


async def run_all(site: LiveSite, driver: Driver, asked: Asked) -> Ended:
    """Finish what was left open, then the run that is asked for."""
    finished: Ended | None = None
    while (left := await find_open(site, asked.wanted.mode)) is not None:
        was_planned = await site.lake.exists(left.paths.seal)
        is_asked_for = not was_planned and left.file.streams == asked.wanted.streams
        say(_of_left(left, was_planned=was_planned, is_last=is_asked_for or asked.resume_only))
        finished = await _finish(site, driver, left)
        if finished.code not in (0, 3) or is_asked_for:
            return finished
        if finished.was_stopped:
            say("Stopped: no other run was started.")
            return finished if asked.resume_only else Ended(INTERRUPTED, None)
    if not asked.resume_only:
        return await _finish(site, driver, await claim(site, asked.wanted))
    return finished or await _newest(site, asked.wanted.mode)


def _of_left(run: Run, *, was_planned: bool, is_last: bool) -> str:
    done = "finished first" if was_planned else "planned anew"
    more = "" if is_last else ", and then a new run is started (--resume-only stops before that)"
    return f"Run {run.run_id} was left open; it is {done}{more}."


async def _newest(site: LiveSite, mode: str) -> Ended:
    """Nothing is open: the newest run of the mode says how things stand, as it does for `status`."""
    run = await choose_run(site, None, mode)
    _, verdict = await run_state(site.lake, run.paths)
    if verdict is None:
        raise UnavailableError(f"Run {run.run_id} was opened by another process a moment ago. Type the same again.")
    say(f"No {mode} run of {site.app.name} is open; the newest, {run.run_id}, is {verdict.verdict}.")
    failures = await read_failures(site, run.run_id)
    return Ended(exit_code_of_verdict(verdict), verdict_document(site, run, verdict, failures))


async def _finish(site: LiveSite, driver: Driver, run: Run) -> Ended:
    """Plan, send, work and close one run."""
    was_planned = await site.lake.exists(run.paths.seal)
    say(f"{'Resuming' if was_planned else 'Planning'} run {run.run_id} of {site.app.name} ...")
    if await until_signal(start(site, run, say_rest if was_planned else say_plan)) is None:
        code, reason = INTERRUPTED, "interrupted before all of it was on the queue"
    else:
        code, reason = await driver.drive(run)
    state, verdict = await run_state(site.lake, run.paths)
    failures = await read_failures(site, run.run_id)
    if verdict is not None:
        say_verdict(site, run, verdict, failures)
        document = verdict_document(site, run, verdict, failures)
        return Ended(exit_code_of_verdict(verdict), document, was_stopped=code != 0)
    if state is RunState.PLANNING:
        say(f"Interrupted before run {run.run_id} was sealed: nothing is on the queue, and nothing is lost.")
        say("The same command plans it anew.")
    else:
        say(f"Run {run.run_id} is not finished{': ' + sentence(reason) if reason else '.'}")
        for line in failure_lines(failures):
            say(line)
        say(f"Go on with: {driver.command_to_resume(run.file.mode)}")
        say("Without --resume-only a new run, from the beginning, follows it.")
    document = {"state": state.value, "run_id": run.run_id, "reason": reason} | failure_facts(failures)
    return Ended(code or INTERRUPTED, document, was_stopped=True)
