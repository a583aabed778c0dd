"""``haulier run``: from a source file to a closed, reconciled run."""

from __future__ import annotations

from dataclasses import dataclass

import click

from haulier.app.app import App
from haulier.app.loading import load_app
from haulier.app.site import LiveSite, Options, open_live
from haulier.app.starting import Wanted, claim, find_open, require_shared_queue, start, supersede
from haulier.cli.driving import Driver, FleetDriver, LocalDriver
from haulier.cli.estimate import say_plan
from haulier.cli.loop import run_loop
from haulier.cli.options import json_option, mode_argument, options_of, place_options, source_argument, worker_options
from haulier.cli.output import emit, say, set_up_output
from haulier.cli.report import exit_code_of_verdict, say_verdict, verdict_document
from haulier.cli.tasks import until_signal
from haulier.runs.run import Run
from haulier.runs.state import run_state

INTERRUPTED = 4


@dataclass(frozen=True)
class Asked:
    """The flags of ``run`` that are its own."""

    wanted: Wanted
    is_new: bool
    resume_only: bool
    workers: int | None
    as_json: bool


@click.command("run", short_help="Start or finish a run: plan, enqueue, work, close.")
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
    options = options_of(lake, queue, lease_seconds, grace_seconds)
    return run_loop(_run(app, source, asked, options))


async def _run(app: App, source: str, asked: Asked, options: Options) -> int:
    async with open_live(app, options) as site:
        if asked.workers is not None:
            require_shared_queue(site)
        if asked.is_new:
            for run_id in await supersede(site, asked.wanted.mode):
                say(f"Run {run_id} is closed as superseded; nothing of it was removed.")
        driver: Driver = (
            LocalDriver(site, source, options)
            if asked.workers is None
            else FleetDriver(site, source, options, asked.workers)
        )
        left = await find_open(site, asked.wanted.mode)
        if left is not None:
            was_planned = await site.lake.exists(left.paths.seal)
            say(f"Run {left.run_id} was left open; it is {'finished first' if was_planned else 'planned anew'}.")
            code = await _finish(site, driver, left, asked)
            if code not in (0, 3) or asked.resume_only or not was_planned:
                return code
        elif asked.resume_only:
            say(f"No {asked.wanted.mode} run of {app.name} is open.")
            return 0
        return await _finish(site, driver, await claim(site, asked.wanted), asked)


async def _finish(site: LiveSite, driver: Driver, run: Run, asked: Asked) -> int:
    """Plan, send, work and close one run. Returns its exit code."""
    say(f"Planning run {run.run_id} of {site.app.name} ...")
    if await until_signal(start(site, run, say_plan)) is None:
        say(f"Interrupted before run {run.run_id} was sealed: nothing is on the queue, and nothing is lost.")
        return INTERRUPTED
    code, reason = await driver.drive(run)
    state, verdict = await run_state(site.lake, run.paths)
    if verdict is None:
        say(f"Run {run.run_id} is not finished{': ' + reason if reason else ''}.")
        say(f"Go on with: haulier run {driver.source} {run.file.mode} --resume-only")
        if asked.as_json:
            emit({"state": state.value, "run_id": run.run_id, "reason": reason})
        return code or INTERRUPTED
    say_verdict(site, run, verdict)
    if asked.as_json:
        emit(verdict_document(site, run, verdict))
    return exit_code_of_verdict(verdict)
