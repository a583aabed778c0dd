"""``haulier doctor``."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from importlib.metadata import version

import click
import msgspec

from haulier.app.app import App
from haulier.app.open_source import OpenSource, Options, open_live, open_source, scope_name
from haulier.app.source_loader import load_app
from haulier.cli.doctor.answers import AnswerLog
from haulier.cli.doctor.finding import Finding, failed, worst_of
from haulier.cli.doctor.machine_checks import find_disk, find_versions
from haulier.cli.doctor.run_checks import find_runs, find_scope
from haulier.cli.doctor.store_checks import find_lake, find_queue, is_scope_shared
from haulier.cli.event_loop import run_loop
from haulier.cli.hints import fill_source
from haulier.cli.options import json_option, options_of, place_options, source_argument
from haulier.cli.output import emit, set_up_output
from haulier.errors import HaulierError
from haulier.plurals import count_of

_CODES = {"ok": 0, "warning": 0, "wrong": 2, "away": 4}
_WIDTHS = (8, 12)
"""Of the columns before the text: state and check."""


@click.command("doctor")
@source_argument
@json_option
@place_options
def command(source: str, as_json: bool, lake: str | None, queue: str | None) -> int:
    """Check all that a run of SOURCE needs, and say what to do about each thing that is wrong.

    The source file, the credentials, a page of each stream, filters that the API ignores, clocks, lake, queue, disks,
    versions, pauses and open runs. It sends a few requests for each stream, starts no run, and leaves nothing behind.
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
        async for finding in _find_around(app, options):
            yield finding


def _streams_text(app: App) -> str:
    return f"{count_of(len(app.streams), 'stream')} ({', '.join(app.streams)}) from {app.api.url}"


async def _find_around(app: App, options: Options) -> AsyncIterator[Finding]:
    """The stores first: through their row the checks of the API learn what its workers keep to."""
    is_shared = False
    try:
        async with open_source(app, options, writes=False) as source:
            async for finding in _find_stores(source):
                yield finding
            is_shared = await is_scope_shared(source, scope_name(app))
    except HaulierError as error:
        yield failed("lake", error)
    async for finding in _find_api(app, options if is_shared else dataclasses.replace(options, queue="memory")):
        yield finding


async def _find_stores(source: OpenSource) -> AsyncIterator[Finding]:
    lake = await find_lake(source)
    yield lake
    for finding in await find_disk(source):
        yield finding
    is_there = lake.state == "ok"
    async for finding in find_queue(source):
        is_there = is_there and finding.state == "ok"
        yield finding
    if is_there:
        async for finding in find_scope(source):
            yield finding
        async for finding in find_runs(source):
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
