"""``haulier try``: one page of one item, every request shown, nothing written."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from urllib.parse import unquote_plus

import click

from haulier.api.transport import Request, Response, Transport, TransportError
from haulier.app.app import App
from haulier.app.loading import load_app
from haulier.app.site import LiveSite, Options, open_live
from haulier.cli.counts import counted
from haulier.cli.loop import run_loop
from haulier.cli.options import json_option, mode_argument, source_argument
from haulier.cli.output import emit, say, set_up_output
from haulier.errors import UnavailableError, UsageError
from haulier.items.keys import item_key
from haulier.items.workitem import WorkItem
from haulier.lake.ndjson import to_lines
from haulier.worker.dispatch import page_of
from haulier.worker.parts import Context, RunInfo

SHOWN_RECORDS = 3
MAX_LOOKED_AT = 100_000
"""Items that are enumerated in search of the one that ``--item`` names."""


@click.command("try")
@source_argument
@mode_argument
@click.option("--stream", metavar="STREAM", help="An item of this stream; by default the first that comes.")
@click.option("--item", "key", metavar="KEY", help="The item of this key; by default the first that comes.")
@json_option
def command(source: str, mode: str, stream: str | None, key: str | None, as_json: bool) -> int:
    """Enumerate SOURCE to its first item, work the first page of that, and show what was asked and answered.

    Nothing is written to lake or queue. Exit code 0: a page came back.
    """
    set_up_output(as_json)
    app = load_app(source)
    app.require_mode(mode)
    streams = app.selected([stream] if stream is not None else [])
    return run_loop(_try(app, mode, streams, key, as_json))


async def _try(app: App, mode: str, streams: tuple[str, ...], key: str | None, as_json: bool) -> int:
    shown = _Shown()
    async with open_live(app, Options(queue="memory"), around=shown.around, writes=False) as site:
        shown.site = site
        item = await _find(site, mode, streams, key)
        say(f"item {item_key(item)}")
        context = _context(site, mode)
        pieces = app.processors[type(item)](item, context)
        async with aclosing(pieces):
            piece = await anext(pieces, None)
        if context.api.assumption:
            # A misspelt path looks like a list of one page, and no run could tell the two apart.
            say(f"{site.client.redactor.redact(context.api.assumption)}; check `pages` if there should be more")
        return _show(item, piece, shown, as_json)


def _show(item: WorkItem, piece: object, shown: _Shown, as_json: bool) -> int:
    """What the processor yielded first."""
    if isinstance(piece, WorkItem):
        say(f"The item is divided; its first child is {item_key(piece)}.")
    elif piece is None:
        say("The item has no records.")
    page = None if piece is None or isinstance(piece, WorkItem) else page_of(piece, item.kind)
    records = [] if page is None else list(page.records)
    lines = [to_lines([record]).decode(errors="replace").rstrip("\n") for record in records[:SHOWN_RECORDS]]
    if as_json:
        emit(
            {
                "state": "tried",
                "item": item_key(item),
                "records": len(records),
                "first": lines,
                "requests": shown.requests,
            }
        )
        return 0
    if records:
        say(f"{counted(len(records), 'record')} in the first page; the first {len(lines)}:")
    for line in lines:
        click.echo(line)
    return 0


async def _find(site: LiveSite, mode: str, streams: tuple[str, ...], key: str | None) -> WorkItem:
    items: AsyncIterator[WorkItem] = site.app.items(mode, streams, _context(site, mode))
    looked_at = 0
    async for item in items:
        if key is None or item_key(item) == key:
            return item
        looked_at += 1
        if looked_at >= MAX_LOOKED_AT:
            break
    if key is not None:
        raise UsageError(f"No item of the first {looked_at:,} has the key {key!r}. `haulier poison list` shows keys.")
    raise UnavailableError("The enumeration gives no items: there is nothing to pull now.")


def _context(site: LiveSite, mode: str) -> Context:
    moment = site.clock.now().replace(microsecond=0)
    log = logging.LoggerAdapter(logging.getLogger("haulier.processor"), {"item_key": "try"})
    return Context(site.client.session("try"), RunInfo("try", mode, moment), 1, log, site.shared)


class _Shown:
    """Wraps the transport, and says each request and answer as it passes. Credentials are added below it."""

    def __init__(self) -> None:
        self.site: LiveSite | None = None
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

    def _redact(self, text: str) -> str:
        return text if self.site is None else self.site.client.redactor.redact(text)
