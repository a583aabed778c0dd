"""``haulier doctor``."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import version

import click
import msgspec

from haulier.app.app import App
from haulier.app.open_source import Options, open_live, open_source
from haulier.app.source_loader import load_app
from haulier.cli.api_state import ApiState
from haulier.cli.doctor.answers import AnswerLog
from haulier.cli.doctor.finding import Finding, failed, worst_of
from haulier.cli.doctor.machine_checks import find_disk, find_hook, find_versions
from haulier.cli.doctor.run_checks import find_runs, find_scope, scope_state
from haulier.cli.doctor.store_checks import find_lake, find_queue
from haulier.cli.doctor.telemetry_check import find_telemetry
from haulier.cli.event_loop import run_loop
from haulier.cli.hints import fill_source
from haulier.cli.options import json_option, options_of, place_options, source_argument
from haulier.cli.output import emit, set_up_output
from haulier.errors import HaulierError
from haulier.plurals import count_of

_CODES = {"ok": 0, "warning": 0, "wrong": 2, "away": 4}
HELD_STATES = ("held", "paused", "down")
_WIDTHS = (8, 12)
"""Of the columns before the text: state and check."""


@click.command("doctor")
@source_argument
@json_option
@place_options
def command(source: str, as_json: bool, lake: str | None, queue: str | None) -> int:
    """Check all that a run of SOURCE needs, and say what to do about each thing that is wrong.

    The source file, the credentials, a page of each stream, filters that the API ignores, clocks, lake, queue, disks,
    versions, pauses and open runs. It sends a few requests for each stream and starts no run. It leaves nothing
    behind but a folder of the lake and a queue, both empty, where there were none.
    Exit code 0: nothing is wrong; 2: a person has to act; 4: the API, the lake or the queue is away now.
    """
    set_up_output(as_json)
    return run_loop(_examine(source, options_of(lake, queue), as_json))


async def _examine(typed: str, options: Options, as_json: bool) -> int:
    findings: list[Finding] = []
    async for finding in _find(typed, options):
        findings.append(finding)
        if not as_json:
            _show(finding)
    state = worst_of(findings)
    code = _CODES[state]
    if as_json:
        emit(
            {"state": state, "exit_code": code, "haulier": version("haulier"), "checks": msgspec.to_builtins(findings)}
        )
    else:
        _show_sum(findings)
    return code


async def _find(typed: str, options: Options) -> AsyncIterator[Finding]:
    app: App | None = None
    try:
        app = load_app(typed)
        app.require_known_streams()
    except HaulierError as error:
        yield failed("source", error)
    else:
        yield Finding(check="source", subject=app.name, text=f"It loads: {_streams_text(app)}.")
    yield find_versions(app, options)
    if app is not None:
        if (hook := find_hook(app)) is not None:
            yield hook
        yield await find_telemetry(app.name)
        async for finding in _find_around(app, options):
            yield finding


def _streams_text(app: App) -> str:
    return f"{count_of(len(app.streams), 'stream')} ({', '.join(app.streams)}) from {app.api.url}"


async def _find_around(app: App, options: Options) -> AsyncIterator[Finding]:
    """The stores first: their row says what the checks of the API have to keep to."""
    scope: ApiState | None = None
    try:
        async with open_source(app, options, writes=False) as source:
            findings = [await find_lake(source), *await find_disk(source), *[one async for one in find_queue(source)]]
            for finding in findings:
                yield finding
            if all(finding.state in ("ok", "warning") for finding in findings if finding.check != "disk"):
                scope = await scope_state(source)
                for finding in find_scope(scope):
                    yield finding
                async for finding in find_runs(source, 0 if scope is None else scope.workers):
                    yield finding
    except TimeoutError:
        yield Finding(check="scope", state="away", text="The lake or the queue does not answer any more.")
    except HaulierError as error:
        yield failed("scope", error)
    if scope is not None and scope.state in HELD_STATES:
        yield Finding(check="first_page", state="away", text="The API is not asked while its requests are held back.")
        return
    # Without others at work there are no limits to share, and a queue in memory leaves nothing behind.
    shared = options if scope is not None else options.apart(app)
    async for finding in _find_api(app, shared):
        yield finding


async def _find_api(app: App, options: Options) -> AsyncIterator[Finding]:
    from haulier.cli.doctor.api_checks import find_api
    from haulier.clock import SystemClock

    log = AnswerLog(SystemClock())
    async with contextlib.AsyncExitStack() as stack:
        try:
            source = await stack.enter_async_context(open_live(app, options, around=log.around, writes=False))
        except HaulierError as error:
            yield failed("credentials", error)
            return
        async for finding in find_api(source, log):
            yield finding


def _show(finding: Finding) -> None:
    subject = f"{finding.subject}: " if finding.subject else ""
    state, check = finding.state.ljust(_WIDTHS[0]), finding.check.ljust(_WIDTHS[1])
    click.echo(fill_source(f"{state} {check} {subject}{finding.text}"))
    if finding.remedy:
        click.echo(fill_source(f"{' ' * (sum(_WIDTHS) + 2)}{finding.remedy}"))


def _show_sum(findings: list[Finding]) -> None:
    counts = {state: sum(finding.state == state for finding in findings) for state in ("wrong", "away", "warning")}
    words = [f"{count} {state}" for state, count in counts.items() if count]
    click.echo(f"{count_of(len(findings), 'check')}: {', '.join(words) or 'nothing is wrong'}.")
