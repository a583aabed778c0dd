"""``haulier try``."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import islice

import click

from haulier.api.errors import Action, ApiError
from haulier.app.app import App
from haulier.app.open_source import LiveSource, Options, open_live
from haulier.app.source_loader import load_app
from haulier.cli.child_parts import child_parts, require_end
from haulier.cli.event_loop import run_loop
from haulier.cli.options import json_option, mode_argument, options_of, place_options, source_argument
from haulier.cli.output import emit, log_options, say, set_up_output
from haulier.cli.request_printer import SHOWN_RECORDS, RequestPrinter
from haulier.cli.tried_item import find_in_run, require_not_held, try_item
from haulier.errors import HaulierError, UnavailableError, UsageError
from haulier.items.keys import item_key
from haulier.items.workitem import WorkItem
from haulier.lake.ndjson import to_lines
from haulier.plurals import count_of, were
from haulier.runs.records import RunFile
from haulier.runs.run import Run
from haulier.runs.watermark.fold import read_watermark
from haulier.sources.context import Context, RunInfo
from haulier.sources.context_log import ContextLog
from haulier.worker.dispatch import page_of
from haulier.worker.key_check import keys_checked
from haulier.worker.trace import trace_of

CHANGE_NEEDED = 2
"""A person has to change something."""
MAX_PAGES = 10
MAX_CHILDREN = 5
"""Parents that are tried until one has children."""
MAX_SEARCHED_ITEMS = 100_000
"""Items that are searched for the one of ``--key``."""


@click.command("try")
@source_argument
@mode_argument
@click.option("--stream", metavar="STREAM", help="Try an item of this stream; by default of any.")
@click.option("--key", metavar="KEY", help="Work the item with this key whole, as a worker would.")
@click.option(
    "--run",
    "run_id",
    metavar="RUN_ID",
    help="With --key: the run that has the item; by default the newest that is no trial.",
)
@click.option(
    "--pages",
    type=click.IntRange(1, MAX_PAGES),
    help="Request this many pages, not one: the second shows whether `pages` is right.",
)
@log_options
@json_option
@place_options
def command(
    source: str,
    mode: str,
    stream: str | None,
    key: str | None,
    run_id: str | None,
    pages: int | None,
    as_json: bool,
    lake: str | None,
    queue: str | None,
) -> int:
    """Enumerate SOURCE up to its first item, fetch the first page of that item, and show each request and its answer.

    If the item is divided, as for a stream with a parent, its first child is tried too. Nothing is written to lake or
    queue. Exit code 0: a page came back, or the item has none; 2: something in the source has to be changed; 4: the API
    does not answer now, or a person paused the source. With --key, 0: the item would be done; 3: it would fail, and the
    last line says what would become of it.
    """
    set_up_output(as_json)
    if key is None and run_id is not None:
        raise UsageError("--run is about the item of --key. Write both, or leave --run out.")
    if key is not None and pages is not None:
        raise UsageError("--key works the item whole; --pages is about the first item. Use one of them.")
    app = load_app(source)
    options = options_of(lake, queue)
    if key is not None:
        return run_loop(_try_key(app, options, _Wanted(mode, stream, key, run_id), as_json))
    return run_loop(_try(app, options, _Wanted(mode, stream), pages or 1, as_json))


@dataclass(frozen=True)
class _Wanted:
    """The item that is tried."""

    mode: str
    stream: str | None
    key: str | None = None
    run_id: str | None = None

    def streams(self, app: App) -> tuple[str, ...]:
        app.require_mode(self.mode)
        return app.selected([self.stream] if self.stream is not None else [], self.mode)


async def _try_key(app: App, options: Options, wanted: _Wanted, as_json: bool) -> int:
    assert wanted.key is not None
    found, workers = await find_in_run(app, options, wanted.run_id, wanted.key)
    streams = () if found is not None else wanted.streams(app)
    printer = RequestPrinter(as_json=as_json)
    # Where nobody ever worked, a gate to share would first have to be written.
    options = options if workers is not None else options.apart(app)
    async with open_live(app, options, around=printer.around, writes=False) as source:
        printer.source = source
        source.client.scope.end_waits()
        if found is None:
            say(f"There is no run here; the item {wanted.key} is looked for in a plan as one would be made now.")
            item = await _find(source, wanted.mode, streams, wanted.key)
            file = RunFile(
                run_id="try",
                source=app.name,
                mode=wanted.mode,
                snapshot_time=source.clock.now().replace(microsecond=0),
                created_at=source.clock.now(),
                fingerprint="",
                streams=streams,
            )
            found = Run.of(file), item
        run, item = found
        say(f"item {item_key(item)}" + ("" if run.run_id == "try" else f" of run {run.run_id}"))
        if workers:
            say(f"Its requests wait for their turns among those of {count_of(workers, 'worker')}.")
        return await try_item(source, run, item, printer, as_json=as_json)


async def _try(app: App, options: Options, wanted: _Wanted, pages: int, as_json: bool) -> int:
    mode, streams = wanted.mode, wanted.streams(app)
    await require_not_held(app, options)
    printer = RequestPrinter(as_json=as_json)
    async with open_live(app, options.apart(app), around=printer.around, writes=False) as source:
        printer.source = source
        source.client.scope.end_waits()  # A person waits for the answer.
        item = await _find(source, mode, streams, None)
        say(f"item {item_key(item)}")
        try:
            tried = await _try_pages(source, mode, item, pages, printer)
        except HaulierError:
            raise
        except Exception as error:  # noqa: BLE001 - the item boundary, as a worker has it
            redact = source.client.redactor.redact
            say(redact(trace_of(error)).rstrip())
            say(redact(f"haulier: The processor of kind {item.kind!r} raised {type(error).__name__}: {error}"))
            return CHANGE_NEEDED
        return _show(item, tried, printer, as_json)


@dataclass(frozen=True)
class _TryResult:
    """Pages of an item, or the child that was tried after it."""

    pages: list[list[str]]
    """The records of each page, as lines."""
    child: WorkItem | None = None


async def _try_pages(source: LiveSource, mode: str, item: WorkItem, pages: int, printer: RequestPrinter) -> _TryResult:
    """Work the first pages of an item; if it is divided, of its first child that has records, however far down."""
    tried = await _pages_below_cap(source, mode, item, pages, printer)
    what, above = "The item is divided; its", [item_key(item)]
    while (child := tried.child) is not None and not tried.pages:
        require_end(child, above)
        say(f"{what} first child is {item_key(child)}.")
        found = _TryResult([])
        for part in islice(child_parts(source.app, child), MAX_CHILDREN):
            found = await _pages_below_cap(source, mode, part, pages, printer)
            if found.pages or found.child is not None:
                break
        if found.child is None:
            return _TryResult(found.pages, child)
        tried, what = found, "That one is divided too; its"
    return tried


async def _pages_below_cap(
    source: LiveSource, mode: str, item: WorkItem, pages: int, printer: RequestPrinter
) -> _TryResult:
    """Of the item, or of its first part that the API does not refuse as too large."""
    part, above = item, [item_key(item)]
    while True:
        try:
            found = await _pages_of(source, mode, part, pages, printer)
        except ApiError as error:
            parts = source.app.divide(part) if error.action is Action.SPLIT else ()
            if not parts:
                raise
            require_end(parts[0], above)
            why = str(error) if part is item else "That one is divided, too."
            say(f"{why} Its first part is {item_key(parts[0])}.")
            part = parts[0]
        else:
            return found if part is item or not found.pages else replace(found, child=part)


async def _pages_of(source: LiveSource, mode: str, item: WorkItem, pages: int, printer: RequestPrinter) -> _TryResult:
    context = _context(source, mode)
    context.api.most_pages = pages
    found: list[list[str]] = []
    async with (
        aclosing(source.app.processors[type(item)](item, context)) as pieces,
        keys_checked(source.app.keys.get(item.stream)) as check,
    ):
        async for piece in pieces:
            if isinstance(piece, WorkItem):
                return _TryResult([], piece)
            records = list(page_of(piece, item.kind).records)
            found.append([to_lines([record]).decode(errors="replace").rstrip("\n") for record in records])
            printer.page(len(found), found[-1])
            await check(records)
            if len(found) == pages:
                break
    if skipped := context.api.usage.counts.skipped:
        say(f"{count_of(skipped, 'row')} {were(skipped)} skipped, as `skip` or `allowed_errors` says")
    if context.api.assumption:
        # A misspelt path looks like a list of one page, and no run could tell the two apart.
        say(f"{source.client.redactor.redact(context.api.assumption)}; check `pages` if there should be more")
    elif found and len(found) < pages:
        say(f"The list ends after {count_of(len(found), 'page')}.")
    return _TryResult(found)


def _show(item: WorkItem, tried: _TryResult, printer: RequestPrinter, as_json: bool) -> int:
    if not tried.pages:
        say("The item has no records." if tried.child is None else "The child has no records.")
    if as_json:
        pages = [{"records": len(lines), "first": lines[:SHOWN_RECORDS]} for lines in tried.pages]
        child = {} if tried.child is None else {"child": item_key(tried.child)}
        emit(
            {
                "state": "tried",
                "item": item_key(item),
                **child,
                "records": sum(len(lines) for lines in tried.pages),
                "first": tried.pages[0][:SHOWN_RECORDS] if tried.pages else [],
                "pages": pages,
                "requests": printer.requests,
            }
        )
    return 0


async def _find(source: LiveSource, mode: str, streams: tuple[str, ...], key: str | None) -> WorkItem:
    context = _context(source, mode)
    if mode == "incremental":
        known = await read_watermark(source.lake, source.app.name)
        context = replace(context, finished=known.finished)
    items: AsyncIterator[WorkItem] = source.items(mode, streams, context)
    searched = 0
    async for item in items:
        if key is None or item_key(item) == key:
            return item
        searched += 1
        if searched >= MAX_SEARCHED_ITEMS:
            break
    if key is not None:
        raise UsageError(
            f"None of the first {searched:,} planned items has the key {key!r}. Items that come from division cannot "
            "be tried. Write the key of an item that is planned, or leave out --key."
        )
    raise UnavailableError("The enumeration yields no items: there is nothing to pull now.")


def _context(source: LiveSource, mode: str) -> Context:
    moment = source.clock.now().replace(microsecond=0)
    log = ContextLog(logging.getLogger("haulier.processor"), {"item_key": "try"})
    return Context(source.client.session(), RunInfo("try", mode, moment), 1, log, source.shared)
