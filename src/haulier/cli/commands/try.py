"""``haulier try``."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import islice
from urllib.parse import unquote_plus

import click

from haulier.api.http.transport import Request, Response, Transport, TransportError
from haulier.app.app import App
from haulier.app.open_source import LiveSource, Options, open_live
from haulier.app.source_loader import load_app
from haulier.cli.event_loop import run_loop
from haulier.cli.options import json_option, mode_argument, source_argument
from haulier.cli.output import emit, log_options, say, set_up_output
from haulier.errors import HaulierError, UnavailableError, UsageError
from haulier.items.keys import item_key
from haulier.items.workitem import WorkItem
from haulier.lake.ndjson import to_lines
from haulier.plurals import count_of
from haulier.runs.watermark import read_watermark
from haulier.sources.context import Context, RunInfo
from haulier.worker.dispatch import page_of
from haulier.worker.key_check import keys_checked
from haulier.worker.trace import trace_of

CHANGE_NEEDED = 2
"""A person has to change something."""
SHOWN_RECORDS = 3
MAX_PAGES = 10
MAX_CHILDREN = 5
"""Parents that are tried until one has children."""
MAX_SEARCHED_ITEMS = 100_000
"""Items that are searched for the one of ``--item``."""


@click.command("try")
@source_argument
@mode_argument
@click.option("--stream", metavar="STREAM", help="Try an item of this stream; by default of any.")
@click.option("--item", "key", metavar="KEY", help="Try the item with this key; by default the first one.")
@click.option(
    "--pages",
    type=click.IntRange(1, MAX_PAGES),
    default=1,
    show_default=True,
    help="Request this many pages: the second one shows whether `pages` is right.",
)
@log_options
@json_option
def command(source: str, mode: str, stream: str | None, key: str | None, pages: int, as_json: bool) -> int:
    """Enumerate SOURCE up to its first item, fetch the first page of that item, and show each request and its answer.

    If the item is divided, as for a stream with a parent, its first child is tried too. Nothing is written to lake or
    queue. Exit code 0: a page came back, or the item has none; 2: something in the source has to be changed; 4: the API
    does not answer now.
    """
    set_up_output(as_json)
    app = load_app(source)
    app.require_mode(mode)
    streams = app.selected([stream] if stream is not None else [], mode)
    return run_loop(_try(app, mode, streams, key, pages, as_json))


async def _try(app: App, mode: str, streams: tuple[str, ...], key: str | None, pages: int, as_json: bool) -> int:
    printer = _RequestPrinter(as_json=as_json)
    async with open_live(app, Options(queue="memory"), around=printer.around, writes=False) as source:
        printer.source = source
        source.client.scope.end_waits()  # A person waits for the answer.
        item = await _find(source, mode, streams, key)
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


async def _try_pages(source: LiveSource, mode: str, item: WorkItem, pages: int, printer: _RequestPrinter) -> _TryResult:
    """Work the first pages of an item; if it is divided, of its first child that has records."""
    tried = await _pages_of(source, mode, item, pages, printer)
    if tried.child is None:
        return tried
    say(f"The item is divided; its first child is {item_key(tried.child)}.")
    found = _TryResult([], tried.child)
    for part in islice(_divide_parents(source.app, tried.child), MAX_CHILDREN):
        found = await _pages_of(source, mode, part, pages, printer)
        if found.pages or found.child is not None:
            break
    return _TryResult(found.pages, tried.child)


def _divide_parents(app: App, child: WorkItem) -> Iterator[WorkItem]:
    """Divide a child of a source file into one for each parent; one of Python code stays whole."""
    parts = app.divide(child) if app.is_of_file else ()
    if not parts:
        yield child
    for part in parts:
        yield from _divide_parents(app, part)


async def _pages_of(source: LiveSource, mode: str, item: WorkItem, pages: int, printer: _RequestPrinter) -> _TryResult:
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
    if context.api.assumption:
        # A misspelt path looks like a list of one page, and no run could tell the two apart.
        say(f"{source.client.redactor.redact(context.api.assumption)}; check `pages` if there should be more")
    elif found and len(found) < pages:
        say(f"The list ends after {count_of(len(found), 'page')}.")
    return _TryResult(found)


def _show(item: WorkItem, tried: _TryResult, printer: _RequestPrinter, as_json: bool) -> int:
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
            "be tried. Write the key of an item that is planned, or leave out --item."
        )
    raise UnavailableError("The enumeration yields no items: there is nothing to pull now.")


def _context(source: LiveSource, mode: str) -> Context:
    moment = source.clock.now().replace(microsecond=0)
    log = logging.LoggerAdapter(logging.getLogger("haulier.processor"), {"item_key": "try"})
    return Context(source.client.session(), RunInfo("try", mode, moment), 1, log, source.shared)


class _RequestPrinter:
    """Wraps the transport and prints each request and answer. Credentials are added below it."""

    def __init__(self, *, as_json: bool) -> None:
        self.source: LiveSource | None = None
        self._as_json = as_json
        self.requests: list[dict[str, object]] = []
        self._transport: Transport | None = None

    def around(self, transport: Transport) -> Transport:
        self._transport = transport
        return self

    async def send(self, request: Request) -> Response:
        assert self._transport is not None
        url = self._redact(request.url)
        try:
            response = await self._transport.send(request)
        except TransportError as error:
            say(f"{request.method} {unquote_plus(url)}\n    {self._redact(str(error))}")
            self.requests.append({"method": request.method, "url": url, "error": self._redact(str(error))})
            raise
        say(
            f"{request.method} {unquote_plus(url)}\n    {response.status}, {len(response.body):,} bytes "
            f"({response.wire_bytes:,} on the wire), first byte after {response.first_byte_seconds:.3f} s"
        )
        self.requests.append(
            {"method": request.method, "url": url, "status": response.status, "bytes": len(response.body)}
        )
        return response

    def page(self, number: int, lines: list[str]) -> None:
        """Print a page as soon as it came, so that a later failure stands below it."""
        where = "the first page" if number == 1 else f"page {number}"
        first = [] if self._as_json else lines[:SHOWN_RECORDS]
        say(f"{count_of(len(lines), 'record')} in {where}" + (f"; the first {len(first)}:" if first else "."))
        for line in first:
            click.echo(line)

    def _redact(self, text: str) -> str:
        return text if self.source is None else self.source.client.redactor.redact(text)
