"""``haulier latest``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from haulier.app.open_source import OpenSource, open_source
from haulier.cli.output import emit, say
from haulier.cli.pick_run import away_hint, is_run_id, pick_run
from haulier.cli.reader_lines import reader_lines, view_line
from haulier.cli.source_command import SourceCall, source_command
from haulier.errors import UnavailableError
from haulier.plurals import are, count_of
from haulier.runs.concurrency import run_each
from haulier.runs.increments import (
    Increments,
    IsWanted,
    after_full,
    after_increment,
    closed_since,
    everything,
    find_increments,
)
from haulier.runs.newest_runs import back_to_whole, latest_complete
from haulier.runs.records import VerdictRecord
from haulier.runs.run import Run
from haulier.runs.strays import late_objects

NOTHING_YET = 4
"""The exit code of a run that is open."""


@source_command(
    "latest",
    click.argument("stream", required=False),
    click.option(
        "--mode",
        type=click.Choice(["full", "incremental", "both"]),
        default="full",
        show_default=True,
        help="The newest full snapshot, the increments, or the snapshot and the increments that it may lack.",
    ),
    click.option(
        "--since",
        metavar="RUN_ID|TIME",
        help="Only increments that are newer than this run's, or were closed since this time.",
    ),
)
async def command(call: SourceCall, stream: str | None, mode: str, since: str | None) -> int:
    """Print the folder of STREAM's newest complete snapshot. STREAM can be left out if SOURCE has only one.

    With --mode incremental: the folders of its increments, oldest first, and with --since those alone that a reader of
    that run lacks. With --mode both: the snapshot and the increments that it may lack.
    """
    app = call.app
    if since is not None and mode != "incremental":
        raise click.UsageError("--since is about increments: write --mode incremental as well.")
    if stream is None and len(app.streams) != 1:
        raise click.UsageError(f"Source {app.name!r} has several streams. Name one of: {', '.join(app.streams)}.")
    (stream,) = app.selected([stream] if stream is not None else app.streams)
    async with open_source(app, call.options, writes=False) as source:
        if mode == "incremental":
            found = await find_increments(source.lake, app.name, stream, await _is_wanted(source, since))
            if not found.closed and not found.under_way and since is None:
                raise UnavailableError(
                    f"No incremental run of {app.name} has closed with the stream {stream} yet. "
                    "Start one with: haulier run SOURCE incremental"
                )
            return await _show_increments(call, source, stream, found, is_none_yet=not found.closed and since is None)
        full = await _require_full(source, stream)
        if mode == "full":
            return await _show_full(call, source, stream, *full)
        fulls = await back_to_whole(source.lake, app.name, stream)
        oldest, verdict = fulls[-1]
        is_wanted = everything if verdict.totals.discarded else after_full(oldest)
        found = await find_increments(source.lake, app.name, stream, is_wanted)
        found.closed += fulls
        # In the order of time: what a snapshot shows to be deleted must not come back with an older increment.
        found.closed.sort(key=lambda each: (each[0].file.snapshot_time, each[0].run_id))
        return await _show_increments(call, source, stream, found)


async def _require_full(source: OpenSource, stream: str) -> tuple[Run, VerdictRecord]:
    found = await latest_complete(source.lake, source.app.name, stream)
    if found is None:
        increments = await find_increments(source.lake, source.app.name, stream, everything)
        hint = f"\nIt has increments: haulier latest SOURCE {stream} --mode incremental" if increments.closed else ""
        start = "Start one with: haulier run SOURCE"
        if stream not in source.app.streams_of("full"):
            start = "Full runs do not pull it: it takes part in incremental ones alone."
        elif not increments.closed and (away := await away_hint(source)):
            hint += f"\n{away.lstrip()}"
        raise UnavailableError(f"No complete run of {source.app.name} has the stream {stream} yet. {start}{hint}")
    return found


async def _is_wanted(source: OpenSource, since: str | None) -> IsWanted:
    if since is None:
        return everything
    if not is_run_id(since):
        return closed_since(_time_of(since))
    run = await pick_run(source, since)
    return after_full(run) if run.file.mode == "full" else after_increment(run)


def _time_of(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise click.UsageError(
            f"--since {text!r} is neither the name of a run, such as incremental-20261124T205959Z, nor a time with its "
            "offset, such as 2026-11-24T20:59:59Z."
        )
    return moment


async def _late(source: OpenSource, stream: str, run: Run, verdict: VerdictRecord) -> list[str]:
    return [source.lake.locate(each) for each in await late_objects(source.lake, run, verdict, stream)]


async def _show_full(call: SourceCall, source: OpenSource, stream: str, run: Run, verdict: VerdictRecord) -> int:
    path = source.lake.locate(run.paths.bronze(stream))
    late = await _late(source, stream, run, verdict)
    # A line that reads the whole folder would read those as well.
    lines = {} if late else reader_lines(path)
    if call.as_json:
        emit(
            {
                "state": verdict.verdict,
                "run_id": run.run_id,
                "stream": stream,
                "path": path,
                "discarded": verdict.totals.discarded,
                "records": verdict.streams.get(stream, 0),
                "snapshot_time": run.file.snapshot_time,
                "readers": lines,
            }
            | ({"late_objects": late} if late else {})
        )
        return 0
    click.echo(path)
    _say_discarded(run.run_id, verdict.totals.discarded)
    _say_late(late)
    _show_lines(lines)
    return 0


async def _show_increments(
    call: SourceCall, source: OpenSource, stream: str, found: Increments, *, is_none_yet: bool = False
) -> int:
    code, state = (NOTHING_YET, "open") if is_none_yet else (0, "complete")
    in_flight = source.lake.capabilities.in_flight
    found_late = await run_each(lambda each: _late(source, stream, *each), found.closed, in_flight)
    late = sorted(path for paths in found_late for path in paths)
    snapshots = [_snapshot(source, stream, run, verdict) for run, verdict in found.closed]
    # Without records there is no folder, which readers take for an error.
    paths = [each["path"] for each in snapshots if each["records"]]
    lines = {} if late or not paths else reader_lines(*paths) | {"duckdb_view": view_line(stream, *paths)}
    if call.as_json:
        emit(
            {
                "state": "partial" if any(each["state"] == "partial" for each in snapshots) else state,
                "stream": stream,
                "snapshots": snapshots,
                "under_way": [run.run_id for run in found.under_way],
                "readers": lines,
            }
            | ({"late_objects": late} if late else {})
        )
        return code
    for path in paths:
        click.echo(path)
    if not snapshots:
        say(f"No increment of {stream} {'is closed' if is_none_yet else 'was closed since'}.")
    for each in snapshots:
        if each["state"] == "partial":
            say(
                f"{each['run_id']} is partial: what it has is listed, and a later run reads the rest, or a redrive "
                f"(haulier poison list SOURCE --run {each['run_id']})."
            )
        _say_discarded(each["run_id"], each["discarded"])
    for run in found.under_way:
        say(f"{run.run_id} is not closed yet: what it has is not listed.")
    _say_late(late)
    _show_lines(lines)
    return code


def _snapshot(source: OpenSource, stream: str, run: Run, verdict: VerdictRecord) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "mode": run.file.mode,
        "state": verdict.verdict,
        "path": source.lake.locate(run.paths.bronze(stream)),
        "records": verdict.streams.get(stream, 0),
        "discarded": verdict.totals.discarded,
        "snapshot_time": run.file.snapshot_time,
        "closed_at": verdict.closed_at,
    }


def _show_lines(lines: dict[str, str]) -> None:
    for reader, line in lines.items():
        click.echo(f"  {reader.replace('_', ', '):13} {line}")


def _say_late(late: list[str]) -> None:
    if late:
        say(
            f"{count_of(len(late), 'object')} listed here {are(len(late))} not in the manifest of the run, and "
            f"no part of it: {', '.join(late)}. Read the other objects alone."
        )


def _say_discarded(run_id: str, discarded: int) -> None:
    if discarded:
        say(
            f"{run_id} lacks what {count_of(discarded, 'discarded item')} would have brought: that is missing, and not "
            "deleted."
        )
