"""``haulier gc``."""

from __future__ import annotations

from dataclasses import dataclass

import click

from haulier.app.open_source import OpenSource, open_source
from haulier.cli.output import emit, say
from haulier.cli.source_command import SourceCall, source_command
from haulier.lake.seam import FolderSize
from haulier.plurals import count_of
from haulier.runs.concurrency import run_each
from haulier.runs.leftovers import Leftovers, find_leftovers, remove_leftovers
from haulier.runs.old_snapshots import LEFT, SETTLED_AFTER, OldSnapshot, SeenRun, old_snapshots, unsettled
from haulier.runs.removal import is_any_left, remove_objects, removed_streams
from haulier.runs.run import Run, list_runs
from haulier.runs.state import run_state


@source_command(
    "gc",
    click.option(
        "--keep",
        type=click.IntRange(min=1),
        required=True,
        metavar="N",
        help="Complete full snapshots of each stream that stay. With 2 or more nobody reads what is being removed.",
    ),
    click.option("--dry-run", "is_dry_run", is_flag=True, help="Print what would be removed, and remove nothing."),
)
async def command(call: SourceCall, keep: int, is_dry_run: bool) -> int:
    """Remove SOURCE's old full snapshots, the objects of trials and of superseded or cancelled full runs, and what dead
    processes left.

    Nothing of an open or partial run is removed, nor of an incremental one. The accounts of all runs stay.
    """
    async with open_source(call.app, call.options, writes=not is_dry_run) as source:
        seen = await _see_runs(source)
        found = await _measure(source, old_snapshots(seen, keep, source.clock.now()))
        if not is_dry_run:
            for each in found:
                await remove_objects(
                    source.lake, source.clock, each.old.run, each.old.stream, each.old.why, each.size, source.name
                )
        streams = sorted({stream for each in seen for stream in each.run.file.streams})
        left = await (
            find_leftovers(source.lake, seen)
            if is_dry_run
            else remove_leftovers(source.lake, call.app.name, streams, seen)
        )
    waiting = unsettled(seen, source.clock.now())
    if call.as_json:
        emit(_document(found, left, is_dry_run=is_dry_run) | {"unsettled": waiting})
        return 0
    for each in found:
        click.echo(f"{each.old.run.run_id} {each.old.stream}: {_size(each.size)} ({each.old.why})")
    say(_summary(found, left, is_dry_run=is_dry_run))
    if waiting:
        minutes = f"{SETTLED_AFTER.total_seconds() / 60:.0f} minutes"
        say(f"Left for now, since workers may still be at it for {minutes} after its end: {', '.join(waiting)}.")
    return 0


@dataclass(frozen=True)
class _Found:
    old: OldSnapshot
    size: FolderSize


async def _see_runs(source: OpenSource) -> list[SeenRun]:
    async def see(run: Run) -> SeenRun:
        state, verdict = await run_state(source.lake, run.paths)
        removed = await removed_streams(source.lake, run)
        if verdict is None:
            return SeenRun(run, state, None, {}, removed.keys())
        return SeenRun(run, state, verdict.closed_at, verdict.streams, removed.keys(), verdict.totals.discarded)

    runs = await list_runs(source.lake, source.app.name)
    return await run_each(see, runs, source.lake.capabilities.in_flight)


async def _measure(source: OpenSource, old: list[OldSnapshot]) -> list[_Found]:
    """By stream, that of the run that was started first before the others. Those that are removed already, or never
    had an object, are left out."""

    async def measure(place: int) -> tuple[int, FolderSize | None]:
        run, stream, is_left = old[place].run, old[place].stream, old[place].why == LEFT
        if is_left and not await is_any_left(source.lake, run, stream):
            return place, None
        size = await source.lake.measure(run.paths.bronze(stream))
        return place, size if is_left or size.files else None

    sizes = dict(await run_each(measure, range(len(old)), source.lake.capabilities.in_flight))
    found = [_Found(each, size) for place, each in enumerate(old) if (size := sizes[place]) is not None]
    return sorted(found, key=lambda each: (each.old.stream, each.old.run.file.created_at))


def _document(found: list[_Found], left: Leftovers, *, is_dry_run: bool) -> dict[str, object]:
    return {
        "state": "measured" if is_dry_run else "removed",
        "snapshots": [
            {
                "run_id": each.old.run.run_id,
                "stream": each.old.stream,
                "why": each.old.why,
                "files": each.size.files,
                "bytes": each.size.bytes,
            }
            for each in found
        ],
        "bytes": sum(each.size.bytes for each in found),
        "leftovers": left,
    }


def _summary(found: list[_Found], left: Leftovers, *, is_dry_run: bool) -> str:
    whole = FolderSize(sum(each.size.files for each in found), sum(each.size.bytes for each in found))
    counts = {"spool": left.spools, "shard": left.shards, "temporary file": left.temporary}
    leftovers = "".join(f", {count_of(count, noun)}" for noun, count in counts.items() if count)
    verb = "Would remove" if is_dry_run else "Removed"
    return f"{verb} {count_of(len(found), 'snapshot')}: {_size(whole)}{leftovers}."


def _size(size: FolderSize) -> str:
    return f"{count_of(size.files, 'file')}, {count_of(size.bytes, 'byte')}"
